"""What serving knows of scenarios: which there are."""

from collections.abc import Mapping
from datetime import datetime

from firstlight.catalog.models import Scenario

name = "scenarios"


def compile(at: datetime) -> dict[str, bytes]:
    return {key: key.encode() for key in Scenario.objects.values_list("key", flat=True)}


def load(payload: bytes) -> str:
    return payload.decode()


def gather(parts: Mapping[str, str]) -> frozenset[str]:
    return frozenset(parts.values())
