"""What happened in each scenario, by hour and day, whole and by recall source; one query per day of the lake.

A unit is the user, else the device, else the session. It was seen where it has any event but a refund or cancellation.
An impression was clicked when the same item was clicked in the same view (`trace_id`, else the same unit) not before
it, up to the end of the next day. A unit returns when it was seen in the same scenario in the seven days before the
window's start. Refunds and cancellations lower the net of the window in which they happen.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import ibis

from firstlight.kernel.windows import Window
from firstlight.metrics import attribution
from firstlight.metrics.models import Grain

UNSEEN = ("decision", *attribution.MONEY_BACK)  # what the platform or the shop does, not the unit
COUNTS = ("impressions", "clicks", "clicked_impressions", "carts", "orders", "units", "buyers", "returning_units")


def reach(day: date) -> Window:
    """All that the measures of this day depend on: orders 30 days back, their clicks, clicks on its impressions."""
    return span(day).widened(before=timedelta(days=31), after=timedelta(days=1))


def span(day: date) -> Window:
    start = datetime.combine(day, time(), UTC)
    return Window(start, start + timedelta(days=1))


def measure(events: ibis.Table, day: date) -> list[dict[str, Any]]:
    """One dict per scenario, grain, window and recall source with anything in it, by the names of `ScenarioMeasure`.

    `events` must hold all of `reach(day)`. Money is summed as decimals.
    """
    facts = _facts(events.filter(events["at"] >= _edge(day, -31), events["at"] < _edge(day, 2)), day)
    return list(_merged(_cells(facts, day).to_pyarrow().to_pylist()))


def _facts(events: ibis.Table, day: date) -> ibis.Table:
    """Every event of the day that belongs to a scenario."""
    today, tomorrow = _edge(day, 0), _edge(day, 1)
    sold = attribution.orders(events.filter(events["at"] < tomorrow))
    today_sold = sold.filter(sold.happened_at >= today, sold.scenario.notnull())
    back = attribution.money_back(events.filter(events["at"] >= today, events["at"] < tomorrow), sold)
    first_line = ibis.row_number().over(
        group_by=today_sold.order_id, order_by=[today_sold.happened_at, today_sold.event_id]
    )
    plain = _plain(events, day)
    facts = plain.union(
        _money(today_sold, "order", first_line == 0), _money(back.filter(back.scenario.notnull()), "back", False)
    )
    return _with_returns(facts, events, day)


def _plain(events: ibis.Table, day: date) -> ibis.Table:
    """What names its scenario itself and carries no money."""
    rows = _seen(events, _edge(day, 0), _edge(day, 1))
    clicked = _clicks(events, day)
    joined = rows.left_join(
        clicked,
        (rows["scenario"] == clicked.click_scenario)
        & (rows["item_id"] == clicked.click_item)
        & (_view(rows) == clicked.click_view),
    )
    is_click = (joined["type"] == "impression") & (joined.last_click >= joined["at"])
    return joined.select(
        kind=joined["type"],
        unit=attribution.who(joined),
        scenario=joined["scenario"],
        source=ibis.coalesce(joined["recall_source"], ""),
        hour=joined["at"].truncate("h"),
        currency=ibis.null("string"),
        amount=ibis.null("decimal(18, 4)"),
        counts=is_click.fill_null(False),
    )


def _clicks(events: ibis.Table, day: date) -> ibis.Table:
    """The last click on an item in a view, from the day to the end of the next."""
    rows = _seen(events, _edge(day, 0), _edge(day, 2))
    rows = rows.filter(rows["type"] == "click")
    return (
        rows.select(
            click_view=_view(rows), click_scenario=rows["scenario"], click_item=rows["item_id"], clicked_at=rows["at"]
        )
        .group_by("click_view", "click_scenario", "click_item")
        .aggregate(last_click=lambda t: t.clicked_at.max())
    )


def _money(rows: ibis.Table, kind: str, counts: Any) -> ibis.Table:
    return rows.select(
        "unit",
        "scenario",
        "source",
        kind=ibis.literal(kind),
        hour=rows.happened_at.truncate("h"),
        currency=rows.currency,
        amount=rows.amount,
        counts=counts,
    )


def _with_returns(facts: ibis.Table, events: ibis.Table, day: date) -> ibis.Table:
    """Adds hour_return and day_return: whether the unit was seen in the seven days before the hour, before the day."""
    start = _edge(day, 0)
    before = _seen(events, _edge(day, -7), start)
    there = facts.filter(facts.kind != "back").select("scenario", "unit", "hour")
    earlier = before.select("scenario", unit=attribution.who(before), hour=before["at"].truncate("h"))
    seen = there.union(earlier).distinct()
    by_unit = ibis.window(group_by=[seen.scenario, seen.unit], order_by=seen.hour)
    last = seen.mutate(
        last_hour=seen.hour.lag().over(by_unit), first_hour=seen.hour.min().over(group_by=[seen.scenario, seen.unit])
    )
    flags = last.select(
        seen_scenario=last.scenario,
        seen_unit=last.unit,
        seen_hour=last.hour,
        hour_return=(last.last_hour >= last.hour - ibis.interval(days=7)).fill_null(False),
        day_return=last.first_hour < start,
    )
    joined = facts.left_join(
        flags,
        (facts.scenario == flags.seen_scenario) & (facts.unit == flags.seen_unit) & (facts.hour == flags.seen_hour),
    )
    return joined.select(*facts.columns, "hour_return", "day_return")


def _cells(facts: ibis.Table, day: date) -> ibis.Table:
    """Every fact in each cell it belongs to, and the cells summed: counts where currency is "", money where not."""
    hourly = facts.mutate(grain=ibis.literal(Grain.HOUR.value), starts_at=facts.hour, returns=facts.hour_return)
    daily = facts.mutate(grain=ibis.literal(Grain.DAY.value), starts_at=_edge(day, 0), returns=facts.day_return)
    windows = hourly.union(daily)
    sources = windows.mutate(source=ibis.literal("")).union(windows.filter(windows.source != ""))
    paid = sources.filter(sources.currency.notnull())
    rows = sources.mutate(currency=ibis.literal("")).union(paid)
    there = rows.kind != "back"
    return rows.group_by("scenario", "grain", "starts_at", "source", "currency").aggregate(
        impressions=(rows.kind == "impression").sum(),
        clicks=(rows.kind == "click").sum(),
        clicked_impressions=((rows.kind == "impression") & rows.counts).sum(),
        carts=(rows.kind == "cart").sum(),
        orders=((rows.kind == "order") & rows.counts).sum(),
        units=rows.unit.nunique(where=there),
        buyers=rows.unit.nunique(where=rows.kind == "order"),
        returning_units=rows.unit.nunique(where=rows.returns & there),
        gross=rows.amount.sum(where=rows.kind == "order"),
        net=rows.amount.sum(),
    )


def _merged(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The money of each currency into the row of its cell."""
    cells: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["scenario"], row["grain"], row["starts_at"].replace(tzinfo=UTC), row["source"])
        cell = cells.setdefault(key, {"gross": {}, "net": {}})
        if row["currency"]:
            cell["gross"][row["currency"]] = str(row["gross"] or 0)
            cell["net"][row["currency"]] = str(row["net"] or 0)
        else:
            cell |= {name: row[name] or 0 for name in COUNTS}
    for (scenario, grain, starts_at, source), cell in sorted(cells.items()):
        yield {"scenario": scenario, "grain": grain, "starts_at": starts_at, "recall_source": source, **cell}


def _seen(events: ibis.Table, start: Any, end: Any) -> ibis.Table:
    """Events by which a unit was seen in a scenario that the event itself names; orders are attributed apart."""
    return events.filter(
        events["type"].notin([*UNSEEN, "order"]),
        events["scenario"].notnull(),
        events["at"] >= start,
        events["at"] < end,
    )


def _view(rows: ibis.Table) -> Any:
    return ibis.coalesce(rows["trace_id"], attribution.who(rows))


def _edge(day: date, days: int) -> Any:
    return ibis.literal(datetime.combine(day + timedelta(days=days), time()))
