"""What a campaign believes of its items: the leading ones, and whom it showed. Beliefs are read as they were stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from firstlight.console import charts, words
from firstlight.console.pictures import Picture

LEADERS = 10  # rows of the picture
LISTED = 30  # rows of the table; the CSV has all
OTHERS = "all others"
LABEL = 34  # characters

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Beta(prior_a + successes, prior_b + trials - successes) per item, best mean first."""

    at: datetime
    items: tuple[str, ...]
    trials: Floats  # impressions
    successes: Floats  # clicked impressions
    a: Floats
    b: Floats

    @classmethod
    def of(
        cls,
        at: datetime,
        items: Sequence[str],
        trials: Sequence[float],
        successes: Sequence[float],
        prior: tuple[float, float],
    ) -> "Belief":
        seen, won = np.asarray(trials, dtype=float), np.asarray(successes, dtype=float)
        a, b = prior[0] + won, prior[1] + np.maximum(seen - won, 0)
        best = np.argsort(-(a / (a + b)), kind="stable")
        return cls(at, tuple(items[i] for i in best), seen[best], won[best], a[best], b[best])

    @property
    def mean(self) -> Floats:
        return self.a / (self.a + self.b)

    def quantile(self, share: float, *, first: int | None = None) -> Floats:
        """Of the first so many items: the quantile takes microseconds each."""
        return np.asarray(betaincinv(self.a[:first], self.b[:first], share), dtype=np.float64)

    @property
    def average(self) -> float | None:
        """Click rate of all impressions; None before the first."""
        seen = float(self.trials.sum())
        return float(self.successes.sum()) / seen if seen else None


@dataclass(frozen=True, slots=True)
class Row:
    """One item of the table, in words."""

    item: str
    key: str
    trials: str
    clicks: str
    mean: str
    interval: str


def sentence(belief: Belief, names: Mapping[str, str]) -> str:
    """How much was tried, who leads, how many are clearly better than the average."""
    tried, average = int((belief.trials > 0).sum()), belief.average
    if not tried or average is None:
        return f"{words.plural(len(belief.items), 'item')} wait for their first impression."
    leader = belief.items[0]
    low, high = (float(belief.quantile(q, first=1)[0]) for q in (0.025, 0.975))
    found = f"{words.percent(float(belief.mean[0]))} ({_between(low, high)})"
    clear = int((belief.quantile(0.025) > average).sum())
    better = (
        f"{words.plural(clear, 'item is', 'items are')} clearly better than the average"
        if clear
        else "no item is clearly better yet than the average"
    )
    name = names.get(leader, leader)
    return (
        f"{words.count(tried)} of {words.plural(len(belief.items), 'item')} have been tried; “{name}” "
        f"leads with {found}, and {better} of {words.percent(average)}."
    )


def figures(belief: Belief) -> list[tuple[str, str, str]]:
    tried = int((belief.trials > 0).sum())
    return [
        ("Items tried", words.count(tried), f"of {words.count(len(belief.items))} in the pool"),
        ("Impressions", words.count(float(belief.trials.sum())), "in the campaign's slots and logs"),
        ("Clicks", words.count(float(belief.successes.sum())), "clicked impressions"),
        ("Click rate", words.percent(belief.average), "of all items together"),
    ]


def pictures(history: Sequence[Belief], names: Mapping[str, str]) -> list[Picture]:
    """Of the newest belief, and of how exposure moved through the older ones (oldest first)."""
    newest = history[-1]
    shown = [_leaders(newest, names), _exposure(newest, names)]
    return shown + ([_over_time(history, names)] if len(history) > 1 else [])


def _leaders(belief: Belief, names: Mapping[str, str]) -> Picture:
    top = min(LEADERS, len(belief.items))
    low, inner_low, inner_high, high = (belief.quantile(q, first=top) for q in (0.025, 0.25, 0.75, 0.975))
    rows = [
        charts.Interval(
            _name(belief.items[i], names),
            f"{words.percent(float(belief.mean[i]))}  ({_between(low[i], high[i])})",
            "better" if belief.average is not None and low[i] > belief.average else "neutral",
            *(float(x) for x in (belief.mean[i], low[i], high[i], inner_low[i], inner_high[i])),
        )
        for i in range(top)
    ]
    chart = charts.intervals(rows, title="Click rate", zero=False, lowest=0.0, highest=1.0)
    caption = (
        "Dot: mean of the posterior. Thick: 50 % interval. Thin: 95 % interval. Green lies clearly above the average."
    )
    return Picture("leaders", "Leading items", chart, table_rows(belief, names), caption)


def _exposure(belief: Belief, names: Mapping[str, str]) -> Picture:
    top = min(LEADERS, len(belief.items))
    rows = [
        charts.Bar(_name(belief.items[i], names), float(belief.trials[i]), words.count(belief.trials[i]))
        for i in range(top)
    ]
    data = [{"item": belief.items[i], "impressions": float(belief.trials[i])} for i in range(len(belief.items))]
    return Picture("exposure", "Their exposure", charts.bars(rows), data, "Impressions so far, in the same order.")


def _over_time(history: Sequence[Belief], names: Mapping[str, str]) -> Picture:
    """Impressions gained between one belief and the next, for the items that lead now."""
    leaders = history[-1].items[: min(7, len(history[-1].items))]
    points = [p for before, after in pairwise(history) for p in _gained(before, after, leaders, names)]
    rows = [{"at": p.at.isoformat(), "item": p.series, "impressions": p.value} for p in points]
    caption = "Impressions between one learning step and the next. Leaders should win ground, nobody lose all."
    return Picture("exposure-over-time", "Who was shown", charts.shares(points, rest=OTHERS), rows, caption)


def _gained(before: Belief, after: Belief, leaders: Sequence[str], names: Mapping[str, str]) -> list[charts.Point]:
    had, has = (dict(zip(b.items, b.trials.tolist(), strict=True)) for b in (before, after))
    gains = {item: max(has[item] - had.get(item, 0.0), 0.0) for item in after.items}
    led = [charts.Point(after.at, _name(item, names), gains.get(item, 0.0)) for item in leaders]
    rest = sum(gains.values()) - sum(gains.get(item, 0.0) for item in leaders)
    return [*led, charts.Point(after.at, OTHERS, max(rest, 0.0))]


def table(belief: Belief, names: Mapping[str, str]) -> list[Row]:
    """The first `LISTED` items, best first."""
    low, high = belief.quantile(0.025, first=LISTED), belief.quantile(0.975, first=LISTED)
    return [
        Row(
            names.get(item, item),
            item,
            words.count(belief.trials[i]),
            words.count(belief.successes[i]),
            words.percent(float(belief.mean[i])),
            _between(low[i], high[i]),
        )
        for i, item in enumerate(belief.items[:LISTED])
    ]


def table_rows(belief: Belief, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every item, as numbers."""
    low, high, mean = belief.quantile(0.025), belief.quantile(0.975), belief.mean
    return [
        {
            "item": item,
            "title": names.get(item, ""),
            "impressions": float(belief.trials[i]),
            "clicks": float(belief.successes[i]),
            "mean": float(mean[i]),
            "low": float(low[i]),
            "high": float(high[i]),
        }
        for i, item in enumerate(belief.items)
    ]


def _between(low: float, high: float) -> str:
    return f"{words.percent(float(low))} to {words.percent(float(high))}"


def _name(item: str, names: Mapping[str, str]) -> str:
    """Short enough to stand above a bar; with its key, which tells namesakes apart."""
    title, room = names.get(item, ""), max(LABEL - len(item), 0)
    if not title or title == item:
        return item
    return f"{title if len(title) <= room else f'{title[: max(room - 1, 0)]}…'} · {item}"
