"""What impressions earned: each click, cart and order with the impression that it rewards, and what was taken back.

A reward that names a trace belongs to the latest impression of that trace and item before it, one without a trace to
the latest of its unit and item, when it comes within the attribution time. Cancels and refunds within that time are
taken off their order.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ibis
import pyarrow as pa

from firstlight.metrics.attribution import MONEY_BACK

TRIAL = ("view", "item_id", "day")
REWARDS = ("click", "cart", "order")
WHOLE = ""  # the line of an order that is returned as a whole


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """How late a reward may come, and in which currency it counts."""

    attribution: timedelta
    rates: pa.Table | None = None  # currency, day, rate; None: values as they were sent

    @property
    def within(self) -> Any:
        return ibis.interval(seconds=int(self.attribution.total_seconds()))


def won(rows: ibis.Table, shown: ibis.Table, terms: Terms) -> ibis.Table:
    """view, item_id, day -> click, cart, order (whole hours), net: a row for each that is won or taken back."""
    lines = kept(_met(rows, shown, terms))
    hours = (lines.happened_at.epoch_seconds() - lines.shown_at.epoch_seconds()) // 3600
    came = {kind: (lines.kind == kind).ifelse(hours.cast("int64"), None) for kind in REWARDS}
    back = _taken_back(rows, lines.filter(lines.kind == "order"), terms)
    nothing = {kind: ibis.null("int64") for kind in REWARDS}
    return ibis.union(lines.select(*TRIAL, **came, net="amount"), back.select(*TRIAL, **nothing, net=-back.back))


def _met(rows: ibis.Table, shown: ibis.Table, terms: Terms) -> ibis.Table:
    """Each click, cart and order with the trial it rewards: `TRIAL`, kind, shown_at, happened_at, order_id, amount."""
    found = _priced(rows.filter(rows["type"].isin(REWARDS), rows["item_id"].notnull()), terms)
    own = found.filter(found.trace_id.notnull()).drop("rewarder")
    other = found.filter(found.trace_id.isnull(), found.rewarder.notnull()).drop("by_view")
    met = [
        _latest(own, shown, terms, own.by_view == shown["view"]),
        _latest(other, shown, terms, other.rewarder == shown.who),
    ]
    return ibis.union(*met)


def _latest(found: ibis.Table, shown: ibis.Table, terms: Terms, same: Any) -> ibis.Table:
    """Of each reward the latest impression of its item that is not after it; of two at once, the view named last."""
    met = found.join(
        shown.select("view", "who", "day", "at", shown_item="item_id"),
        [same, found.item_id == shown.item_id],
    )
    met = met.filter(met["at"] <= met.happened_at, met.happened_at <= met["at"] + terms.within)
    own = {name: met[name].arbitrary() for name in ("item_id", "kind", "happened_at", "order_id", "amount")}
    by_view = "by_view" in met.columns
    view = (
        met.by_view.arbitrary() if by_view else met["view"].argmax(ibis.struct({"at": met["at"], "view": met["view"]}))
    )
    return met.group_by("event_id").aggregate(view=view, day=met.day.max(), shown_at=met["at"].max(), **own)


def _taken_back(rows: ibis.Table, orders: ibis.Table, terms: Terms) -> ibis.Table:
    """`TRIAL` -> what cancels and refunds took off its orders."""
    money = _priced(rows.filter(rows["type"].isin(MONEY_BACK), rows["order_id"].notnull()), terms)
    # Kept, for Ibis 12 cannot join what stands on the same table once more.
    heads = kept(_heads(rows))
    returned = money.select("order_id", "amount", line=money.item_id.fill_null(WHOLE), returned_at="happened_at")
    named = returned.join(heads, ["order_id", "line"]).select("event_id", "returned_at", back="amount")
    met = kept(named).join(orders.select(*TRIAL, "event_id", "shown_at"), "event_id")
    met = met.filter(met.returned_at >= met.shown_at, met.returned_at <= met.shown_at + terms.within)
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


def _priced(rows: ibis.Table, terms: Terms) -> ibis.Table:
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
    if terms.rates is None:
        return named.mutate(amount=named.value).drop("value", "currency", "day")
    rates = ibis.memtable(terms.rates).select(rated="currency", rated_day="day", rate="rate")
    joined = named.left_join(rates, [named.currency == rates.rated, named.day == rates.rated_day])
    amount = joined.value * joined.rate.fill_null(0.0)
    return joined.mutate(amount=amount).drop("value", "currency", "day", "rated", "rated_day", "rate")


def kept(table: ibis.Table) -> ibis.Table:
    """Computed once, into a table that ends with the engine's connection."""
    return table.get_backend().create_table(ibis.util.gen_name("counting"), table, temp=True)
