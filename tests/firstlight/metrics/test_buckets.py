"""Sums over hash buckets are the sums that a look has, split by the md5 of the unit."""

from datetime import timedelta
from hashlib import md5

import ibis
import pytest

from firstlight.metrics.buckets import buckets
from firstlight.metrics.read import measure
from tests.firstlight.metrics import reference
from tests.firstlight.metrics.test_read_units import BY_KEY, DEFINITIONS, EXPOSURES, ROWS, columns, exposed


def test_all_buckets_together_are_the_whole() -> None:
    events = ibis.memtable(reference.table(ROWS))
    measured = measure(events, DEFINITIONS, EXPOSURES).metrics
    found = buckets(events, DEFINITIONS, EXPOSURES, {key: cells.cap for key, cells in measured.items()})
    assert set(found) == {one.key for one in DEFINITIONS if one.kind != "quantile"}
    for key, arms in found.items():
        for arm, bucketed in arms.items():
            moments = [m for (of, _), m in measured[key].by_day.items() if of == arm]
            assert bucketed.n.sum() == sum(m.n for m in moments)
            width = bucketed.sums.shape[1]
            wanted = sum(m.n * m.mean[:width] for m in moments)
            assert bucketed.sums.sum(axis=0) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_a_unit_is_in_the_bucket_of_its_hash() -> None:
    events = ibis.memtable(reference.table(ROWS))
    one = BY_KEY["clicks"]
    mine = [u for u in exposed() if u[1] == "new"]
    held: dict[str, list[float]] = {}
    for unit in mine:
        sums = held.setdefault(md5(unit[0].encode(), usedforsecurity=False).hexdigest()[:3], [0, 0])
        sums[0] += 1
        sums[1] += columns(one, unit)[0]
    found = buckets(events, [one], EXPOSURES, {})[one.key]["new"]
    assert sorted(zip(found.n, found.sums[:, 0], strict=True)) == sorted((n, total) for n, total in held.values())
    assert timedelta(hours=one.ripe_after) == timedelta(0)
