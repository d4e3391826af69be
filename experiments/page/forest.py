"""The forest plot: every metric in every treatment, by the reading that is asked for."""

from typing import Any

from experiments.page import stored
from experiments.page.choice import Choice, readings
from experiments.page.stored import Json, arm_name, estimates
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Section, Switch


def section(results: Json, choice: Choice) -> Section:
    if not any(m["estimates"] for m in results["metrics"]):
        return Section("lifts", "Lifts", missing="No arm is compared with the control yet: no unit has met two arms.")
    switches = readings(results, choice)
    return Section(
        "lifts",
        "Lifts",
        sentence=_reading_words(switches),
        switches=switches,
        pictures=[_absolute(results, choice) if choice.is_absolute else _relative(results, choice)],
    )


def _reading_words(switches: list[Switch]) -> str:
    """Which numbers these are, and whether the verdict goes by them."""
    shown = [s for s in switches if s.label != "Scale"]
    if not shown:
        return ""
    told = " and ".join(s.chosen.lower() for s in shown)
    if all(o.in_force for s in shown for o in s.options if o.on):
        return f"The reading in force, {told}: the verdict goes by it."
    kept = " and ".join(o.text.lower() for s in shown for o in s.options if o.in_force)
    return f"Shown: {told}. The verdict goes by another reading, {kept}."


def _relative(results: Json, choice: Choice) -> Picture:
    rows = [_interval(results, m, e, _read(e, choice)) for m, e in estimates(results)]
    control = arm_name(results, results["control"])
    caption = f"Dot: estimate. Line: {_sure(results)} interval. To the right of 0 is more than {control}."
    if any(r.margin is not None for r in rows):
        caption += " Dashed: where a guardrail breaks."
    chart = charts.intervals(rows, title="Lift")
    return Picture("lifts", f"Lift against {control}", chart, _rows(results, choice), caption)


def _absolute(results: Json, choice: Choice) -> Picture:
    """Units differ from row to row, so each row has a scale of its own; 0 is common to all."""
    rows = [_scaled(results, m, e, _read(e, choice)) for m, e in estimates(results)]
    control = arm_name(results, results["control"])
    chart = charts.intervals(rows, title="Difference, each row on its own scale", numbers=False)
    caption = (
        f"Each row in the unit of its metric and on its own scale; only 0 is common. Line: {_sure(results)} interval."
    )
    return Picture("lifts", f"Difference from {control}", chart, _rows(results, choice), caption)


def _read(estimate: Json, choice: Choice) -> Json:
    return stored.reading(estimate, choice.covariates, choice.horizon)


def _sure(results: Json) -> str:
    return words.percent(float(results["confidence"]))


def _label(results: Json, metric: Json, estimate: Json) -> str:
    return f"{metric['name']} · {arm_name(results, estimate['arm'])}" if len(results["arms"]) > 2 else metric["name"]


def _interval(results: Json, metric: Json, estimate: Json, read: Json) -> charts.Interval:
    label, change = _label(results, metric, estimate), read["lift"]
    if not stored.is_given(change):
        return charts.Interval(label, stored.withheld(change), "withheld")
    margin = _margin(metric) if metric["role"] == "guardrail" else None
    tone = stored.tone(metric, estimate, read)
    return charts.Interval(
        label,
        stored.lift(change),
        tone,
        change["value"],
        change["low"],
        change["high"],
        short=words.lift(change["value"]),
        margin=margin,
    )


def _scaled(results: Json, metric: Json, estimate: Json, read: Json) -> charts.Interval:
    label, change = _label(results, metric, estimate), read["difference"]
    if not stored.is_given(change):
        return charts.Interval(label, stored.withheld(change), "withheld")
    reach = max(abs(change["low"]), abs(change["high"])) or 1.0
    share = metric["share"]
    note = f"{stored.difference(change, share=share)} ({stored.spread(change, share=share)})"
    value, low, high = (change[name] / reach for name in ("value", "low", "high"))
    tone, short = stored.tone(metric, estimate, read), stored.difference(change, share=share)
    return charts.Interval(label, note, tone, value, low, high, short=short)


def _margin(metric: Json) -> float | None:
    """Where on the axis of lifts the guardrail breaks: below 0 when more is better, above it when less is."""
    if metric.get("margin") is None:
        return None
    return -float(metric["margin"]) if metric["direction"] == "increase" else float(metric["margin"])


def _rows(results: Json, choice: Choice) -> list[dict[str, Any]]:
    return [_row(m, e, _read(e, choice)) for m, e in estimates(results)]


def _row(metric: Json, estimate: Json, read: Json) -> dict[str, Any]:
    about = {"metric": metric["metric"], "role": metric["role"], "arm": estimate["arm"], "method": estimate["method"]}
    numbers = {**stored.flat("lift", read["lift"]), **stored.flat("difference", read["difference"])}
    return {**about, **numbers, "p": read["p"]}
