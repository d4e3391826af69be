"""What one decision stood on, and whether it comes out again, in words and tables. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from firstlight.console import words
from firstlight.console.sections import Cell, Section, Table, heads, row
from firstlight.events.traces import Row
from firstlight.kernel.withheld import Withheld
from firstlight.serving.replaying import Replay

LONGEST = 160  # characters of a value


def replayed(replay: Replay | Withheld) -> Section:
    if isinstance(replay, Withheld):
        return Section("replay", "Replay", sentence=f"Not replayed: {replay.reason.value}.")
    open_ones = f" {words.plural(replay.uncounted, 'propensity', 'propensities')} had been left open by the log."
    more = open_ones if replay.uncounted else ""
    if replay.verdict == "same":
        told = f"Snapshot {replay.snapshot}, asked again, gives every logged value back, bit for bit.{more}"
        return Section("replay", "Replay", sentence=told)
    rows = [row(Cell(d.pointer, tone="name"), _short(d.logged), _short(d.replayed)) for d in replay.differences]
    n = words.plural(len(rows), "value")
    told = f"{n} came out otherwise than logged when snapshot {replay.snapshot} was asked again.{more}"
    note = "The row was changed after it was logged, or another release decides otherwise."
    table = Table("What differs", heads("Where", "Logged", "Replayed"), rows)
    return Section("replay", "Replay", sentence=told, tables=[table], notes=[note])


def section(decision: Row, again: Sequence[Row]) -> Section:
    told = decision.get("properties") or {}
    notes = [f"{words.plural(len(again), 'further decision')} was made under this trace."] if again else []
    tables = [_arms(decision), _floors(told), _parameters(told), _asked(told)]
    return Section(
        "decision",
        "What decided",
        sentence=_sentence(decision, told),
        tables=[one for one in tables if one],
        notes=notes,
    )


def _sentence(decision: Row, told: Mapping[str, Any]) -> str:
    n, slots = len(decision.get("assignments") or ()), decision.get("discovery") or ()
    met = f"{words.plural(n, 'experiment')} met" if n else "No experiment met"
    chosen = {slot["campaign"] for slot in slots}
    placed = (
        f"{words.plural(len(slots), 'slot')} filled by {words.listing(sorted(chosen))}" if slots else "no slot filled"
    )
    return f"{met}, {placed}, {_filter(told)}."


def _filter(told: Mapping[str, Any]) -> str:
    named = [f"{name} {' or '.join(values)}" for name, values in (told.get("eligible") or {}).items()]
    named += [f"{words.plural(len(told['exclude_items']), 'item')} excluded"] if told.get("exclude_items") else []
    return f"filtered by {words.listing(named)}" if named else "without a filter"


def _arms(decision: Row) -> Table | None:
    rows = [
        row(Cell(one["experiment"], tone="name"), one["variant"], one["phase"])
        for one in decision.get("assignments") or ()
    ]
    return Table("Arms", heads("Experiment", "Arm", "#Phase"), rows) if rows else None


def _floors(told: Mapping[str, Any]) -> Table | None:
    rows = [row(Cell(key, tone="name"), words.percent(share)) for key, share in (told.get("floors") or {}).items()]
    return (
        Table("Floor: requests in which one slot is drawn at random", heads("Campaign", "#Floor"), rows)
        if rows
        else None
    )


def _parameters(told: Mapping[str, Any]) -> Table | None:
    rows = [row(Cell(key, tone="name"), _short(value)) for key, value in sorted((told.get("parameters") or {}).items())]
    return Table("Parameters", heads("Parameter", "Value"), rows, is_folded=True) if rows else None


def _asked(told: Mapping[str, Any]) -> Table | None:
    """Of the request, what it named."""
    names = ("attributes", "eligible", "exclude_items", "recent", "slots", "sticky", "forced")
    rows = [row(Cell(name, tone="name"), _short(told[name])) for name in names if told.get(name)]
    return Table("The request", heads("Field", "Value"), rows, is_folded=True) if rows else None


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
