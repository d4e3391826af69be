"""What the lake tells about the items of a scenario: how often each was seen, and how often that led to a click.

A trial is a distinct (view, item, day) with an impression; a view is named by its trace, or else by its unit, and ends
with the UTC day, so that a returning visitor is a new trial. A click belongs to the latest impression of the same
view and item before it, and makes that trial a success when it comes within the attribution time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import ibis

from firstlight.kernel.windows import Window
from firstlight.lake import engine
from firstlight.metrics.attribution import who

TRIAL = ["view", "item_id", "day"]

HISTORY = timedelta(days=90)  # older events teach nothing: fashion, prices and neighbours have changed


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials and successes of each item that has any."""

    trials: dict[str, int]
    successes: dict[str, int]


def history(at: datetime) -> Window:
    """The days that count when looked at from `at`; clients' clocks may be a little ahead."""
    return Window(at - HISTORY, at + timedelta(days=1))


def count(scenario: str, window: Window, *, until_batch: int, attribution: timedelta) -> Counts:
    """Of all items of the scenario, from the events on the days of the window that came by `until_batch`."""
    with engine.events(window, until_batch=until_batch) as events:
        rows = counted(_of(events, scenario), attribution).to_pyarrow()
    items = rows["item_id"].to_pylist()
    return Counts(
        dict(zip(items, rows["trials"].to_pylist(), strict=True)),
        dict(zip(items, rows["successes"].to_pylist(), strict=True)),
    )


def gained(scenario: str, *, after_batch: int, until_batch: int, at: datetime, attribution: timedelta) -> Counts:
    """What the batches after `after_batch` up to `until_batch` add to `count`, and may take from it.

    A late impression can move a click from one trial to another, so nothing is added up by itself: the days that the
    new events can reach are counted with and without them, and everything else cancels.
    """
    days = _reached(scenario, after_batch, until_batch, at, attribution)
    if days is None:
        return Counts({}, {})
    now = count(scenario, days, until_batch=until_batch, attribution=attribution)
    before = count(scenario, days, until_batch=after_batch, attribution=attribution)
    return Counts(_less(now.trials, before.trials), _less(now.successes, before.successes))


def counted(events: ibis.Table, attribution: timedelta) -> ibis.Table:
    """The expression behind `count`: item_id, trials, successes, from the impressions and clicks of one scenario."""
    impressions = events.filter(events["type"] == "impression").select(*TRIAL, "at")
    clicks = events.filter(events["type"] == "click").select("view", "item_id", clicked_at="at")
    met = impressions.join(clicks, ["view", "item_id"])
    within = ibis.interval(seconds=int(attribution.total_seconds()))
    met = met.filter(met["at"] <= met.clicked_at, met.clicked_at <= met["at"] + within)
    # The day of the latest impression is the latest day.
    latest = met.group_by("view", "item_id", "clicked_at").aggregate(day=met.day.max())
    won = latest.select(*TRIAL).distinct().mutate(won=1)
    trials = impressions.select(*TRIAL).distinct().left_join(won, TRIAL)
    return trials.group_by("item_id").aggregate(trials=trials.count(), successes=trials.won.fill_null(0).sum())


def _of(events: ibis.Table, scenario: str) -> ibis.Table:
    """type, view, item_id, day, at: what was seen and clicked in this scenario. Traces and units share no names."""
    rows = events.filter(
        events["scenario"] == scenario, events["type"].isin(("impression", "click")), events["item_id"].notnull()
    )
    view = ibis.coalesce("t" + rows["trace_id"], "u" + who(rows))
    return rows.select("type", "item_id", "day", "at", view=view).filter(view.notnull())


def _reached(scenario: str, after_batch: int, until_batch: int, at: datetime, attribution: timedelta) -> Window | None:
    """The days on which new events of this scenario can change a trial; None when there are no new events."""
    with engine.events(history(at), until_batch=until_batch) as events:
        new = _of(events.filter(events["batch"] > after_batch), scenario)
        span = new.aggregate(first=new["at"].min(), last=new["at"].max()).to_pyarrow().to_pylist()[0]
    if span["first"] is None:
        return None
    first, last = (span[end].replace(tzinfo=UTC) for end in ("first", "last"))
    return Window(first - attribution, last + attribution + timedelta.resolution)


def _less(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    changes = {item: now.get(item, 0) - before.get(item, 0) for item in {*now, *before}}
    return {item: change for item, change in changes.items() if change}
