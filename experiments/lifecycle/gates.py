"""May a ramp go on? What a stage asks for against what the newest look has seen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from experiments.health import SPLIT
from firstlight.console import words
from firstlight.stats.guardrails import State


class Way(StrEnum):
    HOLD = "hold"
    ADVANCE = "advance"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True)
class Stage:
    entered_at: datetime
    hold: timedelta
    least_units: int  # of all arms

    @property
    def ends_at(self) -> datetime:
        return self.entered_at + self.hold


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look says to a gate."""

    look: int  # its number
    until: datetime  # events before this time are in it
    units: int  # of all arms
    split: dict[str, Any] | None  # the first health check of the split that failed
    broken: tuple[dict[str, Any], ...]  # guardrails that got worse than their margin

    @classmethod
    def of(cls, number: int, until: datetime, results: Mapping[str, Any]) -> "Seen":
        failed = [check for check in results["health"] if check["check"] in SPLIT and check["passed"] is False]
        units = sum(arm["units"] for arm in results["arms"])
        return cls(number, until, units, failed[0] if failed else None, tuple(_broken(results)))

    def evidence(self) -> dict[str, Any]:
        """As a stage keeps it."""
        return {
            "look": self.look,
            "until": self.until.isoformat(),
            "units": self.units,
            "sample_ratio": self.split,
            "guardrails": list(self.broken),
        }


@dataclass(frozen=True, slots=True)
class Finding:
    way: Way
    sentence: str


def judge(stage: Stage, seen: Seen | None, at: datetime) -> Finding:
    """Harm is acted on at once; going on needs the time, the units, and a look at the whole of the hold.

    A look that ended before the stage was entered says nothing about it.
    """
    if seen and seen.until > stage.entered_at and (harm := _harm(seen)):
        return Finding(Way.ROLL_BACK, harm)
    if at < stage.ends_at:
        return Finding(Way.HOLD, f"It holds for another {words.duration(stage.ends_at - at)}.")
    if seen is None or seen.until < stage.ends_at:
        return Finding(Way.HOLD, "It waits for a look at the whole of its hold.")
    if seen.units < stage.least_units:
        return Finding(Way.HOLD, f"{words.count(seen.units)} of {words.count(stage.least_units)} units have come.")
    return Finding(Way.ADVANCE, f"Look {seen.look}: {words.count(seen.units)} units, no harm seen.")


def _harm(seen: Seen) -> str:
    if seen.split:
        return f"Look {seen.look}: {seen.split['sentence']}"
    return f"Look {seen.look}: {' '.join(_said(row) for row in seen.broken)}" if seen.broken else ""


def _said(row: Mapping[str, Any]) -> str:
    return f"“{row['name']}” is {row['sentence']} in {row['arm']}."


def _broken(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"metric": metric["metric"], "name": metric["name"], "arm": estimate["arm"], **estimate["guardrail"]}
        for metric in results["metrics"]
        for estimate in metric["estimates"]
        if estimate["guardrail"] and estimate["guardrail"]["state"] == State.WORSE
    ]
