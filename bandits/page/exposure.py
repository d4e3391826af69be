"""Whom the campaign showed: so far, and between one learning step and the next."""

from collections.abc import Sequence
from itertools import pairwise

from bandits.page.known import Known, Names, called
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Section

DRAWN, FOLLOWED = 10, 7
OTHERS = "all others"


def section(history: Sequence[Known], names: Names) -> Section:
    """Of the newest, and of how exposure moved through the older ones (oldest first)."""
    shown = float(history[-1].shown.sum())
    if not shown:
        return Section("exposure", "Exposure", missing="None of its items was shown yet.")
    return Section(
        "exposure",
        "Exposure",
        sentence=f"{words.plural(round(shown), 'impression')} so far, of "
        f"{words.plural(int((history[-1].shown > 0).sum()), 'item')}.",
        pictures=[_so_far(history[-1], names), *([_over_time(history, names)] if len(history) > 1 else [])],
    )


def _so_far(known: Known, names: Names) -> Picture:
    places = known.best[:DRAWN].tolist()
    rows = [
        charts.Bar(called(known.items[i], names), float(known.shown[i]), words.count(known.shown[i])) for i in places
    ]
    data = [{"item": known.items[i], "impressions": float(known.shown[i])} for i in known.best.tolist()]
    return Picture(
        "exposure", "Of the leading items", charts.bars(rows), data, "Impressions so far, the best items first."
    )


def _over_time(history: Sequence[Known], names: Names) -> Picture:
    """Impressions gained between one posterior and the next, for the items that lead now."""
    newest = history[-1]
    leaders = [newest.items[i] for i in newest.best[:FOLLOWED].tolist()]
    points = [p for before, after in pairwise(history) for p in _gained(before, after, leaders, names)]
    rows = [{"at": p.at.isoformat(), "item": p.series, "impressions": p.value} for p in points]
    caption = "Impressions between one learning step and the next. Leaders should win ground, nobody lose all."
    return Picture("exposure-over-time", "Who was shown", charts.shares(points, rest=OTHERS), rows, caption)


def _gained(before: Known, after: Known, leaders: Sequence[str], names: Names) -> list[charts.Point]:
    had = dict(zip(before.items, before.shown.tolist(), strict=True))
    gains = {item: max(n - had.get(item, 0.0), 0.0) for item, n in zip(after.items, after.shown.tolist(), strict=True)}
    led = [charts.Point(after.at, called(item, names), gains.get(item, 0.0)) for item in leaders]
    rest = sum(gains.values()) - sum(gains.get(item, 0.0) for item in leaders)
    return [*led, charts.Point(after.at, OTHERS, max(rest, 0.0))]
