"""What of the logs the lake has already."""

from datetime import timedelta
from typing import Any

import pyarrow as pa

from bandits import logged
from firstlight.demo import translation
from firstlight.demo.open_bandit import CAMPAIGNS
from firstlight.kernel.windows import Window
from firstlight.lake import engine

ATTRIBUTION = timedelta(hours=24)


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


def choices(campaign: str, arm: str, by: timedelta) -> pa.Table:
    """The impressions that this policy made, as `bandits.logged` tells them."""
    with engine.events(window(by)) as events:
        ours = _ours(events).filter(events.scenario == campaign, events.ranker == arm)
        return logged.choices(ours, attribution=ATTRIBUTION).to_pyarrow()


def _ours(events: Any) -> Any:
    return events.filter(events.scenario.isin(CAMPAIGNS), events.session_id.startswith(translation.UNIT_PREFIX))
