"""One item, whichever the reader looks for: what is believed of it, how that came, and whether it will be shown."""

from collections.abc import Sequence
from typing import Any

from bandits.page import chances as likely
from bandits.page.chances import Chances
from bandits.page.known import Known, Names, Wording, taken
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

SHOWN = 12  # posteriors


def section(history: Sequence[Known], item: str, names: Names, wording: Wording, chances: Chances | None) -> Section:
    """`history` oldest first."""
    newest, title = history[-1], f"Item {names.get(item, item)}"
    if item not in newest.place:
        missing = f"“{item}” is not in the pool, or came after the last learning step."
        return Section("item", "Item", missing=missing)
    place = newest.place[item]
    (mean,), ((low,), (high,)) = (one := taken(newest.beliefs, [place])).mean, one.interval()
    rank = newest.best.tolist().index(place) + 1
    sentence = (
        f"{wording.title} {wording.rate(float(mean))} ({wording.between(low, high)}), number {words.count(rank)} of "
        f"{words.count(len(newest.items))}; shown {words.plural(round(float(newest.shown[place])), 'time')} by the "
        "campaign."
    )
    return Section(
        "item",
        title,
        sentence=sentence,
        pictures=[_over_time(history, item, wording)],
        tables=[_told(newest, place, wording, likely.of_one(chances, item))],
    )


def _over_time(history: Sequence[Known], item: str, wording: Wording) -> Picture:
    known = [one for one in history if item in one.place][-SHOWN:]
    rows, data = list[charts.Interval](), list[dict[str, Any]]()
    for one in reversed(known):
        alone = taken(one.beliefs, [one.place[item]])
        (mean,), ((low,), (high,)) = alone.mean, alone.interval()
        note = f"{wording.rate(float(mean))}  ({wording.between(low, high)})"
        at = f"{one.at:%-d %b, %H:%M}"
        rows.append(
            charts.Interval(at, note, "neutral", *map(float, (mean, low, high)), short=wording.rate(float(mean)))
        )
        data.append({"at": one.at.isoformat(), "mean": float(mean), "low": float(low), "high": float(high)})
    highest = max(one["high"] for one in data) if known[-1].is_money else 1.0
    chart = charts.intervals(
        rows, title=wording.title, zero=False, lowest=0.0, highest=highest, numbers=not wording.is_money
    )
    return Picture("item", "What was believed of it", chart, data, "Newest first; the line is the 95 % interval.")


def _told(known: Known, place: int, wording: Wording, chances: Sequence[tuple[str, str]]) -> Table:
    told = [
        ("Impressions", words.count(known.seen[place])),
        ("In slots of the campaign", words.count(known.shown[place])),
        ("Impressions as they weigh", words.number(float(known.trials[place]))),
        (wording.rewards, words.number(float(known.successes[place]))),
        *chances,
    ]
    rows = [row(Cell(name, tone="name"), value) for name, value in told]
    return Table("In numbers", heads("What", "#Value"), rows)
