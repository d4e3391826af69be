"""Where every item of a scenario stands, summed off the ledger of a campaign. Pure: a table in, a table out.

What is counted of an item is all that the scenario showed of it, whoever chose it, for the belief stands on all of it.
Ours are the impressions in the campaign's own slots; organic ones were nobody's campaign: only they tell what an item
earns in the ordinary pool. An impression is known once its attribution time is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bandits.policies import positions
from bandits.policies.positions import Examined
from firstlight.kernel.withheld import Reason, Withheld

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class View:
    """How a campaign looks at a ledger."""

    campaign: str
    mix: Mapping[str, float]  # what a column of the ledger is worth
    rewarded: str  # column of the rewarded impressions, where rewards are money; "": rewards are shares of one
    attribution: timedelta
    examined: Mapping[int, Examined] | Withheld  # of the slots
    at: datetime  # UTC


def examined(told: Mapping[str, Any]) -> dict[int, Examined] | Withheld:
    """The kappas that a posterior was made with, from its `told["positions"]`."""
    known = told.get("positions") or {}
    if not known or "withheld" in known:
        return Withheld(Reason.NO_DATA)
    return {int(slot): Examined(one["value"], one["se"], one["n"]) for slot, one in known.items()}


def cells(counts: pa.Table, view: View) -> pa.Table:
    """item_id, at (start of the hour), trials, ours, organic, known, examined, successes, worth of each cell."""
    worth = sum((value * counts[name].to_numpy() for name, value in view.mix.items()), np.zeros(counts.num_rows))
    at = _hours(counts)
    trials = counts["trials"].to_numpy().astype(np.float64)
    end = np.datetime64(view.at.replace(tzinfo=None)) - np.timedelta64(view.attribution + HOUR)
    campaign = counts["campaign"]
    return pa.table(
        {
            "item_id": counts["item_id"],
            "at": at,
            "trials": trials,
            "ours": pc.equal(campaign, view.campaign),
            "organic": pc.equal(campaign, ""),
            "known": at <= end,
            "examined": trials * positions.weights(view.examined, counts["position"].to_numpy()),
            "successes": counts[view.rewarded].to_numpy() if view.rewarded else worth,
            "worth": worth,
        }
    )


def by_item(found: pa.Table) -> pa.Table:
    """One row per item, sorted: item_id, impressions, ours, spent (ours that are known), first_at, first_ours_at."""
    ours, trials = found["ours"], found["trials"]
    spent = pc.and_(ours, found["known"])
    parts = found.select(["item_id", "at"]).append_column("impressions", trials)
    parts = parts.append_column("ours", _where(ours, trials)).append_column("spent", _where(spent, trials))
    parts = parts.append_column("ours_at", pc.if_else(ours, found["at"], pa.scalar(None, found["at"].type)))
    sums = [(name, "sum") for name in ("impressions", "ours", "spent")]
    grouped = parts.group_by("item_id").aggregate([*sums, ("at", "min"), ("ours_at", "min")]).sort_by("item_id")
    names = {"at_min": "first_at", "ours_at_min": "first_ours_at", **{f"{name}_sum": name for name, _ in sums}}
    return grouped.rename_columns([names.get(name, name) for name in grouped.column_names])


def earned(found: pa.Table, keep: Any = None) -> pa.Table:
    """What is known of each item, of the cells in `keep`: item_id, impressions, examined, successes, worth; sorted."""
    known = found["known"] if keep is None else pc.and_(found["known"], keep)
    sums = ["trials", "examined", "successes", "worth"]
    grouped = found.filter(known).group_by("item_id").aggregate([(name, "sum") for name in sums]).sort_by("item_id")
    names = {"trials_sum": "impressions", **{f"{name}_sum": name for name in sums[1:]}}
    return grouped.rename_columns([names.get(name, name) for name in grouped.column_names])


def since(found: pa.Table, moments: Mapping[str, datetime]) -> dict[str, float]:
    """Impressions of each of these items in the whole hours after its moment."""
    own = found.filter(pc.is_in(found["item_id"], pa.array(list(moments), found["item_id"].type)))
    new = dict.fromkeys(moments, 0.0)
    for item, at, trials in zip(*(own[name].to_pylist() for name in ("item_id", "at", "trials")), strict=True):
        if at >= moments[item].replace(tzinfo=None):
            new[item] += trials
    return new


def _hours(counts: pa.Table) -> Any:
    """Start of the hour of each cell, without a zone (UTC)."""
    days = counts["day"].to_numpy().astype("datetime64[D]")
    return days.astype("datetime64[s]") + counts["hour"].to_numpy().astype("timedelta64[h]")


def _where(mask: Any, values: Any) -> Any:
    return pc.if_else(mask, values, 0.0)
