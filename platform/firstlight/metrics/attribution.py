"""Which scenario an order, a refund or a cancellation belongs to, where the sender does not say.

An order belongs to the scenario and recall source of the unit's last click in the 24 hours before it (last-click
attribution; impressions do not earn orders), a refund or cancellation to those of its order, up to 30 days back. What
finds neither belongs to no scenario.
"""

from typing import Any

import ibis

MONEY_BACK = ("refund", "cancel")


def who(rows: ibis.Table) -> Any:
    """Who was there, as one column: the user, else the device, else the session."""
    return ibis.coalesce(rows["user_id"], rows["device_id"], rows["session_id"])


def orders(events: ibis.Table) -> ibis.Table:
    """One row per order event: event_id, order_id, happened_at, unit, currency, amount, scenario (or null), source."""
    rows = events.filter(events["type"] == "order")
    bought = rows.select(
        "event_id",
        "order_id",
        "currency",
        happened_at=rows["at"],
        unit=who(rows),
        amount=rows["value"],
        own_scenario=rows["scenario"],
        own_source=rows["recall_source"],
    )
    clicked = bought.left_join(_last_clicks(events, bought), "event_id")
    scenario = ibis.coalesce(clicked.own_scenario, clicked.click_scenario)
    from_click = (clicked.click_scenario == scenario).ifelse(clicked.click_source, None)
    return clicked.select(
        "event_id",
        "happened_at",
        "unit",
        "order_id",
        "currency",
        "amount",
        scenario=scenario,
        source=ibis.coalesce(clicked.own_source, from_click, ""),
    )


def _last_clicks(events: ibis.Table, bought: ibis.Table) -> ibis.Table:
    """event_id of the order -> click_scenario, click_source."""
    rows = events.filter(events["type"] == "click", events["scenario"].notnull())
    clicks = rows.select(
        clicker=who(rows),
        clicked_at=rows["at"],
        where=rows["scenario"],
        by=ibis.coalesce(rows["recall_source"], ""),
    )
    before = bought.join(
        clicks,
        (bought.unit == clicks.clicker)
        & (clicks.clicked_at <= bought.happened_at)
        & (clicks.clicked_at > bought.happened_at - ibis.interval(hours=24)),
    )
    return before.group_by("event_id").aggregate(
        click_scenario=before["where"].argmax(before.clicked_at), click_source=before.by.argmax(before.clicked_at)
    )


def money_back(events: ibis.Table, sold: ibis.Table) -> ibis.Table:
    """Refunds and cancellations in the columns of `orders`; `amount` is negative."""
    rows = events.filter(events["type"].isin(MONEY_BACK))
    returned = rows.select(
        "event_id",
        "currency",
        happened_at=rows["at"],
        unit=who(rows),
        of_order=rows["order_id"],
        amount=-rows["value"],
        own_scenario=rows["scenario"],
        own_source=rows["recall_source"],
    )
    placed = sold.filter(sold.scenario.notnull())
    first_line = placed.group_by("order_id").aggregate(
        sold_scenario=placed.scenario.argmin(placed.happened_at), sold_source=placed.source.argmin(placed.happened_at)
    )
    known = returned.left_join(first_line, returned.of_order == first_line.order_id)
    scenario = ibis.coalesce(known.own_scenario, known.sold_scenario)
    from_order = (known.sold_scenario == scenario).ifelse(known.sold_source, None)
    return known.select(
        "event_id",
        "happened_at",
        "unit",
        "currency",
        "amount",
        order_id=known.of_order,
        scenario=scenario,
        source=ibis.coalesce(known.own_source, from_order, ""),
    )
