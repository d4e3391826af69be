"""Saved groups: who names one, and what keeps it from going."""

from collections.abc import Iterator
from typing import Any

from experiments.models import Experiment, SavedGroup, Status
from firstlight.assignment import targeting
from firstlight.console import words
from firstlight.postgres import locks

MOST_VALUES, LONGEST_VALUE = 100_000, 200


def hold() -> None:
    """To the end of the transaction nobody else changes which groups there are, and no plan that names one starts."""
    locks.wait_in_transaction("experiments")


def faults(condition: Any) -> Iterator[str]:
    """Groups that a condition names and nobody has saved."""
    named = targeting.named(condition)
    known = set(SavedGroup.objects.filter(key__in=named).values_list("key", flat=True)) if named else set()
    yield from (f"There is no saved group “{key}”." for key in sorted(named - known))


def users(group: SavedGroup) -> list[str]:
    """Keys of experiments whose targeting names it; archived ones do not count."""
    rows = Experiment.objects.exclude(status=Status.ARCHIVED).exclude(targeting={}).order_by("key")
    return [key for key, condition in rows.values_list("key", "targeting") if group.key in targeting.named(condition)]


def why_kept(group: SavedGroup) -> str:
    """Why it cannot be deleted, in words; "" if it can."""
    if not (naming := users(group)):
        return ""
    shown = words.listing([f"“{key}”" for key in naming[:5]]) + (" and others" if len(naming) > 5 else "")
    return f"“{group.key}” is named by the targeting of {shown}: it cannot be deleted."


def of_values(values: Any) -> Iterator[str]:
    """What is wrong with values as somebody gave them."""
    if not isinstance(values, list):
        yield "Give a list of texts or numbers."
    elif len(values) > MOST_VALUES:
        yield f"At most {MOST_VALUES:,} values; these are {len(values):,}."
    elif wrong := [place for place, one in enumerate(values, 1) if not _is_value(one)]:
        yield f"A value is a text of 1 to {LONGEST_VALUE} characters or a number: number {wrong[0]:,} is neither."


def _is_value(one: Any) -> bool:
    if isinstance(one, str):
        return 0 < len(one) <= LONGEST_VALUE
    return isinstance(one, int | float) and not isinstance(one, bool)
