"""Rows of the logs as events of our API, and their times as times of the recent past."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from firstlight.demo.open_bandit import Impression
from firstlight.demo.trials import NAMES, assigned

WEEK = timedelta(weeks=1)
FIRST_DAY = datetime.fromisoformat("2019-11-24T00:00:00+00:00")
LAST_DAY_ENDS = datetime.fromisoformat("2019-12-01T00:00:00+00:00")
CLICK_FOLLOWS = timedelta(seconds=1)  # the logs give a click no time of its own
UNIT_PREFIX = "obd-"


def shift(at: datetime) -> timedelta:
    """Whole weeks that bring the logs up to `at`: weekdays stay, and the last day is over, less than a week ago."""
    return (at - LAST_DAY_ENDS) // WEEK * WEEK


def campaign_key(campaign: str) -> str:
    return f"discover-{campaign}"


def item_key(campaign: str, item: int) -> str:
    return f"{campaign}-{item}"


def events(impressions: Iterable[Impression], by: timedelta) -> Iterator[dict[str, Any]]:
    """For each impression its exposures, itself, and its click if there was one.

    Ids are names of rows, so the same row is the same event however often it is sent.
    """
    for shown in impressions:
        yield from _events(shown, by)


def _events(shown: Impression, by: timedelta) -> Iterator[dict[str, Any]]:
    name = f"{UNIT_PREFIX}{shown.campaign}-{shown.arm}-{shown.row:05}"
    at = shown.at + by
    common = {"unit": {"session_id": name}, "scenario": shown.campaign, "trace_id": str(uuid.uuid5(NAMES, name))}
    where = {"item_id": item_key(shown.campaign, shown.item), "position": shown.position, "ranker": shown.arm}
    features = {f"user_feature_{k}": value for k, value in enumerate(shown.user_features)}
    seen = {**common, **where, "propensity": shown.propensity, "properties": features}
    for experiment, arm in assigned(shown, name):
        told = {"experiment": experiment, "variant": arm}
        yield {**_named(name, "exposure", at, of=experiment), **common, **told}
    yield {**_named(name, "impression", at), **seen}
    if shown.clicked:
        yield {**_named(name, "click", at + CLICK_FOLLOWS), **common, **where}


def _named(name: str, kind: str, at: datetime, of: str = "") -> dict[str, Any]:
    return {"event_id": str(uuid.uuid5(NAMES, f"{name}-{kind}{of}")), "type": kind, "at": at.isoformat()}


def count(impressions: Iterable[Impression]) -> int:
    """Events that these become."""
    return sum(len(list(assigned(shown, ""))) + 1 + shown.clicked for shown in impressions)
