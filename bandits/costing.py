"""The choices of a campaign's learned tables, beside what each table would have chosen had it not explored."""

import json
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np

from bandits import logged
from bandits.models import Campaign, DrawTable
from bandits.policies import forgone
from bandits.policies.evaluation import Log

FILTERS = ("category", "merchant")  # what a stored table knows of its items


class Asked(NamedTuple):
    """What decides the item that a table believes best for a slot."""

    table: int
    limits: str  # of the request, as the log has them
    slot: int


def log_of(campaign: Campaign, events: Any) -> tuple[Log, Any]:
    """Every logged choice of the learned tables: a click or none, its chance, and whether it was the greedy one.

    And their units. Choices under a filter on what no stored table knows (tags, countries) are left out.
    """
    rows = choices(campaign, events).to_pyarrow().to_pydict()
    place = {position: slot for slot, position in enumerate(sorted(set(campaign.positions)))}
    asked = [
        Asked(table, limits, place.get(position, -1))
        for table, limits, position in zip(rows["table"], rows["limits"], rows["position"], strict=True)
    ]
    best = greedy(campaign, frozenset(asked))
    kept = [i for i, one in enumerate(asked) if one in best]
    clicked, chance = (np.array([rows[name][i] for i in kept], dtype=np.float64) for name in ("clicked", "propensity"))
    target = np.array([best[asked[i]] == rows["item_id"][i] for i in kept], dtype=np.float64)
    return Log(clicked, chance, target), np.array([rows["unit"][i] for i in kept], dtype=object)


def choices(campaign: Campaign, events: Any) -> Any:
    """As `logged.choices` has them, of this campaign alone, with the table that chose, the filter, and the unit."""
    events = events.filter(events["scenario"] == campaign.scenario.key)
    made = events.filter(events["type"] == "decision", events["trace_id"].notnull())
    said = made["properties"].cast("json")
    slot = made.select(
        view=made["trace_id"],
        unit=made[campaign.unit].fill_null(made["trace_id"]),
        limits=_text(said["eligible"]) + "\n" + _text(said["exclude_items"]),
        slot=made["discovery"].unnest(),
    )
    ours = slot.select(
        "view", "unit", "limits", **{name: slot["slot"][name] for name in ("item_id", "campaign", "table")}
    )
    ours = ours.filter(ours["campaign"] == campaign.key)
    # An answer repeated under one trace is the same.
    once = ours.group_by("view", "item_id").aggregate(
        unit=ours["unit"].min(), limits=ours["limits"].min(), table=ours["table"].min()
    )
    shown = logged.choices(events, attribution=timedelta(hours=campaign.attribution_hours))
    return shown.inner_join(once, ["view", "item_id"])


def greedy(campaign: Campaign, asked: frozenset[Asked]) -> dict[Asked, str]:
    """The item that each learned table believed best for each slot beside those before it; none where none may be."""
    wanted: dict[int, dict[str, int]] = {}
    for one in asked:
        slots = wanted.setdefault(one.table, {})
        slots[one.limits] = max(slots.get(one.limits, 0), one.slot + 1)
    rows = DrawTable.objects.filter(campaign=campaign, arm="learned", pk__in=wanted).select_related("posterior")
    found: dict[Asked, str] = {}
    for row in rows.defer("rows").iterator(chunk_size=20):
        ranked = _ranked(row)
        for limits, k in wanted[row.pk].items():
            chosen = forgone.slate(ranked, _allowed(row, limits), row.merchants, campaign.merchant_cap, k)
            found |= {Asked(row.pk, limits, slot): row.items[item] for slot, item in enumerate(chosen)}
    return found


def _ranked(row: DrawTable) -> list[int]:
    """Its items, the best believed first; a contextual table by what was believed of all traffic together."""
    mean = dict(zip(row.posterior.items, row.posterior.beliefs.mean.tolist(), strict=True))
    return sorted(range(len(row.items)), key=lambda i: -mean.get(row.items[i], 0.0))


def _allowed(row: DrawTable, limits: str) -> list[bool]:
    eligible, excluded = (json.loads(text) or {} if text else {} for text in limits.split("\n"))
    if any(name not in FILTERS for name in eligible):
        return [False] * len(row.items)
    known = {"category": row.categories, "merchant": row.merchants}
    return [
        item not in excluded and all(known[name][i] in values for name, values in eligible.items())
        for i, item in enumerate(row.items)
    ]


def _text(value: Any) -> Any:
    return value.cast("string").fill_null("")
