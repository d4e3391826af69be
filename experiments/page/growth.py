"""Where the lift of value comes from: visits, conversion, orders per buyer, value per order, what is kept."""

from itertools import accumulate

from experiments.page import stored
from experiments.page.choice import Choice, chosen_arm, focus
from experiments.page.stored import Json
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Section


def section(results: Json, choice: Choice) -> Section:
    arm = chosen_arm(results, choice)
    found = next((g for g in results["growth"] if g["arm"] == arm), None)
    if found is None:
        why = "Value per unit is split once orders have come: send order events with their value and currency."
        return Section("growth", "Growth", missing=why)
    factors = [f for f in found["factors"] if f.get("value") is not None]
    return Section(
        "growth",
        "Growth",
        sentence=_sentence(results, found, factors),
        switches=focus(results, choice, "growth", metrics=False),
        pictures=[_picture(results, found, factors)] if factors else [],
    )


def _sentence(results: Json, found: Json, factors: list[Json]) -> str:
    whole, name = found["total"], stored.arm_name(results, found["arm"])
    if not stored.is_given(whole) or not factors:
        return f"Value per unit of {name}: {stored.lift(whole)}."
    most = max(factors, key=lambda f: abs(float(f["value"])))
    return f"Value per unit of {name}: {stored.lift(whole)}, most of it from {_named(most)}."


def _picture(results: Json, found: Json, factors: list[Json]) -> Picture:
    starts = list(accumulate((float(f["value"]) for f in factors), initial=0.0))
    steps = [_step(f, start) for f, start in zip(factors, starts, strict=False)]
    end = starts[-1]
    steps.append(charts.Step("Value per unit", 0.0, end, None, None, stored.lift(found["total"]), "neutral"))
    caption = (
        "Each bar starts where the one before ended; thin: its interval. Factors multiply; each gets its share "
        "of the logarithm, so that the bars add up to the lift."
    )
    rows = [{"arm": found["arm"], "factor": f["factor"], **stored.flat("share", f)} for f in factors]
    title = f"Where the growth of {stored.arm_name(results, found['arm'])} comes from"
    return Picture("growth", title, charts.waterfall(steps, title="Share of the lift"), rows, caption)


def _step(factor: Json, start: float) -> charts.Step:
    value = float(factor["value"])
    low, high = (None if factor.get(end) is None else start + float(factor[end]) for end in ("low", "high"))
    note = words.lift(value)
    if stored.is_given(factor):
        note += f" ({words.lift_interval(factor['low'], factor['high'])})"
    tone = stored.clear(factor)
    return charts.Step(_named(factor).capitalize(), start, start + value, low, high, note, tone)


def _named(factor: Json) -> str:
    return str(factor["factor"]).replace("_", " ")
