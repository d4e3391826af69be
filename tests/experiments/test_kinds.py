"""What is served beside plain A/B tests: targeting, layers, holdouts, shipped arms, switchbacks, interleaving."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import sqrt
from typing import Any

import msgspec

from experiments import section
from firstlight.assignment.hashing import bucket
from firstlight.assignment.index import Index
from firstlight.assignment.rules import Arm, Filter, Rule, layer_seed, ranges
from firstlight.snapshots.sections import Request

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
UNITS = [{"user_id": f"u-{i}"} for i in range(8_000)]


def rule(key: str, *arms: Arm, coverage: float = 1.0, **changes: Any) -> Rule:
    kept = arms or (Arm("control", 0.5), Arm("new", 0.5, {"ranker": key}))
    values: dict[str, Any] = {
        "key": key,
        "phase": 1,
        "seed": key,
        "unit": "user_id",
        "arms": kept,
        "coverage": coverage,
        "ranges": ranges([arm.weight for arm in kept], coverage),
        "scenarios": ("home",),
    }
    return Rule(**(values | changes))


def holdout(**changes: Any) -> Rule:
    return rule("holdout", Arm("held", 0.5), Arm("measured", 0.5), coverage=0.2, type="holdout", **changes)


def shipped(key: str, **changes: Any) -> Rule:
    arms = (Arm("control", 0.0), Arm("new", 1.0, {"ranker": key}))
    return rule(key, *arms, type="shipped", ranges=((0.0, 0.0), (0.0, 1.0)), **changes)


def met(index: Index, unit: dict[str, str], **attributes: Any) -> dict[str, str]:
    return {found.key: arm.key for found, arm in index.assign(unit, attributes)}


def answer(*rules: Rule, at: datetime = NOON, **attributes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    request = Request(unit={"user_id": "u-1"}, scenario="home", trace_id="t-1", at=at, attributes=attributes)
    section.decide(section.gather({one.key: one for one in rules}), request, found)
    return found


def test_only_who_is_aimed_at_takes_part() -> None:
    index = Index.of([rule("x", condition={"country": {"$in": ["IN", "BR"]}})])
    assert all(met(index, unit, country="IN") for unit in UNITS[:50])
    assert not any(met(index, unit, country="FR") or met(index, unit) for unit in UNITS[:50])


def test_targeting_moves_nobody_to_another_arm() -> None:
    plain, aimed = Index.of([rule("x")]), Index.of([rule("x", condition={"country": "IN"})])
    assert all(met(plain, unit) == met(aimed, unit, country="IN") for unit in UNITS[:500])


def test_a_unit_must_lie_in_the_buckets_of_every_layer() -> None:
    own, other = Filter(layer_seed("a"), 0, 5_000), Filter(layer_seed("b"), 0, 4_000)
    index = Index.of([rule("x", layer=own, further=(other,))])
    for unit in UNITS[:1_000]:
        assert bool(met(index, unit)) == (own.has(unit["user_id"]) and other.has(unit["user_id"]))
    share = sum(bool(met(index, unit)) for unit in UNITS) / len(UNITS)
    assert abs(share - 0.2) < 4 * sqrt(0.2 * 0.8 / len(UNITS))


def test_who_is_in_a_global_holdout_meets_no_test_and_its_other_half_all_that_was_shipped() -> None:
    index = Index.of(
        [holdout(), shipped("old"), rule("test"), rule("layered", layer=Filter(layer_seed("a"), 0, 10_000))]
    )
    halves = {"held": 0, "measured": 0}
    for unit in UNITS:
        found = met(index, unit)
        half = found.pop("holdout", None)
        if half is None:
            assert found.keys() == {"old", "test", "layered"}
        else:
            halves[half] += 1
            assert found == ({} if half == "held" else {"old": "new"})
    for n in halves.values():
        assert abs(n / len(UNITS) - 0.1) < 4 * sqrt(0.09 / len(UNITS))


def test_a_layer_holdout_keeps_back_what_was_shipped_in_its_layer_alone() -> None:
    mine = layer_seed("a")
    index = Index.of(
        [
            holdout(layer=Filter(mine, 0, 10_000), scope=mine),
            shipped("mine", scope=mine),
            shipped("theirs", scope=layer_seed("b")),
            rule("test"),
        ]
    )
    seen = set()
    for unit in UNITS[:500]:
        found = met(index, unit)
        half = found.pop("holdout", None)
        seen.add(half)
        expected = {"theirs", "test"} if half == "held" else {"mine", "theirs", "test"}
        assert found.keys() == expected
    assert seen == {None, "held", "measured"}


def test_a_test_may_set_anew_what_was_shipped() -> None:
    trying = rule("trying", Arm("a", 1.0, {"ranker": "next"}))
    assert answer(shipped("old"), trying)["parameters"] == {"ranker": "next"}


def test_the_answer_says_who_is_held_out() -> None:
    everyone = rule("holdout", Arm("held", 1.0), Arm("measured", 0.0), type="holdout")
    (one,) = answer(everyone, rule("test"))["experiments"]
    assert one == {"experiment": "holdout", "variant": "held", "phase": 1, "in_holdout": True}


def test_a_switchback_holds_for_its_window_and_switches_evenly() -> None:
    switching = rule("switch", type="switchback", switch_hours=6)
    start = NOON.replace(hour=0)
    arms = []
    for n in range(2_000):
        first = start + timedelta(hours=6 * n)
        inside = [answer(switching, at=first + timedelta(hours=h), country="IN")["experiments"] for h in (0, 3, 5.99)]
        assert inside[0] == inside[1] == inside[2]
        arms.append(inside[0][0]["variant"])
    assert abs(arms.count("new") / 2_000 - 0.5) < 4 * sqrt(0.25 / 2_000)
    changes = sum(a != b for a, b in pairwise(arms)) / 1_999
    assert abs(changes - 0.5) < 4 * sqrt(0.25 / 1_999)


def test_interleaving_tells_how_to_draft_and_puts_nobody_into_an_arm() -> None:
    found = answer(rule("mix", type="interleaving"))
    assert found["experiments"] == [] and found["parameters"] == {}
    assert found["interleaving"] == [
        {
            "experiment": "mix",
            "phase": 1,
            "seed": "mix:t-1",
            "teams": [{"variant": "control", "parameters": {}}, {"variant": "new", "parameters": {"ranker": "mix"}}],
        }
    ]


def test_items_find_their_arm_by_the_rule_in_the_answer() -> None:
    layer = Filter(layer_seed("goods"), 0, 8_000)
    (told,) = answer(rule("boost", unit="item_id", layer=layer))["shared_experiments"]
    index = Index.of([rule("boost", layer=layer)])  # the same hash, of a unit the server knows
    for i in range(500):
        point = bucket(told["seed"], f"u-{i}") / 10_000
        inside = all(f["range"][0] <= bucket(f["seed"], f"u-{i}") / 10_000 < f["range"][1] for f in told["filters"])
        arms = [arm["variant"] for arm in told["arms"] if arm["range"][0] <= point < arm["range"][1]]
        assert (arms if inside else []) == list(met(index, {"user_id": f"u-{i}"}).values())


def test_items_are_aimed_at_by_the_request() -> None:
    aimed = rule("boost", unit="item_id", condition={"country": "IN"})
    assert answer(aimed, country="IN")["shared_experiments"]
    assert answer(aimed, country="FR")["shared_experiments"] == []


def test_every_kind_survives_the_snapshot() -> None:
    one = holdout(layer=Filter("s", 0, 5), further=(Filter("t", 1, 2),), condition={"a": {"$in": [1]}}, switch_hours=3)
    assert section.load(msgspec.msgpack.encode(one, order="sorted")) == one
