"""Experiments that the fast path leaves alone, and what a request wishes. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .rules import Arm, Rule, Wishes

if TYPE_CHECKING:
    from .index import Index


def is_special(rule: Rule) -> bool:
    """Whether its arm follows from more than hash, layer and condition."""
    return False


def assign(
    index: "Index",
    unit: Mapping[str, str],
    attributes: Mapping[str, Any],
    wishes: Wishes,
    found: list[tuple[Rule, Arm]],
) -> list[tuple[Rule, Arm]]:
    """What the unit sees in all: `found` is what hash, layer and condition say."""
    return found
