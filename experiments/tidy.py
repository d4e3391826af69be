"""The stored results of looks as rows: one for each look x metric x arm, as a whole, by day, segment, scenario and age.

Pure. What a row cannot say is empty; why a figure is withheld stands beside it.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from firstlight.exports.columns import Column, columns

Results = Mapping[str, Any]
Row = dict[str, Any]

READINGS = ("raw_fixed", "raw_sequential", "adjusted_fixed", "adjusted_sequential")


def _interval(*names: str) -> str:
    return " ".join(f"{name} {name}_low {name}_high" for name in names)


COLUMNS: tuple[Column, ...] = (
    *columns("text", "experiment"),
    *columns("integer", "look"),
    *columns("time", "computed_at since until"),
    *columns("text", "verdict failed_checks analysis spending correction"),
    *columns("integer", "planned_days planned_units"),
    *columns("text", "row metric metric_name role kind direction objective"),
    *columns("integer", "version"),
    *columns("text", "arm control slice segment scenario"),
    *columns("date", "day"),
    *columns("integer", "age units units_control immature"),
    *columns(
        "number", f"weight mean mean_control numerator denominator standard_error {_interval('difference', 'lift')}"
    ),
    *columns("text", "withheld"),
    *columns("number", "p p_adjusted log10_p information critical_z"),
    *columns("text", "in_force method"),
    *columns("number", "confidence margin"),
    *columns("text", "guardrail"),
    *columns("number", "guardrail_p variance_reduction"),
    *columns("number", " ".join(f"{_interval(f'{r}_difference', f'{r}_lift')} {r}_p" for r in READINGS)),
    *columns("number", _interval("simultaneous_difference", "simultaneous_lift")),
    *columns("number", "chance_to_win expected_loss bayes_low bayes_high"),
    *columns(
        "number", f"{_interval('shrunken')} detectable {_interval('site_wide', 'uncapped_lift', 'without_top_lift')}"
    ),
)


def rows(
    results: Results, *, experiment: str, look: int, computed_at: datetime, until: datetime, segment: str = ""
) -> Iterator[Row]:
    """Of one look. With `segment` ("country" or "country:IN") only the rows of those segments."""
    frame = {"experiment": experiment, "look": look, "computed_at": computed_at, "until": until, **_frame(results)}
    parts = [_segments(results, segment)] if segment else _all(results, look)
    for part in parts:
        yield from ({**frame, **row} for row in part)


def _frame(results: Results) -> Row:
    """What every row of a look says: the verdict, and the plan that it was taken by."""
    plan = results.get("plan") or {}
    failed = [check["check"] for check in results.get("health", []) if check["passed"] is False]
    since = (results.get("window") or {}).get("start")
    return {
        "since": since and datetime.fromisoformat(since),
        "verdict": results["verdict"]["kind"],
        "failed_checks": " ".join(failed) or None,
        **{name: plan.get(name) for name in ("analysis", "spending", "correction", "planned_days", "planned_units")},
        "confidence": results["confidence"],
        "control": results["control"],
    }


def _all(results: Results, look: int) -> list[Iterator[Row]]:
    return [_whole(results, look), _days(results), _segments(results, ""), _scenarios(results), _ages(results)]


def _whole(results: Results, look: int) -> Iterator[Row]:
    weights = {arm["key"]: arm.get("weight") for arm in results["arms"]}
    spent = {(one["metric"], one["arm"]): one for one in results.get("sequence", []) if one["number"] == look}
    for metric in results["metrics"]:
        estimates = {one["arm"]: one for one in metric["estimates"]}
        control = next((arm for arm in metric["arms"] if arm["arm"] == results["control"]), None)
        for arm in metric["arms"]:
            row = {**_of_metric(results, metric), "row": "whole", **_level(arm), "arm": arm["arm"]}
            row["weight"] = weights.get(arm["arm"])
            estimate = estimates.get(arm["arm"])
            if estimate is None:
                yield row
            else:
                yield row | _beside(control) | _estimate(estimate) | _bound(spent.get((metric["metric"], arm["arm"])))


def _level(arm: Mapping[str, Any]) -> Row:
    return {name: arm.get(name) for name in ("units", "mean", "numerator", "denominator", "standard_error")}


def _beside(control: Mapping[str, Any] | None) -> Row:
    return {"units_control": control["units"], "mean_control": control.get("mean")} if control else {}


def _bound(spent: Mapping[str, Any] | None) -> Row:
    """Of the group sequential plan: how far it is, and what |z| had to pass at this look."""
    return {"information": spent["information"], "critical_z": spent["z"]} if spent else {}


def _estimate(one: Mapping[str, Any]) -> Row:
    """Everything that is known of one treatment in one metric."""
    guardrail, bayes = one.get("guardrail") or {}, one.get("bayes") or {}
    simultaneous = one.get("simultaneous") or {}
    return {
        **_compared(one),
        **{name: one.get(name) for name in ("p", "p_adjusted", "log10_p", "method", "in_force", "variance_reduction")},
        "guardrail": guardrail.get("state"),
        "guardrail_p": guardrail.get("p"),
        **_readings(one.get("readings") or {}),
        **_spread("simultaneous_difference", simultaneous.get("difference")),
        **_spread("simultaneous_lift", simultaneous.get("lift")),
        **_bayes(bayes),
        **_spread("shrunken", one.get("shrunken")),
        "detectable": _number(one.get("detectable")),
        **_spread("site_wide", one.get("site_wide")),
        **_spread("uncapped_lift", (one.get("uncapped") or {}).get("lift")),
        **_spread("without_top_lift", (one.get("without_top") or {}).get("lift")),
        "immature": (one.get("immature") or {}).get(one["arm"]),
    }


def _readings(readings: Mapping[str, Any]) -> Row:
    found: Row = {}
    for covariates in ("raw", "adjusted"):
        for looks in ("fixed", "sequential"):
            one, name = (readings.get(covariates) or {}).get(looks) or {}, f"{covariates}_{looks}"
            found |= _spread(f"{name}_difference", one.get("difference")) | _spread(f"{name}_lift", one.get("lift"))
            found[f"{name}_p"] = _number(one.get("p"))
    return found


def _bayes(bayes: Mapping[str, Any]) -> Row:
    names = {
        "chance_to_win": "chance_to_win",
        "expected_loss": "expected_loss",
        "low": "bayes_low",
        "high": "bayes_high",
    }
    return {column: _number(bayes.get(name)) for name, column in names.items()}


def _days(results: Results) -> Iterator[Row]:
    """All units that had come by the end of each day."""
    metrics = _by_key(results)
    for one in results.get("daily", []):
        row = {**_of_metric(results, metrics[one["metric"]]), "row": "day", "arm": one["arm"]}
        sequential = one.get("sequential") or {}
        yield row | {
            "day": date.fromisoformat(one["day"]),
            "units": one.get("units"),
            **_compared(one),
            **_spread("raw_sequential_difference", sequential.get("difference")),
            **_spread("raw_sequential_lift", sequential.get("lift")),
        }


def _segments(results: Results, asked: str) -> Iterator[Row]:
    metrics = _by_key(results)
    for one in results.get("segments", []):
        if not is_asked(one, asked):
            continue
        units, levels = one.get("units") or {}, one.get("levels") or {}
        row = {**_of_metric(results, metrics[one["metric"]]), "row": "segment", "arm": one["arm"]}
        yield row | {
            "slice": one["slice"],
            "segment": one["segment"],
            "units": units.get("treatment"),
            "units_control": units.get("control"),
            "mean": _number(levels.get("treatment")),
            "mean_control": _number(levels.get("control")),
            **_compared(one),
            **_spread("shrunken", one.get("shrunken")),
        }


def is_asked(one: Mapping[str, Any], asked: str) -> bool:
    """Whether a segment's row is of "country", or of "country:IN"; "" asks for all."""
    slice_, _, segment = asked.partition(":")
    return not asked or (one["slice"] == slice_ and segment in ("", one["segment"]))


def _scenarios(results: Results) -> Iterator[Row]:
    metrics = _by_key(results)
    for one in results.get("scenarios", []):
        row = {**_of_metric(results, metrics[one["metric"]]), "row": "scenario", "arm": one["arm"]}
        yield row | {"scenario": one["scenario"], **_compared(one)}


def _ages(results: Results) -> Iterator[Row]:
    metrics = _by_key(results)
    for one in results.get("ages", []):
        row = {**_of_metric(results, metrics[one["metric"]]), "row": "age", "arm": one["arm"]}
        yield row | {"age": one["age"], **_compared(one)}


def _of_metric(results: Results, metric: Mapping[str, Any]) -> Row:
    key = metric["metric"]
    known = {name: metric.get(name) for name in ("role", "kind", "direction", "objective", "margin")}
    version = (results.get("definitions") or {}).get(key, {}).get("version")
    return {"metric": key, "metric_name": metric.get("name"), "version": version, **known}


def _by_key(results: Results) -> dict[str, Mapping[str, Any]]:
    return {metric["metric"]: metric for metric in results["metrics"]}


def _compared(one: Mapping[str, Any]) -> Row:
    """Difference and lift, and the reason where one of them is withheld."""
    reasons = [
        interval["withheld"] for name in ("difference", "lift") if "withheld" in (interval := one.get(name) or {})
    ]
    withheld = "; ".join(dict.fromkeys(reasons)) or None
    return {**_spread("difference", one.get("difference")), **_spread("lift", one.get("lift")), "withheld": withheld}


def _spread(name: str, interval: Any) -> Row:
    """Value, low and high as three columns; a bare number has no ends."""
    if not isinstance(interval, Mapping):
        return {name: _number(interval)}
    return {
        name: _number(interval.get("value")),
        f"{name}_low": _number(interval.get("low")),
        f"{name}_high": _number(interval.get("high")),
    }


def _number(value: Any) -> float | None:
    """What is withheld, or nested, is no number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
