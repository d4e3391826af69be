"""What a look reads beside the units' own moments, against plain loops over the same rows."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pytest

from experiments import clustered, credits, gathering
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read import Exposures, measure
from tests.firstlight.metrics import reference

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDERS = Definition("orders", "mean", Source("order", "count"))
BOUGHT = Definition("bought", "proportion", Source("order", "count"))
GMV = Definition("gmv", "mean", Source("order", "value"), in_scenario=False)
RATE = Definition("rate", "ratio", Source("click", "count"), Source("impression", "count"))
EXPOSURES = Exposures("ranker", 1, "user_id", ("old", "new"), ("home",), Window(START, START + 96 * HOUR))
Row = dict[str, Any]


def at(hours: float) -> datetime:
    return (START + hours * HOUR).replace(tzinfo=None)


def exposure(unit: str, arm: str, hours: float, **more: Any) -> Row:
    told = {"experiment": "ranker", "variant": arm, "phase": 1, "scenario": "home"}
    return {"type": "exposure", "user_id": unit, "at": at(hours), **told, **more}


def event(kind: str, unit: str, hours: float, **more: Any) -> Row:
    return {"type": kind, "user_id": unit, "at": at(hours), "scenario": "home", **more}


def lake(rows: list[Row]) -> Any:
    return ibis.memtable(reference.table(rows))


def total(cells: Any, arm: str) -> Moments:
    return sum((m for (key, _), m in cells.by_day.items() if key == arm), Moments.empty(len(cells.columns)))


# Clusters


def test_clusters_have_the_sums_of_their_units() -> None:
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for i in range(300):
        merchant, arm = f"m{i % 40}", ("old", "new")[i % 2]
        n = int(rng.poisson(2))
        rows += [exposure(f"u{i}", arm, 1, merchant_id=merchant), *[event("order", f"u{i}", 5)] * n]
        sums[arm, merchant][0] += n
        sums[arm, merchant][1] += 1
    found = clustered.of_units(lake(rows), [ORDERS], EXPOSURES, "merchant_id")["orders"]
    assert found.columns == ("value", "denominator")
    for arm in ("old", "new"):
        expected = Moments.of(np.array([two for (key, _), two in sums.items() if key == arm]))
        assert total(found, arm).n == 20
        np.testing.assert_allclose(total(found, arm).mean, expected.mean)
        np.testing.assert_allclose(total(found, arm).products, expected.products)


def test_a_unit_of_no_cluster_is_one_of_its_own_and_one_of_two_arms_is_in_none() -> None:
    rows = [
        exposure("a", "old", 1),
        exposure("b", "old", 1),
        exposure("c", "old", 1, merchant_id="m"),
        exposure("c", "new", 2, merchant_id="m"),
    ]
    found = clustered.of_units(lake(rows), [ORDERS], EXPOSURES, "merchant_id")["orders"]
    assert (total(found, "old").n, total(found, "new").n) == (2, 0)


def test_clusters_bring_their_past_as_a_covariate() -> None:
    before = Exposures(**{**{k: getattr(EXPOSURES, k) for k in EXPOSURES.__slots__}, "pre_days": 7})
    rows = [exposure("a", "old", 1, merchant_id="m"), event("order", "a", -30), event("order", "a", 3)]
    found = clustered.of_units(lake(rows), [ORDERS], before, "merchant_id")["orders"]
    assert found.columns == ("value", "denominator", "pre_value")
    np.testing.assert_array_equal(total(found, "old").mean, [1, 1, 1])


# Switchbacks


def windows(rows: list[Row], *definitions: Definition, burn_in: int = 0) -> dict[str, Any]:
    return clustered.of_windows(lake(rows), definitions, EXPOSURES, hours=4, burn_in_minutes=burn_in)


def test_a_window_counts_what_its_units_did_between_their_exposure_and_its_end() -> None:
    rows = [
        exposure("a", "old", 0.5),
        event("order", "a", 0.2),  # before it met the arm
        event("order", "a", 1.0),
        event("order", "a", 1.5, scenario="search"),
        exposure("a", "new", 4.5),
        event("order", "a", 5.0),
        event("order", "a", 5.5),
        exposure("b", "new", 6.0),
        exposure("c", "new", 9.0),
    ]
    found = windows(rows, ORDERS, BOUGHT)
    np.testing.assert_array_equal(total(found["orders"], "old").mean, [1, 1])
    new = total(found["orders"], "new")
    assert new.n == 2  # the windows from 4 and from 8 o'clock
    np.testing.assert_array_equal(new.mean * new.n, [2, 3])
    np.testing.assert_array_equal(total(found["bought"], "new").mean * 2, [1, 3])


def test_the_burn_in_of_every_window_is_left_out() -> None:
    rows = [
        exposure("a", "old", 0.5),
        event("order", "a", 0.7),
        exposure("a", "old", 1.5),
        event("order", "a", 2.0),
        exposure("b", "old", 0.9),
    ]
    found = windows(rows, ORDERS, burn_in=60)["orders"]
    np.testing.assert_array_equal(total(found, "old").mean, [1, 1])


def test_who_met_two_arms_in_a_window_is_left_out_of_it_alone() -> None:
    rows = [exposure("a", "old", 0.5), exposure("a", "new", 1), exposure("a", "old", 5), exposure("b", "old", 2)]
    found = windows(rows, ORDERS)["orders"]
    assert (total(found, "old").n, total(found, "new").n) == (2, 0)
    np.testing.assert_array_equal(total(found, "old").mean, [0, 1])


def test_windows_of_ratios_and_of_money_everywhere() -> None:
    rows = [
        exposure("a", "old", 0.5),
        *[event("impression", "a", 1)] * 4,
        event("click", "a", 1),
        event("order", "a", 2, scenario="search", value=30),
        event("order", "a", 3, value=12),
    ]
    found = windows(rows, RATE, GMV)
    np.testing.assert_array_equal(total(found["rate"], "old").mean, [1, 4])
    np.testing.assert_array_equal(total(found["gmv"], "old").mean, [42, 1])


def test_decisions_tell_the_arm_as_exposures_do() -> None:
    said = [{"experiment": "ranker", "variant": "new", "phase": 1}, {"experiment": "other", "variant": "x", "phase": 1}]
    rows = [
        {"type": "decision", "user_id": "a", "at": at(1), "scenario": "home", "assignments": said},
        event("order", "a", 2),
    ]
    np.testing.assert_array_equal(total(windows(rows, ORDERS)["orders"], "new").mean, [1, 1])


# Interleaving


def test_events_credit_the_ranker_that_they_name() -> None:
    ours = {"experiment": "ranker", "phase": 1}
    rows = [
        *[event("click", "a", 1, variant="new", **ours)] * 3,
        event("click", "a", 1, variant="old", **ours),
        event("click", "b", 1, variant="old", **ours),
        event("click", "c", 1, variant="new", **ours),
        event("click", "c", 2, variant="old", **ours),
        event("click", "d", 1, variant="new", experiment="other", phase=1),
        event("click", "e", 1, variant="new", experiment="ranker", phase=2),
        event("order", "f", 1, variant="new", **ours),
    ]
    found = credits.count(lake(rows), [RATE], EXPOSURES)["rate"]["new"]
    assert (found.wins, found.losses) == (1, 1)
    assert (found.treatment.n, found.treatment.mean[0]) == (3, 4 / 3)
    assert found.control.mean[0] == 1
    np.testing.assert_allclose(found.treatment.products, Moments.of(np.array([3.0, 0, 1])).products)


def test_without_any_credit_nobody_prefers_anything() -> None:
    found = credits.count(lake([exposure("a", "old", 1)]), [RATE], EXPOSURES)["rate"]["new"]
    assert (found.treatment.n, found.wins, found.losses) == (0, 0, 0)


# Other experiments


def test_units_of_two_experiments_are_told_apart_by_both_arms() -> None:
    rng = np.random.default_rng(8)
    rows, values = [], defaultdict(list)
    for i in range(200):
        arm, other, n = ("old", "new")[i % 2], ("off", "on")[i % 3 == 0], int(rng.poisson(1.5))
        rows += [exposure(f"u{i}", arm, 1), *[event("order", f"u{i}", 9)] * n]
        if i % 5:  # one in five never met the other
            rows.append(exposure(f"u{i}", other, 2, experiment="prices"))
            values[arm, other].append(float(n))
    theirs = Exposures("prices", 1, "user_id", ("off", "on"), ("home",), EXPOSURES.window)
    found = measure(lake(rows), [ORDERS], EXPOSURES, others=[theirs]).crossed["prices"]["orders"]
    assert found.keys() == values.keys()
    for cell, several in values.items():
        np.testing.assert_allclose(found[cell].mean, [np.mean(several)])
        assert found[cell].n == len(several)


# The whole site


def test_the_share_of_the_site_is_what_exposed_units_bring_where_the_metric_counts() -> None:
    rows = [
        exposure("a", "old", 1),
        exposure("b", "new", 1),
        exposure("c", "old", 1),
        exposure("c", "new", 2),  # met both, and is exposed all the same
        event("order", "a", 3, value=20),
        event("order", "c", 90, value=5),  # long after any window: an effect that was shipped has no end
        event("order", "b", 0.5, value=10),  # before it met an arm, none has touched it
        event("order", "a", 3, value=30, scenario="search"),
        event("order", "nobody", 3, value=40),
        event("order", "a", -9, value=70),  # before the experiment
    ]
    brief = replace(GMV, key="brief", window_hours=1)
    found = measure(lake(rows), [ORDERS, GMV, RATE, brief], replace(EXPOSURES, pre_days=3), growth=True).shares
    assert found == {
        "orders": pytest.approx(2 / 5),
        "gmv": pytest.approx(55 / 105),
        "brief": pytest.approx(55 / 105),
    }
    assert measure(lake([exposure("a", "old", 1)]), [ORDERS], EXPOSURES, growth=True).shares == {}


def test_what_is_shipped_meets_all_the_traffic_of_which_the_experiment_let_in_a_share() -> None:
    assert gathering.once_shipped({"gmv": 0.6}, 0.8) == {"gmv": pytest.approx(0.75)}
    assert gathering.once_shipped({"gmv": 0.6}, 0.5) == {"gmv": 1.0}  # never more than all
    assert gathering.once_shipped({"gmv": 0.6}, 0.0) == {}
