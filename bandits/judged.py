"""What became of the items that left a campaign's pool: were the decisions right, how fast came they, what is left."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bandits import standing, weighing
from bandits.models import Campaign, Outcome
from bandits.policies import judging
from bandits.policies.judging import Later
from firstlight.kernel.withheld import Withheld
from firstlight.stats.estimates import Estimate

BEYOND = (0, 10, 100)  # rewards in the ordinary pool that an item must have more of to count as discoverable

SUMMED = ("trials", "examined", "successes", "worth")  # in the order of `Later`

Json = dict[str, Any]


def judge(campaign: Campaign, *, at: datetime, cells: pa.Table | None = None) -> Json:
    """As JSON holds it: verdicts, precision, recall, survival, discovery, corpus, and the items one by one.

    `cells` are those of `weighing.seen`, for who has them already.
    """
    outcomes = list(campaign.outcomes.order_by("decided_at", "pk"))
    found = weighing.seen(campaign, at) if cells is None else cells
    if found is None:
        return told(outcomes, [], {}, {}, frozenset())
    latest = [row for row in {one.item: one for one in outcomes}.values() if "bar" in row.evidence]
    organic = Organic(found)
    later = [organic.later(one, one.decided_at, None) for one in latest]
    survived = {days: survivors(campaign, outcomes, organic, days, at) for days in judging.AFTER}
    corpus, shown = discoverable(found)
    return told(outcomes, later, survived, corpus, shown)


class Organic:
    """What is known of each item in the ordinary pool, by the hour: sorted by item, then hour."""

    def __init__(self, cells: pa.Table) -> None:
        rows = cells.filter(pc.and_(cells["organic"], cells["known"])).sort_by(
            [("item_id", "ascending"), ("at", "ascending")]
        )
        self.items = rows["item_id"].to_numpy(zero_copy_only=False).astype(object)
        self.at = rows["at"].to_numpy()
        # a row more than there are cells: what lies between two hours is a difference
        self.sums = np.column_stack([np.append(0.0, np.cumsum(rows[name].to_numpy())) for name in SUMMED])

    def later(self, outcome: Outcome, since: datetime, until: datetime | None) -> Later:
        """In the whole hours from `since` to `until`."""
        first, end = (int(np.searchsorted(self.items, outcome.item, side)) for side in ("left", "right"))
        own = self.at[first:end]
        start = first + int(np.searchsorted(own, _naive(since)))
        stop = end if until is None else max(start, first + int(np.searchsorted(own, _naive(until))))
        numbers = (self.sums[stop] - self.sums[start]).tolist()
        graduated = outcome.kind == Outcome.Kind.GRADUATED
        return Later(outcome.item, graduated, float(outcome.evidence["bar"]), *numbers)


def survivors(
    campaign: Campaign, outcomes: Sequence[Outcome], organic: Organic, days: int, at: datetime
) -> list[tuple[Later, bool]]:
    """Who graduated so long ago that these days are known, was seen often enough in them, and whether taken back."""
    span, rows = timedelta(days=days), []
    last = at - span - timedelta(hours=campaign.attribution_hours + 1)
    for one in outcomes:
        if one.kind != Outcome.Kind.GRADUATED or one.decided_at > last or "bar" not in one.evidence:
            continue
        later = organic.later(one, one.decided_at, one.decided_at + span)
        back = one.reversed_at is not None and one.reversed_at <= one.decided_at + span
        if back or later.impressions >= campaign.least_impressions:
            rows.append((later, back))
    return rows


def discoverable(cells: pa.Table) -> tuple[dict[int, int], frozenset[str]]:
    """How many of the items that the campaign has shown were rewarded since, in the ordinary pool; and those items."""
    first = standing.by_item(cells).select(["item_id", "first_ours_at"])
    first = first.filter(pc.is_valid(first["first_ours_at"]))
    own = cells.filter(cells["organic"]).join(first, "item_id", join_type="inner")
    own = own.filter(pc.greater(own["at"], own["first_ours_at"]))
    won = own.group_by("item_id").aggregate([("successes", "sum")])["successes_sum"].to_numpy()
    return {n: int((won > n).sum()) for n in BEYOND}, frozenset(first["item_id"].to_pylist())


def told(
    outcomes: Sequence[Outcome],
    later: Sequence[Later],
    survived: Mapping[int, Sequence[tuple[Later, bool]]],
    corpus: Mapping[int, int],
    shown: frozenset[str],
) -> Json:
    in_force = [one for one in outcomes if one.reversed_at is None]
    found = [one for one in in_force if one.kind == Outcome.Kind.GRADUATED]
    verdicts = judging.judge(later)
    measured = [one for one in found if "impressions" in one.evidence]
    return {
        "graduated": {"in_force": len(found), **verdicts.graduated},
        "retired": {"in_force": len(in_force) - len(found), **verdicts.retired},
        "taken_back": len(outcomes) - len(in_force),
        "precision": plain(verdicts.precision),
        "recall": plain(verdicts.recall),
        "survival": [survival(days, rows) for days, rows in survived.items()],
        "hours": plain(judging.middle(_of(measured, "age_hours"))),
        "impressions": plain(judging.middle(_of(measured, "impressions"))),
        "explored": len(shown),
        "graduation_rate": plain(judging.share_of(sum(one.item in shown for one in found), len(shown))),
        "corpus": [{"more_than": n, "items": count} for n, count in corpus.items()],
        "items": [_item(one) for one in later],
    }


def survival(days: int, rows: Sequence[tuple[Later, bool]]) -> Json:
    found = judging.survival(days, rows)
    return {"days": found.days, "n": found.n, "share": plain(found.share)}


def plain(found: Estimate | judging.Middle | Withheld) -> Json:
    return {"withheld": found.reason.value} if isinstance(found, Withheld) else asdict(found)


def _item(later: Later) -> Json:
    return {
        "item": later.item,
        "kind": Outcome.Kind.GRADUATED if later.graduated else Outcome.Kind.RETIRED,
        "bar": later.bar,
        "impressions": later.impressions,
        "rate": plain(later.rate),
        "verdict": later.verdict,
    }


def _of(rows: Sequence[Outcome], name: str) -> Any:
    return np.array([float(row.evidence[name]) for row in rows])


def _naive(at: datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None))
