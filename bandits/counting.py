"""What the lake tells about the items of a scenario: how often each was shown where, and what came of it.

A trial is a distinct (view, item, day) with an impression; a view is named by its trace, or else by its unit, and ends
with the UTC day, so that a returning visitor is a new trial. A click, cart or order that names a trace belongs to the
latest impression of that trace and item before it, one without a trace to the latest of its unit and item, and rewards
the trial when it comes within the attribution time. Cancels and refunds within that time are taken off their order.
Where an impression stood, and with which propensity, is what our own decision says that it names by its trace, or else
what the sender says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import ibis
import pyarrow as pa

from firstlight.kernel.windows import Window
from firstlight.metrics.attribution import MONEY_BACK, who

TRIAL = ("view", "item_id", "day")
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
REWARDS = ("click", "cart", "order")
DISCOVERED = ("campaign", "table", "position", "propensity", "source")
NO_TABLE = -1
WHOLE = ""  # the line of an order that is returned as a whole
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
    def within(self) -> Any:
        return ibis.interval(seconds=int(self.attribution.total_seconds()))


def trials(events: ibis.Table, asked: Counting, days: Window) -> ibis.Table:
    """One row per trial of these days; `events` go on until the attribution time of the last of them is over.

    A trial is told by the events from the day before it until its time is over, and by no others, so that a day is
    counted alike whichever days are counted with it. Impressions after `days` take their own rewards away from it.

    Columns: `WHERE`, propensity, click, cart, order (whole hours until it came; null: it did not), net.
    """
    rows = _named(events.filter(events["scenario"].isnull() | (events["scenario"] == asked.scenario)))
    shown = kept(_impressions(rows.filter(rows["scenario"] == asked.scenario), days, asked))
    seen = _added(shown, _won(rows, shown, asked), days)
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


def _won(rows: ibis.Table, shown: ibis.Table, asked: Counting) -> ibis.Table:
    """view, item_id, day -> click, cart, order (whole hours), net: a row for each that is won or taken back."""
    lines = kept(_met(rows, shown, asked))
    hours = (lines.happened_at.epoch_seconds() - lines.shown_at.epoch_seconds()) // 3600
    came = {kind: (lines.kind == kind).ifelse(hours.cast("int64"), None) for kind in REWARDS}
    back = _taken_back(rows, lines.filter(lines.kind == "order"), asked)
    nothing = {kind: ibis.null("int64") for kind in REWARDS}
    return ibis.union(lines.select(*TRIAL, **came, net="amount"), back.select(*TRIAL, **nothing, net=-back.back))


def _met(rows: ibis.Table, shown: ibis.Table, asked: Counting) -> ibis.Table:
    """Each click, cart and order with the trial it rewards: `TRIAL`, kind, shown_at, happened_at, order_id, amount."""
    found = _priced(rows.filter(rows["type"].isin(REWARDS), rows["item_id"].notnull()), asked)
    own = found.filter(found.trace_id.notnull()).drop("rewarder")
    other = found.filter(found.trace_id.isnull(), found.rewarder.notnull()).drop("by_view")
    met = [
        _latest(own, shown, asked, own.by_view == shown["view"]),
        _latest(other, shown, asked, other.rewarder == shown.who),
    ]
    return ibis.union(*met)


def _latest(found: ibis.Table, shown: ibis.Table, asked: Counting, same: Any) -> ibis.Table:
    """Of each reward the latest impression of its item that is not after it; of two at once, the view named last."""
    met = found.join(
        shown.select("view", "who", "day", "at", shown_item="item_id"),
        [same, found.item_id == shown.item_id],
    )
    met = met.filter(met["at"] <= met.happened_at, met.happened_at <= met["at"] + asked.within)
    own = {name: met[name].arbitrary() for name in ("item_id", "kind", "happened_at", "order_id", "amount")}
    by_view = "by_view" in met.columns
    view = (
        met.by_view.arbitrary() if by_view else met["view"].argmax(ibis.struct({"at": met["at"], "view": met["view"]}))
    )
    return met.group_by("event_id").aggregate(view=view, day=met.day.max(), shown_at=met["at"].max(), **own)


def _taken_back(rows: ibis.Table, orders: ibis.Table, asked: Counting) -> ibis.Table:
    """`TRIAL` -> what cancels and refunds took off its orders."""
    money = _priced(rows.filter(rows["type"].isin(MONEY_BACK), rows["order_id"].notnull()), asked)
    # Kept, for Ibis 12 cannot join what stands on the same table once more.
    heads = kept(_heads(rows))
    returned = money.select("order_id", "amount", line=money.item_id.fill_null(WHOLE), returned_at="happened_at")
    named = returned.join(heads, ["order_id", "line"]).select("event_id", "returned_at", back="amount")
    met = kept(named).join(orders.select(*TRIAL, "event_id", "shown_at"), "event_id")
    met = met.filter(met.returned_at >= met.shown_at, met.returned_at <= met.shown_at + asked.within)
    return met.group_by(*TRIAL).aggregate(back=met.back.sum())


def _heads(rows: ibis.Table) -> ibis.Table:
    """order_id, line -> event_id: the order event that is reduced when this item (or no item) of an order is returned.

    The first one. Of a day, so that it does not depend on how many days are looked at; an order is placed on one.
    """
    found = rows.filter(rows["type"] == "order", rows["order_id"].notnull(), rows["item_id"].notnull())
    lines = found.select(
        "event_id", "order_id", "day", line="item_id", place=ibis.struct({"at": found["at"], "id": found["event_id"]})
    )
    whole = lines.mutate(line=ibis.literal(WHOLE))
    both = ibis.union(lines, whole)
    return both.group_by("order_id", "line", "day").aggregate(event_id=both.event_id.argmin(both.place)).drop("day")


def _priced(rows: ibis.Table, asked: Counting) -> ibis.Table:
    """Rewards with `amount` in the currency asked for; what has no rate is worth nothing."""
    named = rows.select(
        "event_id",
        "item_id",
        "trace_id",
        "order_id",
        "currency",
        "day",
        kind=rows["type"],
        happened_at=rows["at"],
        by_view=rows["view"],
        rewarder=rows["who"],
        value=rows["value"].cast("float64").fill_null(0.0),
    )
    if asked.rates is None:
        return named.mutate(amount=named.value).drop("value", "currency", "day")
    rates = ibis.memtable(asked.rates).select(rated="currency", rated_day="day", rate="rate")
    joined = named.left_join(rates, [named.currency == rates.rated, named.day == rates.rated_day])
    amount = joined.value * joined.rate.fill_null(0.0)
    return joined.mutate(amount=amount).drop("value", "currency", "day", "rated", "rated_day", "rate")


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


def kept(table: ibis.Table) -> ibis.Table:
    """Computed once, into a table that ends with the engine's connection."""
    return table.get_backend().create_table(ibis.util.gen_name("counting"), table, temp=True)
