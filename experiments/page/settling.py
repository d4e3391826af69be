"""How each goal settled: the lift of all units so far, day by day, and the bounds its looks have to pass."""

from collections.abc import Sequence
from datetime import date

from experiments.page import stored
from experiments.page.choice import Choice
from experiments.page.stored import Json, arm_name
from firstlight.console import charts
from firstlight.console.pictures import Picture
from firstlight.console.sections import Section

MOST = 4  # goals drawn; more than that is a wall


def section(results: Json, choice: Choice) -> Section:
    ranked = sorted(results["metrics"], key=lambda m: (m["metric"] != choice.metric, m["role"] != "primary"))
    drawn = [p for m in ranked if (p := _over_time(results, m)) is not None][:MOST]
    bounds = _bounds(results, choice)
    if not drawn and bounds is None:
        return Section(
            "settling", "How it settled", missing="Two days of exposures draw the first line; come back tomorrow."
        )
    return Section("settling", "How it settled", pictures=[*drawn, *([bounds] if bounds else [])])


def _over_time(results: Json, metric: Json) -> Picture | None:
    days = [d for d in results["daily"] if d["metric"] == metric["metric"]]
    points = [_point(results, d) for d in days if stored.is_given(d["lift"])]
    if len({p.at for p in points}) < 2:
        return None
    rows = [
        {"day": d["day"], "metric": d["metric"], "arm": d["arm"], "units": d["units"]}
        | stored.flat("lift", d["lift"])
        | stored.flat("sequential", _sequential(d))
        for d in days
    ]
    return Picture(
        f"settling-{metric['metric'].replace('.', '-')}",
        f"How “{metric['name']}” settled",
        charts.cumulative(points, title="Lift"),
        rows,
        _caption(points),
    )


def _caption(points: Sequence[charts.Point]) -> str:
    whole = "All units that had come by that day."
    if any(p.outer_low is not None for p in points):
        return f"{whole} Pale: the interval that holds at every look; darker: the one that holds at a single look."
    return f"{whole} The band narrows as they come; only the last day counts."


def _point(results: Json, day: Json) -> charts.Point:
    change, wide = day["lift"], _sequential(day)
    outer = (wide["low"], wide["high"]) if wide and stored.is_given(wide) else (None, None)
    when = date.fromisoformat(str(day["day"])[:10])
    return charts.Point(when, arm_name(results, day["arm"]), change["value"], change["low"], change["high"], *outer)


def _sequential(day: Json) -> Json | None:
    """Interval of the lift that holds at every look."""
    found = day.get("sequential") or {}
    inner: Json | None = found.get("lift", found)
    return inner or None


def _bounds(results: Json, choice: Choice) -> Picture | None:
    """The goal's statistic on its way through the bounds, from the second look on; always-valid plans have none."""
    goals = [m for m in results["metrics"] if m["role"] == "primary"]
    goal = next((m for m in goals if m["metric"] == choice.metric), goals[0] if goals else None)
    if goal is None:
        return None
    looks = [x for x in results["sequence"] if x.get("z") and x.get("metric", goal["metric"]) == goal["metric"]]
    crossings = [
        charts.Crossing(float(x["information"]), float(x["z"]), x.get("statistic"), _arm(results, x)) for x in looks
    ]
    if len({c.information for c in crossings if c.statistic is not None}) < 2:
        return None
    caption = (
        "Line: the goal in standard errors at each look. Outside the dashed bounds it is decided; inside, not yet."
    )
    chart = charts.boundary(crossings, title="Standard errors")
    return Picture("bounds", f"“{goal['name']}” against the bounds of the plan", chart, looks, caption)


def _arm(results: Json, look: Json) -> str:
    return arm_name(results, look["arm"]) if look.get("arm") else ""
