"""What the draw table in force will do, in the shape of the page: counted off its rows."""

from functools import lru_cache

import numpy as np

from bandits import section, slots
from bandits.models import Campaign, DrawTable
from bandits.page.chances import Chances, an_hour
from bandits.page.known import Known
from bandits.parts import Running
from bandits.policies.beliefs import Vector
from bandits.served import Table

REMEMBERED = 64  # tables whose counts a process keeps: a table never changes


def chances(campaign: Campaign, known: Known) -> Chances | None:
    """Of the segment that `known` is of; None before there is a table.

    Pages are counted for all segments together, so those of one segment in an hour are not known; nor are they of a
    campaign that is not served.
    """
    newest = campaign.tables.filter(segment=known.segment, arm="learned").order_by("-id").only("pk").first()
    if newest is None:
        return None
    items, best, page, n_rows, k = counted(newest.pk)
    expected = float((known.told.get("delivered") or {}).get("expected_today", 0.0))
    pages = an_hour(expected, k) if campaign.status == "running" and not campaign.segments else None
    return Chances(items, best, _mixed(campaign, page, k), pages, n_rows)


@lru_cache(maxsize=REMEMBERED)
def counted(table: int) -> tuple[tuple[str, ...], Vector, Vector, int, int]:
    """Items, share of rows led, probability to stand on a page, rows, slots; of units that see what was learned."""
    row = DrawTable.objects.select_related("campaign__scenario").get(pk=table)
    running = section.present(row.campaign)
    assert running is not None  # it has this table
    served, k = _of(running, row), len(running.positions)
    nobody = np.zeros(len(served.items))
    if not served.items or not served.rows.shape[1]:
        return served.items, nobody, nobody, served.n_rows, k
    best = np.bincount(served.rows[:, 0].astype(np.intp), minlength=len(served.items)) / served.n_rows
    return served.items, best, slots.propensities(served, k).sum(axis=0), served.n_rows, k


def _of(running: Running, row: DrawTable) -> Table:
    return next(table for table in running.tables.values() if (table.segment, table.arm) == (row.segment, row.arm))


def _mixed(campaign: Campaign, page: Vector, k: int) -> Vector:
    """Over all units that see the campaign: some of them see every item alike."""
    seeing = 1.0 - float(campaign.control_share)
    even = float(campaign.uniform_share) / seeing if len(page) else 0.0
    return (1 - even) * page + even * min(k / max(len(page), 1), 1.0)
