"""Who leads: the posteriors of the best items, with their intervals."""

from collections.abc import Sequence

import numpy as np

from bandits.page.choice import Choice
from bandits.page.known import Known, Names, Wording, called, taken
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Switch, Table, heads, row

DRAWN, LISTED = 10, 30  # the export of posteriors has all
COMPARED = 1_000  # items that are held against the average, best first
CAPTION = "Dot: mean of the posterior. Thick: 50 % interval. Thin: 95 % interval."


def section(known: Known, names: Names, wording: Wording, choice: Choice, switches: Sequence[Switch] = ()) -> Section:
    return Section(
        "leaders",
        "Leading items",
        switches=switches,
        pictures=[_picture(known, names, wording)] if known.items else [],
        tables=[_table(known, names, wording, choice)],
    )


def sentence(known: Known, names: Names, wording: Wording) -> str:
    """How much was tried, who leads, how many are clearly better than the average."""
    tried = int((known.trials > 0).sum())
    if not known.items or not tried:
        return f"{words.plural(len(known.items), 'item')} wait for their first impression."
    leader = int(known.best[0])
    (low,), (high,) = taken(known.beliefs, [leader]).interval()
    found = f"{wording.rate(float(known.beliefs.mean[leader]))} ({wording.between(low, high)})"
    have = "has" if tried == 1 else "have"
    return (
        f"{words.count(tried)} of {words.plural(len(known.items), 'item')} {have} been tried; "
        f"“{names.get(known.items[leader], known.items[leader])}” leads with {found}{_clear(known, wording)}."
    )


def _clear(known: Known, wording: Wording) -> str:
    """How many lie above the average of all impressions with 97.5 %."""
    if known.average is None:
        return ""
    above = taken(known.beliefs, known.best[:COMPARED].tolist()).above(known.average)
    clear = int((above > 0.975).sum())
    better = (
        f"{words.plural(clear, 'item is', 'items are')} clearly better than the average"
        if clear
        else "no item is clearly better yet than the average"
    )
    return f", and {better} of {wording.rate(known.average)}"


def _picture(known: Known, names: Names, wording: Wording) -> Picture:
    places = known.best[:DRAWN].tolist()
    top = taken(known.beliefs, places)
    mean, (low, high), (inner_low, inner_high) = top.mean, top.interval(), top.interval(0.5)
    bar = known.average
    rows = [
        charts.Interval(
            called(item, names),
            f"{wording.rate(float(mean[i]))}  ({wording.between(low[i], high[i])})",
            "better" if bar is not None and low[i] > bar else "neutral",
            *(float(x[i]) for x in (mean, low, high, inner_low, inner_high)),
            short=wording.rate(float(mean[i])),
        )
        for i, item in enumerate(top.items)
    ]
    highest = float(np.max(high)) if known.is_money else 1.0
    chart = charts.intervals(
        rows, title=wording.title, zero=False, lowest=0.0, highest=highest, numbers=not wording.is_money
    )
    caption = CAPTION if bar is None else f"{CAPTION} Green lies clearly above the average."
    data = [
        {"item": item, "title": names.get(item, "")}
        | {name: float(x[i]) for name, x in (("mean", mean), ("low", low), ("high", high))}
        for i, item in enumerate(top.items)
    ]
    return Picture("leaders", wording.title, chart, data, caption)


def _table(known: Known, names: Names, wording: Wording, choice: Choice) -> Table:
    places = known.best[:LISTED].tolist()
    top = taken(known.beliefs, places)
    mean, (low, high) = top.mean, top.interval()
    rows = [
        row(
            Cell(names.get(item, item), item if item in names else "", link=choice.of_item(item), tone="name"),
            words.count(known.seen[place]),
            words.number(float(known.successes[place])),
            wording.rate(float(mean[i])),
            wording.between(low[i], high[i]),
        )
        for i, (item, place) in enumerate(zip(top.items, places, strict=True))
    ]
    titles = heads("Item", "#Impressions", f"#{wording.rewards}", "#Posterior mean", "#95 % interval")
    left = len(known.items) - len(rows)
    more = f"; the export of posteriors has {words.plural(left, 'item')} more" if left else ""
    return Table(f"The best items by posterior mean{more}", titles, rows, is_folded=True)
