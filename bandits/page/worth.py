"""What a campaign was worth, what exploring cost, and whether it does harm; off its newest look."""

from collections.abc import Mapping, Sequence
from typing import Any

from bandits.models import Guard
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

Json = Mapping[str, Any]

METRICS = {"clicks": "Clicks in the scenario", "orders": "Orders", "net_value": "Net value"}
ARMS = {"learned": "what it learned", "uniform": "every item alike"}
STATES = {  # tone and word of a guard
    "broken": ("worse", "broken"),
    "worse": ("worse", "worse, within its margin"),
    "not worse": ("better", "not worse than its margin"),
    "not settled": ("unsettled", "not settled"),
}
UNSEEN = "Workers look every hour, from the first exposure on."
ALONE = "It has no control share, so nobody can tell: give some units no campaign, in the plan of the next one."


def worth(look: Json | None, currency: str) -> Section:
    """Against the units that never saw it; intervals hold at every look at once."""
    title = "Was it worth it?"
    if look is None:
        return Section("worth", title, missing=UNSEEN)
    if not (found := look["worth"]["estimates"]):
        return Section("worth", title, missing=ALONE)
    split = look["worth"]["split"]
    return Section(
        "worth",
        title,
        sentence=look["sentence"],
        pictures=[_lifts(found)],
        tables=[_brought(found, currency), _cost(look)],
        notes=[split["sentence"]] if split["passed"] is False else [],
    )


def _lifts(found: Sequence[Json]) -> Picture:
    rows = [_lift(one) for one in found]
    data = [{"metric": one["metric"], "arm": one["arm"], **_flat("lift", one["lift"])} for one in found]
    caption = (
        "Relative to the units without it, with the interval that holds at every look. Green or red: clear of zero."
    )
    return Picture("worth", "What it brought", charts.intervals(rows, title="Lift"), data, caption)


def _lift(one: Json) -> charts.Interval:
    label, lift = f"{METRICS[one['metric']]}, {ARMS[one['arm']]}", one["lift"]
    if "withheld" in lift:
        return charts.Interval(label, lift["withheld"], "withheld")
    value, low, high = lift["value"], lift["low"], lift["high"]
    tone = "better" if low > 0 else "worse" if high < 0 else "unsettled"
    note = f"{words.lift(value)}  ({words.lift_interval(low, high)})"
    return charts.Interval(label, note, tone, value, low, high, short=words.lift(value))


def _brought(found: Sequence[Json], currency: str) -> Table:
    titles = heads("What", "#Without it", "#With it", "#Difference of a unit", "#Of all its units together", "#p")
    rows = [
        row(
            Cell(METRICS[one["metric"]], ARMS[one["arm"]], tone="name"),
            _amount(one["control"], one, currency),
            _amount(one["treatment"], one, currency),
            _between(one["difference"], one, currency),
            _between(one["total"], one, currency),
            _p(one["p"]),
        )
        for one in found
    ]
    return Table("Mean of a unit, and what that makes of all of them", titles, rows)


def _cost(look: Json) -> Table:
    spent, naive = look["cost"], look["naive"]
    told = [
        ("Clicks that exploring cost", _plain(spent["clicks"]), f"of {words.count(spent['choices'])} choices"),
        ("Clicks for each item discovered", _plain(spent["per_item"]), words.plural(spent["discovered"], "item")),
        ("Click rate if the best had been shown", _rate(spent["greedy"]), "by the choices that were logged"),
        ("Click rate of what was shown", _rate(spent["earned"]), ""),
        ("Effective sample size", _number(spent["ess"]), "" if spent["is_trusted"] is True else "too little to trust"),
        ("Click rate as it comes", _rate(naive["click_rate"]), naive["label"]),
    ]
    rows = [row(Cell(name, tone="name"), value, why) for name, value, why in told]
    return Table("What exploring cost", heads("What", "#Value", "By what"), rows)


def guards(look: Json | None) -> Section:
    """Against the control share, by tests that may be read every hour."""
    title = "Does it do harm?"
    if look is None:
        return Section("guards", title, missing=UNSEEN)
    found: Sequence[Json] = look["guards"]
    if not found:
        return Section("guards", title, missing="Nothing is guarded: that takes a control share and guardrails.")
    broken = [_named(one) for one in found if one["state"] == "broken"]
    is_open = [_named(one) for one in found if one["state"] not in ("broken", "not worse")]
    said = f"{_first(words.listing(broken))} broke." if broken else "No guardrail broke."
    left = f" Not settled: {words.listing(is_open)}." if is_open else ""
    rows = [row(Cell(_named(one), tone="name"), _state(one), _levels(one), one["sentence"]) for one in found]
    titles = heads("Guardrail", "State", "Without it, with it", "In words")
    return Section("guards", title, sentence=f"{said}{left}", tables=[Table("Guardrails", titles, rows)])


def _first(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _named(one: Json) -> str:
    return str(Guard(one["guard"]).label)


def _state(one: Json) -> Cell:
    tone, said = STATES.get(one["state"], ("withheld", one["state"]))
    return Cell(said, tone=tone)


def _levels(one: Json) -> str:
    if isinstance(one["control"], dict) or isinstance(one["treatment"], dict):
        return words.BLANK
    return f"{words.percent(one['control'])}, {words.percent(one['treatment'])}"


def _amount(value: Any, one: Json, currency: str) -> str:
    if isinstance(value, dict) or value is None:
        return words.BLANK
    said = words.number(value, 3)
    return f"{said} {currency}".strip() if one["metric"] == "net_value" else said


def _between(found: Json, one: Json, currency: str) -> Cell:
    if "withheld" in found:
        return Cell(words.BLANK, found["withheld"])
    low, high = (_amount(found[end], one, currency) for end in ("low", "high"))
    return Cell(_amount(found["value"], one, currency), f"{low} to {high}")


def _p(value: Any) -> str:
    return words.BLANK if isinstance(value, dict) or value is None else words.p_value(value).removeprefix("p = ")


def _plain(found: Any) -> Cell:
    if "withheld" in found:
        return Cell(words.BLANK, found["withheld"])
    return Cell(words.number(found["value"]), f"{words.number(found['low'])} to {words.number(found['high'])}")


def _rate(found: Any) -> str:
    return words.BLANK if isinstance(found, dict) else words.percent(found)


def _number(found: Any) -> str:
    return words.BLANK if isinstance(found, dict) else words.number(found)


def _flat(name: str, found: Json) -> dict[str, Any]:
    return {name: found.get("value"), f"{name}_low": found.get("low"), f"{name}_high": found.get("high"),
            "withheld": found.get("withheld", "")}  # fmt: skip
