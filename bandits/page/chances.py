"""What the table in force will do: who is best how surely, who stands on a page, who is shown in the next hour."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandits.page.choice import Choice
from bandits.page.known import Names, called
from bandits.policies.beliefs import Vector
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

DRAWN, LISTED = 10, 30


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """Of one draw table; vectors in the order of its items."""

    items: tuple[str, ...]
    best: Vector  # share of the rows that rank the item first
    page: Vector  # probability to stand on a page, exact
    an_hour: float | None  # pages of the campaign that an hour has, expected; None where nobody knows
    n_rows: int

    @property
    def hour(self) -> Vector | None:
        """Probability to be shown at least once in an hour: pages are independent draws of rows."""
        return None if self.an_hour is None else 1 - (1 - np.minimum(self.page, 1.0)) ** self.an_hour

    @property
    def order(self) -> list[int]:
        found: list[int] = np.lexsort((-self.page, -self.best)).tolist()
        return found


def an_hour(expected_today: float, n_slots: int) -> float | None:
    """Pages from the impressions that the day is expected to have; None before there were any."""
    return expected_today / 24 / n_slots if expected_today > 0 and n_slots else None


def section(chances: Chances | None, names: Names, choice: Choice) -> Section:
    if chances is None or not chances.items:
        missing = "There is no draw table yet: one is drawn at the start."
        return Section("chances", "What it will show next", missing=missing)
    pictures = [_best(chances, names), *([_hour(chances, chances.hour, names)] if chances.hour is not None else [])]
    return Section(
        "chances",
        "What it will show next",
        sentence=f"{sentence(chances, names)} {counted(chances)}",
        pictures=pictures,
        tables=[_table(chances, names, choice)],
    )


def sentence(chances: Chances, names: Names) -> str:
    """Who leads most rows of the table, and how many items the next hour will show."""
    first = chances.order[0]
    name = names.get(chances.items[first], chances.items[first])
    lead = f"“{name}” is the best item with {words.percent(float(chances.best[first]))}"
    if chances.hour is None:
        return f"{lead}, as this table was drawn."
    expected = round(float(chances.hour.sum()))
    return (
        f"{lead}; the next hour will show about {words.plural(expected, 'item')} of {words.count(len(chances.items))}."
    )


def counted(chances: Chances) -> str:
    drawn = f"Counted off the {words.count(chances.n_rows)} rows of the table that is served"
    if chances.an_hour is None:
        return f"{drawn}; how many pages the next hour will have is not known yet."
    return f"{drawn}; an hour has about {words.count(chances.an_hour)} pages, by what the campaign had so far."


def _best(chances: Chances, names: Names) -> Picture:
    caption = "Share of the rows of the table that rank the item first."
    return _bars("best", "Probability to be best", chances, chances.best, names, caption)


def _hour(chances: Chances, hour: Vector, names: Names) -> Picture:
    caption = "At least one impression within the next hour, in the same order."
    return _bars("next-hour", "Probability to be shown in the next hour", chances, hour, names, caption)


def _bars(key: str, title: str, chances: Chances, values: Vector, names: Names, caption: str) -> Picture:  # noqa: PLR0917
    order = chances.order
    rows = [
        charts.Bar(called(chances.items[i], names), float(values[i]), words.percent(float(values[i])))
        for i in order[:DRAWN]
    ]
    data = [{"item": chances.items[i], "probability": float(values[i])} for i in order]
    return Picture(key, title, charts.bars(rows, highest=max(float(values.max()), 1e-9)), data, caption)


def _table(chances: Chances, names: Names, choice: Choice) -> Table:
    titles = heads("Item", "#Best", "#On a page", *(["#In the next hour"] if chances.hour is not None else []))
    rows = [
        row(
            Cell(names.get(item := chances.items[i], item), item, tone="name", link=choice.of_item(item)),
            *(words.percent(float(x[i])) for x in (chances.best, chances.page, chances.hour) if x is not None),
        )
        for i in chances.order[:LISTED]
    ]
    return Table("Chances of the items that lead most rows", titles, rows, is_folded=True)


def of_one(chances: Chances | None, item: str) -> Sequence[tuple[str, str]]:
    """The same of one item, as words."""
    if chances is None or item not in chances.items:
        return ()
    i = chances.items.index(item)
    told = [("Best", chances.best), ("On a page", chances.page), ("In the next hour", chances.hour)]
    return [(name, words.percent(float(x[i]))) for name, x in told if x is not None]
