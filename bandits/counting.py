"""What the lake tells about the items of a scenario: how often each was shown where, and what came of it.

A trial is a distinct (view, item, day) with an impression; a view is named by its trace, or else by its unit, and ends
with the UTC day, so that a returning visitor is a new trial. What it earned is told by `bandits.earned`. Where an
impression stood, and with which propensity, is what our own decision says that it names by its trace, or else what the
sender says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import ibis
import pyarrow as pa

from bandits import earned
from bandits.earned import REWARDS, TRIAL, Terms, kept
from firstlight.kernel.windows import Window
from firstlight.metrics.attribution import who

NAMES = ("item_id", "segment", "campaign", "arm", "source")
WHERE = ("day", *NAMES, "position", "hour")
SUMS = [
    "trials",
    "clicks",
    "carts",
    "orders",
    "net",
    "valued",
    "log_mean",
    "log_m2",
    "share",
    "inverse",
    "inverse_clicks",
]
DISCOVERED = ("campaign", "table", "position", "propensity", "source")
NO_TABLE = -1
CATEGORY = "category"  # the attribute of the item that traffic may be parted by; all others are the request's


@dataclass(frozen=True, slots=True, eq=False)
class Counting:
    """One way to count a scenario."""

    scenario: str
    attribution: timedelta
    segment_by: str = ""
    value_cap: float = float("inf")  # of the net value of one trial
    rates: pa.Table | None = None  # currency, day, rate; None: values as they were sent
    categories: pa.Table | None = field(default=None)  # item_id, category; where traffic is parted by it
    uniform_tables: Sequence[int] = ()  # draw tables that serve every item alike

    @property
    def terms(self) -> Terms:
        return Terms(self.attribution, self.rates)


def trials(events: ibis.Table, asked: Counting, days: Window) -> ibis.Table:
    """One row per trial of these days; `events` go on until the attribution time of the last of them is over.

    A trial is told by the events from the day before it until its time is over, and by no others, so that a day is
    counted alike whichever days are counted with it. Impressions after `days` take their own rewards away from it.

    Columns: `WHERE`, propensity, click, cart, order (whole hours until it came; null: it did not), net.
    """
    rows = _named(events.filter(events["scenario"].isnull() | (events["scenario"] == asked.scenario)))
    shown = kept(_impressions(rows.filter(rows["scenario"] == asked.scenario), days, asked))
    seen = _added(shown, earned.won(rows, shown, asked.terms), days)
    made = _made(rows)
    whole = seen.left_join(_decided(made, asked), list(TRIAL))
    whole = whole.left_join(_segments(made, asked), ["view", "day"])
    whole = whole.select(
        *TRIAL,
        "click",
        "cart",
        "order",
        hour=whole["at"].hour(),
        net=whole["net"].fill_null(0.0),
        segment=ibis.coalesce(whole.segment, whole.said, ""),
        campaign=whole.campaign.fill_null(""),
        arm=whole.arm.fill_null(""),
        source=whole.source.fill_null(""),
        position=ibis.coalesce(whole.decided_position, whole.sent_position, 0),
        propensity=ibis.coalesce(whole.decided_propensity, whole.sent_propensity),
    )
    return _parted(whole, asked)


def cells(trials: ibis.Table, asked: Counting) -> ibis.Table:
    """`WHERE` and `SUMS`: trials added up. `net` is capped, and never less than nothing."""
    net = ibis.greatest(trials.net, 0.0)
    capped = net if asked.value_cap == float("inf") else ibis.least(net, asked.value_cap)
    weight = 1 / (trials.propensity > 0).ifelse(trials.propensity, None)
    rows = trials.mutate(net=capped, log=(capped > 0).ifelse(capped, None).log(), weight=weight)
    n = rows.log.count()
    return rows.group_by(*WHERE).aggregate(
        trials=rows.count(),
        clicks=rows.click.count(),
        carts=rows.cart.count(),
        orders=rows.order.count(),
        net=rows.net.sum(),
        valued=n,
        log_mean=rows.log.mean().fill_null(0.0),
        log_m2=(rows.log.var(how="pop") * n).fill_null(0.0),
        share=(rows.net / asked.value_cap).sum(),
        inverse=rows.weight.sum().fill_null(0.0),
        inverse_clicks=rows.click.notnull().ifelse(rows.weight, 0.0).sum().fill_null(0.0),
    )


def delays(trials: ibis.Table) -> ibis.Table:
    """day, reward, hours, count: how long the first reward of each kind took."""
    each = [
        trials.filter(trials[kind].notnull()).select("day", hours=trials[kind], reward=ibis.literal(kind))
        for kind in REWARDS
    ]
    rows = ibis.union(*each)
    return rows.group_by("day", "reward", "hours").aggregate(count=rows.count())


def _named(events: ibis.Table) -> ibis.Table:
    """With `view` and `who`. Traces and units share no names."""
    named = events.mutate(who=who(events))
    return named.mutate(view=ibis.coalesce("t" + named["trace_id"], "u" + named["who"]))


def _impressions(rows: ibis.Table, days: Window, asked: Counting) -> ibis.Table:
    first = next(days.days())
    found = rows.filter(
        rows["type"] == "impression", rows["item_id"].notnull(), rows["view"].notnull(), rows["day"] >= first
    )
    return found.select(
        *TRIAL,
        "at",
        "who",
        sent_position=found["position"],
        sent_propensity=found["propensity"],
        said=_attribute(found, asked.segment_by),
    )


def _made(rows: ibis.Table) -> ibis.Table:
    """Our decisions, each for the impressions of its own day and of the next: a page may be open over midnight."""
    found = rows.filter(rows["type"] == "decision", rows["trace_id"].notnull())
    same = found.select("event_id", "view", "day", "discovery", "properties")
    return ibis.union(same, same.mutate(day=(same["day"] + ibis.interval(days=1)).cast("date")))


def _segments(made: ibis.Table, asked: Counting) -> ibis.Table:
    """view, day -> segment, as the latest request told it."""
    told = made.select("event_id", "view", "day", segment=_attribute(made, "attributes", asked.segment_by))
    told = told.filter(told.segment.notnull())
    return told.group_by("view", "day").aggregate(segment=told.segment.argmax(told.event_id))


def _decided(made: ibis.Table, asked: Counting) -> ibis.Table:
    """`TRIAL` -> what the latest of our decisions says of it. The ids of decisions grow with time."""
    each = made.select("event_id", "view", "day", slot=made["discovery"].unnest())
    named = each.select("event_id", "view", "day", "slot", item_id=each.slot["item_id"])
    slot = named.group_by(*TRIAL).aggregate(slot=named.slot.argmax(named.event_id))
    decided = slot.select(*TRIAL, **{name: slot.slot[name] for name in DISCOVERED})
    is_uniform = decided["table"].isin(list(asked.uniform_tables) or [NO_TABLE])
    return decided.select(
        *TRIAL,
        "campaign",
        "source",
        arm=is_uniform.ifelse("uniform", "learned"),
        decided_position="position",
        decided_propensity="propensity",
    )


def _added(shown: ibis.Table, won: ibis.Table, days: Window) -> ibis.Table:
    """One row per trial of these days. Impressions and what they earned are grouped together: a join takes longer."""
    nothing = {name: ibis.null("int64") for name in REWARDS} | {"net": ibis.null("float64")}
    said = {name: shown[name].type() for name in ("at", "sent_position", "sent_propensity", "said")}
    both = ibis.union(
        shown.select(*TRIAL, *said, **nothing),
        won.select(
            *TRIAL, **{name: ibis.null(kind) for name, kind in said.items()}, **{name: won[name] for name in nothing}
        ),
    )
    both = both.filter(both["day"].isin(list(days.days())))
    return both.group_by(*TRIAL).aggregate(
        at=both["at"].max(),
        sent_position=both.sent_position.min(),
        sent_propensity=both.sent_propensity.min(),
        said=both.said.max(),
        **{name: both[name].min() for name in REWARDS},
        net=both.net.sum(),
    )


def _parted(trials: ibis.Table, asked: Counting) -> ibis.Table:
    """By the category of the item, where that is asked for."""
    if asked.segment_by != CATEGORY or asked.categories is None:
        return trials
    shelves = ibis.memtable(asked.categories).select(shelved="item_id", shelf="category")
    joined = trials.left_join(shelves, trials.item_id == shelves.shelved)
    return joined.mutate(segment=joined.shelf.fill_null("")).drop("shelved", "shelf")


def _attribute(rows: ibis.Table, *path: str) -> Any:
    """Text at this path of the properties, or null."""
    if not path[-1] or path[-1] == CATEGORY:
        return ibis.null("string")
    found = rows["properties"].cast("json")
    for name in path:
        found = found[name]
    return found.str
