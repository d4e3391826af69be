"""What users, merchants and the platform gain, the criterion that weighs them, and which arms no other beats in all."""

from itertools import combinations
from typing import Any

from experiments.page import stored
from experiments.page.choice import Choice
from experiments.page.stored import Json, arm_name
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

INTERESTS = ("user", "merchant", "platform")


def section(results: Json, choice: Choice) -> Section:
    found = results["objectives"]
    if not found:
        why = "No metric says whose interest it measures. Give metrics an objective: user, merchant or platform."
        return Section("objectives", "Objectives", missing=why)
    known = [name for name in INTERESTS if any(stored.is_given(o["interests"].get(name)) for o in found)]
    drawn = [_plane(results, found, x, y) for x, y in combinations(known, 2)]
    return Section(
        "objectives",
        "Objectives",
        sentence=_sentence(results, found),
        pictures=[_criterion(results, found), *drawn],
        tables=[_table(results, found)],
    )


def _sentence(results: Json, found: list[Json]) -> str:
    front = [arm_name(results, o["arm"]) for o in found if o["pareto"]]
    given = [o for o in found if stored.is_given(o["criterion"])]
    if not given:
        return "The weighted criterion cannot be told yet."
    best = max(given, key=lambda o: float(o["criterion"]["value"]))
    name, gain = arm_name(results, best["arm"]), best["criterion"]
    is_clear = stored.clear(gain) not in ("withheld", "unsettled")
    said = f"{name} is {'first' if is_clear else 'not clearly apart from the control'}"
    told = f"By the weights in force {said}: {stored.lift(gain)}."
    return told if len(front) == len(found) else f"{told} No other arm is better in everything than {_listed(front)}."


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "the control"


def _criterion(results: Json, found: list[Json]) -> Picture:
    rows = [_interval(arm_name(results, o["arm"]), o["criterion"]) for o in found]
    caption = "Lifts of the interests, weighed as the scenario weighs them."
    data = [{"arm": o["arm"], **stored.flat("criterion", o["criterion"])} for o in found]
    return Picture("criterion", "Weighted criterion", charts.intervals(rows, title="Criterion"), data, caption)


def _interval(label: str, change: Json) -> charts.Interval:
    if not stored.is_given(change):
        return charts.Interval(label, stored.withheld(change), "withheld")
    ends = (change["value"], change["low"], change["high"])
    short = words.lift(change["value"])
    return charts.Interval(label, stored.lift(change), stored.clear(change), *ends, short=short)


def _plane(results: Json, found: list[Json], x: str, y: str) -> Picture:
    pairs = [(o, o["interests"].get(x), o["interests"].get(y)) for o in found]
    spots = [_spot(arm_name(results, o["arm"]), across, upward, o["pareto"]) for o, across, upward in pairs
             if stored.is_given(across) and stored.is_given(upward)]  # fmt: skip
    chart = charts.plane(spots, x=f"{x} →", y=f"{y} →")
    caption = "Right and up is better for both; 0 is the control. Grey: another arm is better in every interest."
    rows = [
        {"arm": o["arm"], "pareto": o["pareto"], **stored.flat(x, across), **stored.flat(y, upward)}
        for o, across, upward in pairs
    ]
    return Picture(f"interests-{x}-{y}", f"{x.capitalize()} and {y}", chart, rows, caption)


def _spot(label: str, x: Any, y: Any, is_front: bool) -> charts.Spot:
    ends = (x["value"], y["value"], x["low"], x["high"], y["low"], y["high"])
    return charts.Spot(label, *ends, tone="neutral" if is_front else "unsettled")


def _table(results: Json, found: list[Json]) -> Table:
    rows = [
        row(
            Cell(arm_name(results, o["arm"]), tone="name"),
            *(stored.lift(o["interests"].get(name)) for name in INTERESTS),
            Cell(stored.lift(o["criterion"]), tone=stored.clear(o["criterion"])),
            "no arm is better in everything" if o["pareto"] else "beaten in everything",
        )
        for o in found
    ]
    return Table("Interests by arm", heads("Arm", "#User", "#Merchant", "#Platform", "#Criterion", "Front"), rows)
