"""Where a user stands in this visit, told by the recent events. Pure, and without a clock: the same request, whenever
it is asked again, has the same stage.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Literal

Stage = Literal["arriving", "browsing", "deciding", "bought"]

PAUSE = timedelta(minutes=30)  # a longer one ends a visit, as in web analytics since the 1990s
LOOKED = frozenset({"view", "click", "impression"})
_CHOSEN = frozenset({"view", "click"})  # by the user: two of one item are a second look


def of(recent: Sequence[Mapping[str, Any]]) -> Stage:
    """`bought` after an order; `deciding` with something in the cart or on a second look at one item; `browsing` after
    any look; else `arriving`. `recent` is as sent: {"event", "item_id", "at"}, in any order.

    >>> of([{"event": "view", "item_id": "sku-1"}])
    'browsing'
    """
    visit = last_visit(recent)
    kinds = {event.get("event") for event in visit}
    if "order" in kinds:
        return "bought"
    looked_at = [
        item for event in visit if event.get("event") in _CHOSEN and (item := event.get("item_id")) is not None
    ]
    if "cart" in kinds or len(set(looked_at)) < len(looked_at):
        return "deciding"
    return "browsing" if kinds & LOOKED else "arriving"


def last_visit(recent: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Events back to the last pause. One without a readable time counts: the sender calls it recent."""
    timed, visit = [], []
    for event in recent:
        if at := _time(event):
            timed.append((at, event))
        else:
            visit.append(event)
    timed.sort(key=itemgetter(0), reverse=True)
    for place, (at, event) in enumerate(timed):
        if place and timed[place - 1][0] - at > PAUSE:
            break
        visit.append(event)
    return visit


def _time(event: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(event["at"])
    except (KeyError, TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
