"""Where a user stands in this visit, told by the recent events. Pure, and without a clock: the same request, whenever
it is asked again, has the same stage.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

Stage = Literal["arriving", "browsing", "deciding", "bought"]

PAUSE = timedelta(minutes=30)  # a longer one ends a visit, as in web analytics since the 1990s
LOOKED = frozenset({"view", "click", "impression"})


def of(recent: Sequence[Mapping[str, Any]]) -> Stage:
    """`bought` after an order; `deciding` with something in the cart or on a second look at one item; `browsing` after
    any look; else `arriving`. `recent` is as sent: {"event", "item_id", "at"}, in any order.

    >>> of([{"event": "view", "item_id": "sku-1"}])
    'browsing'
    """
    visit = list(last_visit(recent))
    kinds = {event.get("event") for event in visit}
    looks = Counter(event.get("item_id") for event in visit if event.get("event") in {"view", "click"})
    looks.pop(None, None)
    if "order" in kinds:
        return "bought"
    if "cart" in kinds or max(looks.values(), default=0) > 1:
        return "deciding"
    return "browsing" if kinds & LOOKED else "arriving"


def last_visit(recent: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Events back to the last pause. One without a readable time counts: the sender calls it recent."""
    timed = [(at, event) for event in recent if (at := _time(event))]
    timed.sort(key=lambda pair: pair[0], reverse=True)
    yield from (event for event in recent if _time(event) is None)
    for (later, _), (at, event) in pairwise([*timed[:1], *timed]):
        if later - at > PAUSE:
            return
        yield event


def _time(event: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(event["at"])
    except (KeyError, TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
