"""What the decision log says of a campaign's own choices: which table made them, for whom, and under which filter."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bandits import section
from bandits.models import Campaign
from bandits.served import Filter


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The slots of one page that the campaign filled, from the top down."""

    view: str  # as counting names it
    unit: str
    segment: str
    table: int
    limits: Filter | None
    items: tuple[str, ...]
    chances: tuple[float | None, ...]  # None: could not be counted


def decisions(campaign: Campaign, events: Any) -> list[Decision]:
    """Of these events, one per view, the latest; views without a slot of the campaign are left out."""
    made = events.filter(
        events["type"] == "decision", events["trace_id"].notnull(), events["scenario"] == campaign.scenario.key
    )
    rows = made.select("event_id", "trace_id", "discovery", "properties", unit=made[campaign.unit]).to_pyarrow()
    latest = {row["trace_id"]: row for row in sorted(rows.to_pylist(), key=lambda row: row["event_id"])}
    return list(_of(campaign, latest.values()))


def _of(campaign: Campaign, rows: Any) -> Iterator[Decision]:
    for row in rows:
        slots = sorted(row["discovery"] or [], key=lambda slot: slot["position"])
        own = [slot for slot in slots if slot["campaign"] == campaign.key]
        if not own:
            continue
        said = json.loads(row["properties"] or "{}")
        # Campaigns fill a page in the order of their keys, and none repeats an item of one before it.
        before = {slot["item_id"] for slot in slots if slot["campaign"] < campaign.key}
        yield Decision(
            "t" + row["trace_id"],
            row["unit"] or row["trace_id"],
            _segment(campaign, said),
            own[0]["table"],
            _limits(said, before),
            tuple(slot["item_id"] for slot in own),
            tuple(slot["propensity"] for slot in own),
        )


def _limits(said: Mapping[str, Any], before: set[str]) -> Filter | None:
    eligible = {name: frozenset(values) for name, values in (said.get("eligible") or {}).items()}
    excluded = frozenset(said.get("exclude_items") or ()) | before
    return Filter(eligible, excluded) if eligible or excluded else None


def _segment(campaign: Campaign, said: Mapping[str, Any]) -> str:
    """As `section.segment` found it in the request; only segments of the plan have a table of their own."""
    if campaign.segment_by == section.CATEGORY:
        categories = (said.get("eligible") or {}).get(section.CATEGORY, ())
        found = categories[0] if len(categories) == 1 else ""
    else:
        found = str((said.get("attributes") or {}).get(campaign.segment_by, "")) if campaign.segment_by else ""
    return found if found in campaign.segments else ""
