"""What the lake tells about logged choices: the propensity of each, and whether it was clicked.

A choice is an impression whose propensity is known: from the decision of ours that it names by its trace, or from the
sender's own `propensity`. What a campaign would have earned under another policy is reckoned from these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bandits import section, slots
from bandits.models import Campaign
from bandits.policies import evaluation
from bandits.policies.evaluation import Value
from bandits.section import Running
from firstlight.kernel.windows import Window
from firstlight.kernel.withheld import Withheld
from firstlight.lake import engine

HISTORY = timedelta(days=30)
SEED = 20210816  # of the bootstrap interval; any will do, but an answer should repeat


@dataclass(frozen=True, slots=True)
class Valued:
    """One policy, and what it is worth in clicks per impression."""

    policy: str
    n_choices: int
    found: Value | Withheld

    @property
    def estimate(self) -> Value | None:
        return None if isinstance(self.found, Withheld) else self.found

    @property
    def withheld(self) -> str | None:
        return self.found.reason.value if isinstance(self.found, Withheld) else None


@dataclass(frozen=True, slots=True, eq=False)
class Logs:
    """Choices in the slots of a table; every array has shape (n,)."""

    items: NDArray[np.intp]  # indices into the table's items
    slots: NDArray[np.intp]
    propensity: evaluation.Vector
    clicked: evaluation.Vector
    views: NDArray[Any]


def uniform(running: Running) -> evaluation.Vector:
    """Every item alike in every slot, shape (slots, items)."""
    n_items = len(running.table.items)
    return np.full((len(running.positions), n_items), 1 / max(n_items, 1))


def present(running: Running) -> evaluation.Vector:
    """The table that serves now, shape (slots, items)."""
    return slots.propensities(running.table, len(running.positions))


POLICIES: dict[str, Callable[[Running], evaluation.Vector]] = {"present table": present, "uniform": uniform}


def values(campaign: Campaign, *, at: datetime) -> list[Valued]:
    """What each of `POLICIES` would have earned in the campaign's slots over the last 30 days."""
    running = section.present(campaign)
    if running is None:
        return []
    window = Window(at - HISTORY, at)
    attribution = timedelta(hours=campaign.attribution_hours)
    with engine.events(window) as events:
        rows = choices(_of_campaign(events, campaign), attribution=attribution).to_pyarrow()
    logs = _of_table(rows, running)
    return [Valued(name, len(logs.items), _value(logs, policy(running))) for name, policy in POLICIES.items()]


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


def _of_campaign(events: Any, campaign: Campaign) -> Any:
    return events.filter(events["scenario"] == campaign.scenario.key)


def _of_table(rows: pa.Table, running: Running) -> Logs:
    """Those of items and slots that the campaign has now."""
    known, place = running.table.indices, {position: slot for slot, position in enumerate(running.positions)}
    items = np.array([known.get(item, -1) for item in rows["item_id"].to_pylist()], dtype=np.intp)
    places = np.array([place.get(position, -1) for position in rows["position"].to_pylist()], dtype=np.intp)
    ours = (items >= 0) & (places >= 0)
    numbers = {name: rows[name].cast("float64").to_numpy() for name in ("propensity", "clicked")}
    views = np.array(rows["view"].to_pylist(), dtype=object)
    return Logs(items[ours], places[ours], numbers["propensity"][ours], numbers["clicked"][ours], views[ours])


def _value(logs: Logs, policy: evaluation.Vector) -> Value | Withheld:
    log = evaluation.Log(logs.clicked, logs.propensity, policy[logs.slots, logs.items])
    return evaluation.value(log, logs.views, np.random.default_rng(SEED))
