"""What the lake tells about logged choices: the propensity of each, and whether it was clicked.

A choice is an impression whose propensity is known: from the decision of ours that it names by its trace, or from the
sender's own `propensity`.
"""

from datetime import timedelta
from typing import Any

import ibis

COLUMNS = ("item_id", "position", "propensity", "clicked", "view")


def choices(events: Any, *, attribution: timedelta) -> Any:
    """item_id, position, propensity, clicked and view of every impression that has a propensity, as an Ibis table.

    The view is the trace. A click counts for the impressions of its item in its view, from then on to `attribution`.
    """
    rows = events.filter(events["trace_id"].notnull())
    shown = rows.filter(rows["type"] == "impression", rows["item_id"].notnull()).select(
        "event_id",
        "item_id",
        view=rows["trace_id"],
        shown_at=rows["at"],
        sent_position=rows["position"],
        sent_propensity=rows["propensity"],
    )
    clicks = rows.filter(rows["type"] == "click").select("item_id", view=rows["trace_id"], clicked_at=rows["at"])
    within = ibis.interval(seconds=int(attribution.total_seconds()))
    met = shown.join(clicks, ["view", "item_id"])
    won = met.filter(met["clicked_at"] >= met["shown_at"], met["clicked_at"] <= met["shown_at"] + within)
    won = won.select("event_id").distinct().mutate(won=True)
    found = shown.left_join(_decided(rows), ["view", "item_id"]).left_join(won, "event_id")
    found = found.select(
        "item_id",
        "view",
        position=ibis.coalesce(found["decided_position"], found["sent_position"]),
        propensity=ibis.coalesce(found["decided_propensity"], found["sent_propensity"]),
        clicked=found["won"].fill_null(False),
    )
    return found.filter(found["propensity"].notnull(), found["position"].notnull()).select(*COLUMNS)


def _decided(rows: Any) -> Any:
    """view, item_id -> position and propensity of our own decision. An answer repeated under one trace is the same."""
    slot = rows.filter(rows["type"] == "decision").select(view=rows["trace_id"], slot=rows["discovery"].unnest())
    decided = slot.select(
        "view", item_id=slot["slot"]["item_id"], position=slot["slot"]["position"], chance=slot["slot"]["propensity"]
    )
    return decided.group_by("view", "item_id").aggregate(
        decided_position=decided["position"].min(), decided_propensity=decided["chance"].min()
    )
