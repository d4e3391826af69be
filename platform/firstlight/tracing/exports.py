"""Paths of every scenario as a table: counts, and by the arms of one experiment its lifts."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from experiments.models import Experiment
from firstlight.catalog.models import Scenario
from firstlight.exports.columns import Column, batches, columns
from firstlight.exports.sources import Asked, Refused, Rows, Source
from firstlight.kernel.windows import Window
from firstlight.stats.estimates import Estimate
from firstlight.tracing import asking, paths_told
from firstlight.tracing.asking import LONGEST, Found
from firstlight.tracing.lifts import Lift
from firstlight.tracing.paths import Path

PATHS: tuple[Column, ...] = (
    *columns("text", "row scenario"),
    *columns("time", "start end"),
    *columns("text", "recall_source ranker"),
    *columns("flag", "is_rest"),
    *columns("text", "experiment arm"),
    *columns("integer", "phase units impressions clicks orders"),
    *columns("number", "exposure_share click_rate order_rate"),
    *columns("text", "measure nature"),
    *columns("number", "confidence difference difference_low difference_high lift lift_low lift_high p"),
    *columns("text", "withheld"),
)
RATES = ("exposure_share", "click_rate", "order_rate")


def _check(asked: Asked) -> None:
    assert asked.start and asked.end
    if not asked.start < asked.end:
        raise Refused("The end must lie behind the start.", "end")
    if asked.end - asked.start > LONGEST:
        raise Refused(f"At most {LONGEST.days} days at a time.", "end")
    if asked.experiment and _experiment(asked) is None:
        raise Refused(f"There is no experiment “{asked.experiment}”.", "experiment")


def _read(asked: Asked) -> Rows:
    return Rows(batches(PATHS, _rows(asked)), None)


def _rows(asked: Asked) -> Iterator[Mapping[str, Any]]:
    assert asked.start and asked.end
    experiment, at = _experiment(asked), datetime.now(UTC)
    scenarios = experiment.scenarios.all() if experiment else Scenario.objects.all()
    if asked.scenarios:
        scenarios = scenarios.filter(key__in=asked.scenarios)
    for scenario in scenarios.order_by("key"):
        wanted = asking.Asked(scenario, Window(asked.start, asked.end), "both", experiment)
        try:
            found = asking.found(wanted, at=at)
        except asking.Refused as refusal:
            raise Refused(str(refusal), refusal.field) from refusal
        yield from _told(found)


def _told(found: Found) -> Iterator[Mapping[str, Any]]:
    told, experiment = paths_told.plain(found), found.asked.experiment
    common = {"scenario": told["scenario"], "start": told["start"], "end": told["end"]}
    for path in told["paths"]:
        yield {"row": "path", **common, **_plain(path)}
    by = common | ({"experiment": experiment.key, "phase": experiment.phase} if experiment else {})
    for arm in told["arms"]:
        for path in arm["paths"]:
            yield {"row": "arm", **by, "arm": arm["arm"], "units": arm["units"], **_plain(path)}
    for one in found.lifts:
        yield {"row": "lift", **by, "confidence": found.confidence, **_compared(one)}


def _plain(path: Mapping[str, Any]) -> dict[str, Any]:
    """A rate that is withheld is an empty cell."""
    return {name: None if name in RATES and isinstance(value, dict) else value for name, value in path.items()}


def _compared(one: Lift) -> dict[str, Any]:
    found = {**_interval("difference", one.comparison.difference), **_interval("lift", one.comparison.lift)}
    told = paths_told.lift(one)
    withheld = [v["withheld"] for v in (told["difference"], told["lift"], told["p"]) if _is_withheld(v)]
    return {
        **_named(one.path),
        **{name: told[name] for name in ("arm", "measure", "nature")},
        **found,
        "p": None if _is_withheld(told["p"]) else told["p"],
        "withheld": withheld[0] if withheld else None,
    }


def _interval(name: str, estimate: Any) -> dict[str, float]:
    if not isinstance(estimate, Estimate):
        return {}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _is_withheld(value: Any) -> bool:
    return isinstance(value, dict) and "withheld" in value


def _named(path: Path) -> dict[str, Any]:
    return {"recall_source": path.recall_source or None, "ranker": path.ranker or None, "is_rest": path.is_rest}


def _experiment(asked: Asked) -> Experiment | None:
    """One whose scenarios the asker may all see."""
    found = Experiment.objects.filter(key=asked.experiment).first() if asked.experiment else None
    if found and asked.scenarios and found.scenarios.exclude(key__in=asked.scenarios).exists():
        return None
    return found


SOURCES = (
    Source(
        "paths", lambda _: PATHS, frozenset({"start", "end", "experiment"}), frozenset({"start", "end"}), _check, _read
    ),
)
