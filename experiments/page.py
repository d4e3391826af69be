"""A stored look in the shapes of its page: verdict, health, pictures, table. Pure; a look is read as it was stored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from firstlight.console import charts, words
from firstlight.console.pictures import Picture

Json = Mapping[str, Any]

VERDICT_TONES = {"ship": "better", "keep running": "info", "end": "neutral", "abort": "worse", "cannot tell": "warn"}
GUARDRAIL_TONES = {"not worse": "better", "not settled": "unsettled", "worse": "worse"}
ROLES = {"primary": "goal", "secondary": "shown", "guardrail": "guardrail"}


@dataclass(frozen=True, slots=True)
class Line:
    """One arm of one metric, in words."""

    arm: str
    control: bool
    units: str
    mean: str
    difference: str
    lift: str
    interval: str
    withheld: str  # why there is no lift
    p: str
    guardrail: str
    tone: str


@dataclass(frozen=True, slots=True)
class Block:
    """One metric of the table."""

    name: str
    role: str
    direction: str
    lines: Sequence[Line]


def verdict_tone(kind: str) -> str:
    return VERDICT_TONES.get(kind, "neutral")


def n_units(arms: Iterable[Json]) -> int:
    return sum(int(arm.get("units") or 0) for arm in arms)


def figures(results: Json) -> list[tuple[str, str, str]]:
    """(label, value, small print) of what the look rests on."""
    arms = results["arms"]
    unit = str(results["unit"]).removesuffix("_id")
    mixed = results.get("mixed_units") or 0
    split = " · ".join(words.percent(float(a["weight"]), 3) for a in arms)
    return [
        (
            f"{unit.capitalize()}s",
            words.count(n_units(arms)),
            f"{words.plural(mixed, 'unit')} in two arms left out" if mixed else "each in one arm",
        ),
        ("Arms", str(len(arms)), split),
        ("Confidence", words.percent(float(results["confidence"])), str(results.get("analysis", ""))),
    ]


def pictures(results: Json) -> list[Picture]:
    """The forest plot, then how every goal settled."""
    found = [_lifts(results)] if any(m["estimates"] for m in results["metrics"]) else []
    return found + [p for m in results["metrics"] if (p := _over_time(results, m)) is not None]


def _lifts(results: Json) -> Picture:
    rows = [_interval(results, m, e) for m, e in _estimates(results)]
    control = arm_name(results, results["control"])
    sure = words.percent(float(results["confidence"]))
    caption = f"Dot: estimate. Line: {sure} interval. To the right of 0 is more than {control}."
    if any(r.margin is not None for r in rows):
        caption += " Dashed: where a guardrail breaks."
    chart = charts.intervals(rows, title="Lift")
    return Picture("lifts", f"Lift against {control}", chart, [_row(m, e) for m, e in _estimates(results)], caption)


def _interval(results: Json, metric: Json, estimate: Json) -> charts.Interval:
    label = metric["name"]
    if len(results["arms"]) > 2:
        label += f" · {arm_name(results, estimate['arm'])}"
    change = estimate["lift"]
    if "withheld" in change:
        return charts.Interval(label, f"withheld: {change['withheld']}", "withheld")
    note = f"{words.lift(change['value'])}  ({words.lift_interval(change['low'], change['high'])})"
    margin = _margin(metric) if metric["role"] == "guardrail" else None
    return charts.Interval(
        label, note, tone(metric, estimate), change["value"], change["low"], change["high"], margin=margin
    )


def _over_time(results: Json, metric: Json) -> Picture | None:
    days = [d for d in results.get("daily", []) if d["metric"] == metric["metric"]]
    points = [_point(results, d) for d in days if "value" in d["lift"]]
    if len({p.at for p in points}) < 2:
        return None
    rows = [
        {"day": d["day"], "metric": d["metric"], "arm": d["arm"], "units": d["units"], **_flat("lift", d["lift"])}
        for d in days
    ]
    caption = "All units that had come by that day. The band narrows as they come; only the last day counts."
    return Picture(
        f"settling-{metric['metric'].replace('.', '-')}",
        f"How “{metric['name']}” settled",
        charts.cumulative(points, title="Lift"),
        rows,
        caption,
    )


def _point(results: Json, day: Json) -> charts.Point:
    change = day["lift"]
    return charts.Point(
        date.fromisoformat(str(day["day"])[:10]),
        arm_name(results, day["arm"]),
        change["value"],
        change["low"],
        change["high"],
    )


def table(results: Json, shares: frozenset[str]) -> list[Block]:
    """`shares` names the metrics whose mean is a percentage."""
    return [
        Block(
            m["name"],
            ROLES.get(m["role"], m["role"]),
            "more is better" if m["direction"] == "increase" else "less is better",
            list(_lines(results, m, m["metric"] in shares)),
        )
        for m in results["metrics"]
    ]


def _lines(results: Json, metric: Json, is_share: bool) -> Iterator[Line]:
    estimates = {e["arm"]: e for e in metric["estimates"]}
    for arm in metric["arms"]:
        estimate = estimates.get(arm["arm"])
        mean = words.percent(arm["mean"]) if is_share else words.number(arm["mean"])
        yield Line(
            arm=arm_name(results, arm["arm"]),
            control=arm["arm"] == results["control"],
            units=words.count(arm["units"]),
            mean=mean,
            **_compared(metric, estimate, is_share)
            if estimate
            else dict.fromkeys(("difference", "lift", "interval", "withheld", "p", "guardrail", "tone"), ""),
        )


def _compared(metric: Json, estimate: Json, is_share: bool) -> dict[str, str]:
    change, difference, guardrail = estimate["lift"], estimate["difference"], estimate["guardrail"]
    apart = difference.get("value")
    return {
        "difference": words.BLANK if apart is None else _signed(apart, is_share),
        "lift": words.lift(change.get("value")),
        "interval": words.lift_interval(change["low"], change["high"]) if "value" in change else "",
        "withheld": change.get("withheld", ""),
        "p": words.p_value(estimate["p"], estimate.get("log10_p")).removeprefix("p = ").removeprefix("p "),
        "guardrail": guardrail["sentence"] if guardrail else "",
        "tone": tone(metric, estimate),
    }


def _signed(x: float, is_share: bool) -> str:
    """A difference of percentages is in percentage points, not in per cent."""
    text = f"{words.number(x * 100, 3)} pp" if is_share else words.number(x)
    return f"+{text}" if x > 0 else text


def tone(metric: Json, estimate: Json) -> str:
    """better, worse, unsettled or withheld; a guardrail's state outweighs the bare interval."""
    if estimate["guardrail"]:
        return GUARDRAIL_TONES.get(estimate["guardrail"]["state"], "unsettled")
    change = estimate["lift"] if "value" in estimate["lift"] else estimate["difference"]
    if "value" not in change:
        return "withheld"
    if change["low"] <= 0 <= change["high"]:
        return "unsettled"
    return "better" if (change["value"] > 0) == (metric["direction"] == "increase") else "worse"


def arm_name(results: Json, key: str) -> str:
    return next((a["name"] or a["key"] for a in results["arms"] if a["key"] == key), key)


def _margin(metric: Json) -> float | None:
    """Where on the axis of lifts the guardrail breaks: below 0 when more is better, above it when less is."""
    if metric.get("margin") is None:
        return None
    return -float(metric["margin"]) if metric["direction"] == "increase" else float(metric["margin"])


def _estimates(results: Json) -> Iterator[tuple[Json, Json]]:
    return ((m, e) for m in results["metrics"] for e in m["estimates"])


def _row(metric: Json, estimate: Json) -> dict[str, Any]:
    about = {"metric": metric["metric"], "role": metric["role"], "arm": estimate["arm"], "method": estimate["method"]}
    return {
        **about,
        **_flat("lift", estimate["lift"]),
        **_flat("difference", estimate["difference"]),
        "p": estimate["p"],
    }


def _flat(name: str, found: Json) -> dict[str, Any]:
    values = {name: found.get("value"), f"{name}_low": found.get("low"), f"{name}_high": found.get("high")}
    return {**values, f"{name}_withheld": found.get("withheld", "")}
