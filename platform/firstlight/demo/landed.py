"""What of the logs the lake has already."""

from datetime import timedelta
from typing import Any

import pyarrow as pa

from firstlight.demo import translation
from firstlight.demo.open_bandit import CAMPAIGNS
from firstlight.kernel.windows import Window
from firstlight.lake import engine


def window(by: timedelta) -> Window:
    """The week of the logs, moved."""
    return Window(translation.FIRST_DAY + by, translation.LAST_DAY_ENDS + by)


def event_ids(by: timedelta) -> set[str]:
    """What needs no second sending: the inbox forgets what it saw after some days, the lake does not."""
    with engine.events(window(by)) as events:
        return set(_ours(events).select("event_id").to_pyarrow()["event_id"].to_pylist())


def count(by: timedelta) -> int:
    with engine.events(window(by)) as events:
        return int(_ours(events).count().to_pyarrow().as_py())


def impressions(campaign: str, arm: str, by: timedelta) -> pa.Table:
    """trace_id, item_id, position, propensity and clicked of every impression that this policy made."""
    with engine.events(window(by)) as events:
        ours = _ours(events).filter(events.scenario == campaign, events.ranker == arm)
        clicked = ours.filter(ours.type == "click").select("trace_id", click_id="event_id")
        seen = ours.filter(ours.type == "impression").left_join(clicked, "trace_id")
        return seen.select(
            "trace_id", "item_id", "position", "propensity", clicked=seen.click_id.notnull()
        ).to_pyarrow()


def _ours(events: Any) -> Any:
    return events.filter(events.scenario.isin(CAMPAIGNS), events.session_id.startswith(translation.UNIT_PREFIX))
