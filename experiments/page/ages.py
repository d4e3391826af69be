"""Novelty and primacy: the lift by days since exposure, and whether it has a trend."""

from experiments.page import stored
from experiments.page.choice import Choice, chosen_metric, focus
from experiments.page.stored import Json, arm_name
from firstlight.console import charts
from firstlight.console.pictures import Picture
from firstlight.console.sections import Section


def section(results: Json, choice: Choice) -> Section:
    metric = chosen_metric(results, choice) if results["metrics"] else None
    own = [a for a in results["ages"] if metric and a["metric"] == metric["metric"]]
    points = [_point(results, a) for a in own if stored.is_given(a["lift"])]
    if metric is None or len({p.at for p in points}) < 2:
        why = "Shows once units have lived through two whole days after their exposure."
        return Section("ages", "Novelty and primacy", missing=why)
    trends = [t for t in results["trends"] if t["metric"] == metric["metric"]]
    return Section(
        "ages",
        "Novelty and primacy",
        sentence=" ".join(str(t["sentence"]) for t in trends),
        switches=focus(results, choice, "ages")[:1],
        pictures=[_picture(metric, points, own)],
    )


def _picture(metric: Json, points: list[charts.Aged], own: list[Json]) -> Picture:
    caption = "Lift on each single day after a unit's first exposure. Fades: novelty. Grows: people had to learn."
    rows = [{"metric": a["metric"], "arm": a["arm"], "age": a["age"], **stored.flat("lift", a["lift"])} for a in own]
    chart = charts.ages(points, title="Lift", at="days since exposure")
    return Picture("ages", f"“{metric['name']}” by days since exposure", chart, rows, caption)


def _point(results: Json, age: Json) -> charts.Aged:
    change = age["lift"]
    return charts.Aged(int(age["age"]), arm_name(results, age["arm"]), change["value"], change["low"], change["high"])
