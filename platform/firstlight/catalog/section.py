"""What serving knows of scenarios: which there are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from firstlight.catalog.models import Scenario

name = "scenarios"


def compile(at: datetime) -> dict[str, bytes]:
    return {key: key.encode() for key in Scenario.objects.values_list("key", flat=True)}


def load(payload: bytes) -> str:
    return payload.decode()


def gather(parts: Mapping[str, str]) -> frozenset[str]:
    return frozenset(parts.values())


def decide(state: frozenset[str], request: Any, answer: dict[str, Any]) -> None:
    """An unknown scenario is refused at the door; a known one adds nothing."""
