"""What a simulation found, setting beside setting: how much is discovered, when, and what it costs."""

from collections.abc import Mapping
from typing import Any

from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

Json = Mapping[str, Any]

CURVES = {
    "discovered": ("Good items discovered", "Items that graduated and truly are better than the bar, so far."),
    "cost": (
        "What it costs",
        "Rewards the slots would have earned with ordinary items, less what they earn. Below zero it pays.",
    ),
}


def section(results: Json | None) -> Section:
    """Of a simulation that is done; without one it says what to do."""
    if not results:
        why = "Play the campaign through before it starts: its own pool, the traffic and the delays of its scenario."
        return Section("simulation", "What it will do", missing=why)
    return Section(
        "simulation",
        "What it will do",
        sentence=sentence(results),
        pictures=[_picture(results, name) for name in CURVES],
        tables=[_table(results)],
        notes=[" ".join(results["notes"])],
    )


def sentence(results: Json) -> str:
    days = words.plural(int(results["days"]), "day")
    told = [_told(one) for one in results["settings"]]
    return f"In {days}, {'; '.join(told)}."


def _told(one: Json) -> str:
    found, cost = one["discovered"][-1], one["cost"][-1]
    price = f"costs {_between(cost)} rewards" if cost["mean"] > 0 else f"earns {_between(_turned(cost))} rewards more"
    return f"“{one['setting']}” discovers {_between(found)} good items and {price}"


def _turned(point: Json) -> dict[str, float]:
    return {"mean": -point["mean"], "low": -point["high"], "high": -point["low"]}


def _between(point: Json) -> str:
    return f"{words.number(point['mean'], 3)} ({words.number(point['low'], 3)} to {words.number(point['high'], 3)})"


def _picture(results: Json, name: str) -> Picture:
    title, caption = CURVES[name]
    rows = [{"setting": one["setting"], **point} for one in results["settings"] for point in one[name]]
    points = [charts.Aged(int(r["day"]), r["setting"], r["mean"], r["low"], r["high"]) for r in rows]
    band = f"Line: mean of {words.plural(int(results['repetitions']), 'repetition')}. Band: four of five of them."
    return Picture(name, title, charts.curves(points, title="", at="day"), rows, f"{caption} {band}")


def _table(results: Json) -> Table:
    told = (
        "Impressions",
        "Rewards per 1,000",
        "Graduated",
        "Retired",
        "Rightly",
        "Found of all",
        "Days to it",
        "Starved",
    )
    names = heads("Setting", *(f"#{name}" for name in told))
    return Table("The settings side by side", names, [_row(one) for one in results["settings"]])


def _row(one: Json) -> Any:
    return row(
        Cell(one["setting"], tone="name"),
        words.count(one["impressions"][-1]["mean"]),
        _number(one["rewards_per_thousand"]),
        words.number(one["graduated"], 3),
        words.number(one["retired"], 3),
        _share(one["precision"]),
        _share(one["recall"]),
        _number(one["days_to_graduation"]),
        _share(one["starved_share"]),
    )


def _number(found: Any) -> str:
    return words.BLANK if isinstance(found, Mapping) else words.number(found, 3)


def _share(found: Any) -> str:
    return words.BLANK if isinstance(found, Mapping) else words.percent(found)
