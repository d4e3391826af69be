"""Prerequisites, testers, preview links and sticky units, against rules worked out by hand."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.assignment import answers
from firstlight.assignment.index import Index, Published
from firstlight.assignment.rules import NO_WISHES, Arm, Filter, Requirement, Rule, Wishes, ranges

UNITS = [{"user_id": f"u-{i}"} for i in range(400)]


def rule(key: str, *, weights: tuple[float, ...] = (0.5, 0.5), coverage: float = 1.0, **fields: Any) -> Rule:
    arms = tuple(Arm(name, weight, {key: name}) for name, weight in zip("abcd", weights, strict=False))
    told: dict[str, Any] = {"phase": 1, "seed": key, "unit": "user_id", "scenarios": ("home",), **fields}
    return Rule(key=key, arms=arms, coverage=coverage, ranges=ranges(weights, coverage), **told)


def requires(**arms: str) -> tuple[Requirement, ...]:
    return tuple(Requirement(key, tuple(named)) for key, named in arms.items())


def index(*rules: Rule, scenario: str = "home") -> Index:
    return Published.of(rules).indexes[scenario]


def seen(at: Index, unit: Mapping[str, str], wishes: Wishes = NO_WISHES, **attributes: Any) -> dict[str, str]:
    return {rule.key: arm.key for rule, arm in at.assign(unit, attributes, wishes)}


# --- prerequisites ---


@pytest.mark.parametrize("scenario", ["home", "elsewhere"])
def test_a_unit_takes_part_when_the_other_rule_gives_it_the_arm_whatever_the_scenario(scenario: str) -> None:
    first = rule("first", condition={"country": "IN"}, coverage=0.8, scenarios=(scenario,))
    both = index(first, rule("second", requires=requires(first="b")))
    alone, free = index(first, scenario=scenario), index(rule("second"))
    for country in ("IN", "BR"):
        for unit in UNITS:
            wanted = seen(free, unit) if seen(alone, unit, country=country).get("first") == "b" else {}
            assert {k: v for k, v in seen(both, unit, country=country).items() if k == "second"} == wanted


def test_a_prerequisite_that_is_paused_or_stopped_lets_nobody_in() -> None:
    lonely = index(rule("second", requires=requires(first="ab")))
    assert all(seen(lonely, unit) == {} for unit in UNITS)


def test_a_prerequisite_of_a_prerequisite_counts_and_all_of_several_must_hold() -> None:
    chain = index(
        rule("one"),
        rule("two", requires=requires(one="a")),
        rule("zero", requires=requires(two="b", other="a")),
        rule("other"),
    )
    free = index(rule("one"), rule("two"), rule("zero"), rule("other"))
    for unit in UNITS:
        alone = seen(free, unit)
        wanted = dict(alone)
        if alone["one"] != "a":
            del wanted["two"]
        if wanted.get("two") != "b" or alone["other"] != "a":
            del wanted["zero"]
        assert seen(chain, unit) == wanted


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30))
def test_no_set_of_prerequisites_makes_a_request_loop(edges: list[tuple[int, int]]) -> None:
    """Circles are refused when they are saved; were there one all the same, nobody in it takes part."""
    named: dict[int, dict[str, str]] = {}
    for one, other in edges:
        named.setdefault(one, {})[f"e{other}"] = "ab"
    drawn = index(*(rule(f"e{i}", requires=requires(**named.get(i, {}))) for i in range(8)))
    in_circle = {one for one in range(8) if one in _reached(one, edges)}
    for unit in UNITS[:20]:
        assert not {f"e{i}" for i in in_circle} & seen(drawn, unit).keys()


def _reached(start: int, edges: list[tuple[int, int]]) -> set[int]:
    found: set[int] = set()
    waiting = [start]
    while waiting:
        for one, other in edges:
            if one == waiting[0] and other not in found:
                found.add(other)
                waiting.append(other)
        waiting.pop(0)
    return found


def test_a_net_of_prerequisites_is_decided_once_each() -> None:
    """Twenty stories of two that each require both below: asked one by one that were a million questions."""
    stories = [
        rule(f"e{story:02}{side}", requires=requires(**{f"e{story - 1:02}{s}": "ab" for s in "xy"}) if story else ())
        for story in range(20)
        for side in "xy"
    ]
    net, began = index(*stories), time.perf_counter()
    assert len(seen(net, UNITS[0])) == 40
    assert time.perf_counter() - began < 0.5


def test_who_is_held_out_meets_nothing_that_is_tried_but_what_is_forced() -> None:
    holdout = rule("all-of-it", type="holdout")
    held = index(holdout, rule("plain"), rule("needs", requires=requires(plain="ab")), rule("kept", sticky=True))
    wishes = Wishes({"needs": "b"})
    for unit in UNITS[:50]:
        assert set(seen(held, unit)) == {"all-of-it"}
        assert set(seen(held, unit, wishes)) == {"all-of-it", "needs"}


# --- testers and preview links ---


def test_a_link_comes_before_the_list_and_the_list_before_all_else() -> None:
    closed = rule("closed", coverage=0.0, condition={"country": "IN"}, forced={"u-1": "b"}, layer=Filter("__l", 0, 1))
    at = index(closed, rule("open"))
    assert seen(at, {"user_id": "u-1"})["closed"] == "b"
    assert seen(at, {"user_id": "u-1"}, Wishes({"closed": "a"}))["closed"] == "a"
    assert "closed" not in seen(at, {"user_id": "u-2"})
    assert seen(at, {"user_id": "u-2"}, Wishes({"closed": "a", "open": "b", "nowhere": "a"})) == {
        "closed": "a",
        "open": "b",
    }
    assert "closed" not in seen(at, {"user_id": "u-2"}, Wishes({"closed": "no such arm"}))


def test_where_an_arm_is_forced_its_layer_shows_nothing_else() -> None:
    low, high = (
        rule(key, layer=Filter("__l", *span)) for key, span in (("low", (0, 5_000)), ("high", (5_000, 10_000)))
    )
    at = index(low, high, rule("beside", layer=Filter("__m", 0, 10_000)))
    for unit in UNITS[:100]:
        assert set(seen(at, unit, Wishes({"low": "b"}))) == {"low", "beside"}


def test_what_is_forced_opens_what_requires_it() -> None:
    at = index(rule("first", coverage=0.0), rule("second", requires=requires(first="b")))
    free = index(rule("second"))
    for unit in UNITS[:50]:
        assert seen(at, unit) == {}
        assert seen(at, unit, Wishes({"first": "b"})) == {"first": "b", **seen(free, unit)}
        assert seen(at, unit, Wishes({"first": "a"})) == {"first": "a"}


class Asked(NamedTuple):
    unit: dict[str, str]
    wishes: Wishes = NO_WISHES
    attributes: Mapping[str, Any] = {}
    scenario: str = "home"
    trace_id: str = "t"
    at: datetime = datetime(2026, 11, 24, tzinfo=UTC)


def answer(asked: Asked, *rules: Rule) -> dict[str, Any]:
    told: dict[str, Any] = {}
    answers.decide(Published.of(rules), asked, told)
    return told


def test_an_answer_marks_what_was_forced_and_nothing_else() -> None:
    told = answer(Asked({"user_id": "u-1"}, Wishes({"open": "b"})), rule("open"), rule("other"))
    assert [one.get("forced") for one in told["experiments"]] == [True, None]
    assert told["parameters"]["open"] == "b"
    assert "forced" not in answer(Asked({"user_id": "u-1"}), rule("open"))["experiments"][0]


# --- sticky ---


def test_a_unit_keeps_its_arm_whatever_becomes_of_weights_coverage_and_targeting() -> None:
    before = rule("kept", sticky=True)
    after = rule("kept", sticky=True, weights=(0.05, 0.95), coverage=0.1, condition={"country": "nowhere"}, phase=2)
    for unit in UNITS:
        told = answer(Asked(unit), before)
        again = answer(Asked(unit, Wishes(sticky=told["sticky"])), after)
        assert [one["variant"] for one in again["experiments"]] == [one["variant"] for one in told["experiments"]]
        assert again["sticky"] == told["sticky"]


def test_documents_have_the_shape_that_growthbook_gives_them() -> None:
    told = answer(Asked({"user_id": "u-1"}), rule("kept", sticky=True, since_phase=3), rule("plain"))
    arm = next(one["variant"] for one in told["experiments"] if one["experiment"] == "kept")
    document = {"attributeName": "user_id", "attributeValue": "u-1", "assignments": {"kept__3": arm}}
    assert told["sticky"] == {"user_id||u-1": document}
    assert "sticky" not in answer(Asked({"user_id": "u-1"}), rule("plain"))


def test_what_was_kept_of_an_earlier_deal_does_not_count_and_may_keep_the_unit_out() -> None:
    brought = {"user_id||u-1": {"assignments": {"kept__1": "b", "more__1": "a"}}}
    anew = rule("kept", sticky=True, seed="kept:2", since_phase=2, weights=(1.0,))
    closed = msgspec.structs.replace(anew, refused_before=2)
    told = answer(Asked({"user_id": "u-1"}, Wishes(sticky=brought)), anew)
    assert told["sticky"]["user_id||u-1"]["assignments"] == {"kept__1": "b", "more__1": "a", "kept__2": "a"}
    assert answer(Asked({"user_id": "u-1"}, Wishes(sticky=brought)), closed)["experiments"] == []
    assert answer(Asked({"user_id": "u-2"}, Wishes(sticky=brought)), closed)["experiments"] != []


def test_before_the_login_the_device_stands_in_and_its_arm_is_kept_after_it() -> None:
    kept = rule("kept", sticky=True, fallback="device_id")
    changed = 0
    for i in range(200):
        before = answer(Asked({"device_id": f"d-{i}"}), kept)
        both = {"device_id": f"d-{i}", "user_id": f"u-{i}"}
        after = answer(Asked(both, Wishes(sticky=before["sticky"])), kept)
        arm = before["experiments"][0]["variant"]
        assert after["experiments"][0]["variant"] == arm
        assert after["sticky"][f"user_id||u-{i}"]["assignments"] == {"kept__1": arm}
        changed += answer(Asked(both), kept)["experiments"][0]["variant"] != arm
    assert 60 < changed < 140  # without what it brought, the user's own hash decides


def test_nothing_is_kept_of_an_arm_that_was_forced() -> None:
    assert "sticky" not in answer(Asked({"user_id": "u-1"}, Wishes({"kept": "b"})), rule("kept", sticky=True))


def test_what_is_brought_of_an_unknown_arm_or_shape_is_as_if_it_were_not_there() -> None:
    kept = rule("kept", sticky=True)
    plain = answer(Asked({"user_id": "u-1"}), kept)["experiments"]
    shapes: list[dict[str, Any]] = [{"assignments": {"kept__1": "gone"}}, {"assignments": {}}, {}]
    for document in shapes:
        assert (
            answer(Asked({"user_id": "u-1"}, Wishes(sticky={"user_id||u-1": document})), kept)["experiments"] == plain
        )


# --- stored parts ---


def test_a_part_of_before_still_loads() -> None:
    new = rule("old")
    old = {name: value for name, value in msgspec.to_builtins(new).items() if name not in ADDED}
    assert len(old) == len(msgspec.structs.fields(Rule)) - len(ADDED)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Rule) == new


ADDED = ("pieces", "forced", "requires", "fallback", "sticky", "since_phase", "refused_before")


# --- beside layers and holdouts ---


@st.composite
def published(draw: st.DrawFn) -> tuple[list[Rule], list[Rule]]:
    """Rules with shares of two layers that nobody else holds, some of them holdouts; and the same with some special."""
    plain: list[Rule] = []
    special: list[Rule] = []
    for i in range(draw(st.integers(1, 8))):
        shares = [Filter(layer, i * 1_250, (i + 1) * 1_250) for layer in draw(st.sampled_from(["", "a", "ab", "b"]))]
        one = rule(
            f"e{i}",
            coverage=draw(st.sampled_from([0.3, 1.0])),
            type=draw(st.sampled_from(["ab", "ab", "ab", "holdout", "shipped"])),
            layer=shares[0] if shares else None,
            further=tuple(shares[1:]),
            condition=draw(st.sampled_from([{}, {"country": "IN"}, {"country": {"$ne": "IN"}}])),
            unit="user_id" if shares else draw(st.sampled_from(["user_id", "device_id"])),  # a layer splits one kind
        )
        more: Any = draw(st.sampled_from([{}, {"sticky": True}, {"forced": {"nobody": "a"}}]))
        plain.append(one)
        special.append(msgspec.structs.replace(one, **more))
    return plain, special


@settings(max_examples=150, deadline=None)
@given(published(), st.sampled_from([{}, {"country": "IN"}]))
def test_a_rule_that_is_special_to_others_is_none_to_everybody_else(
    drawn: tuple[list[Rule], list[Rule]], attributes: dict[str, Any]
) -> None:
    """Several layers each, global holdouts and what was shipped: the two ways to decide answer alike."""
    plain, special = (index(*rules) for rules in drawn)
    for i in range(40):
        unit = {"user_id": f"u-{i}", "device_id": f"d-{i % 7}"}
        assert seen(plain, unit, **attributes) == seen(special, unit, **attributes)


def test_a_sticky_experiment_answers_as_the_sdk_of_growthbook_does() -> None:
    """[documents, ids, version, least version] -> variation, or None: cases of its specification, "stickyBucket"."""
    exp = {"since_phase": 3, "refused_before": 0, "sticky": True, "fallback": "device_id"}
    user, device = {"user_id": "i123", "device_id": "d123"}, {"device_id": "d123"}

    def kept(of: str, **assignments: str) -> dict[str, Any]:
        return {of: {"assignments": assignments}}

    cases: list[tuple[dict[str, Any], dict[str, str], dict[str, Any], str | None]] = [
        (kept("user_id||i123", feature__3="b"), user, {}, "b"),
        (kept("user_id||i123", feature__2="b"), user, {"weights": (1.0,)}, "a"),  # another version: dealt anew
        (kept("user_id||i123", feature__2="b"), user, {"refused_before": 3}, None),  # a blocked version
        (kept("user_id||i123", feature__3="b", feature__0="a"), user, {"refused_before": 1}, None),
        (kept("user_id||i123", feature__3="b", feature__2="a"), user, {"refused_before": 1}, "b"),
        (kept("device_id||d123", feature__3="b"), user, {}, "b"),  # the fallback's, where the own has none
        (kept("device_id||d123", feature__3="b") | kept("user_id||i123", feature__3="a"), user, {}, "a"),
        (kept("device_id||d123", feature__3="b"), device, {}, "b"),
        (kept("device_id||other", feature__3="b"), user, {"weights": (1.0,)}, "a"),
        (kept("user_id||i123", feature__3="b"), user, {"condition": {"country": "nowhere"}}, "b"),
    ]
    for documents, unit, changed, wanted in cases:
        at = index(rule("feature", **{"condition": {}, **exp, **changed}))
        at_rule = at.known["feature"].rule
        if len(at_rule.arms) == 1:
            at = index(msgspec.structs.replace(at_rule, arms=(*at_rule.arms, Arm("b", 0.0))))
        assert seen(at, unit, Wishes(sticky=documents)).get("feature") == wanted, (documents, changed)
