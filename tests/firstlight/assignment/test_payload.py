"""What a payload holds and what it leaves out; whose arms it gives is asked of the SDKs in tests/sdk."""

import json
from typing import Any

import pytest
from growthbook.core import evalCondition

from firstlight.assignment import targeting
from firstlight.assignment.index import Published
from firstlight.assignment.payload import payload
from firstlight.assignment.portable import Unsayable, portable
from firstlight.assignment.rules import Arm, Requirement, Rule
from tests.firstlight.assignment.test_assignment import rule
from tests.firstlight.assignment.test_targeting import SDK, WITH_GROUPS

ARMS = (Arm("control", 0.5, {"ranker": "old"}), Arm("din", 0.5, {"ranker": "din", "quota": 3}))


def told(*rules: Rule, scenarios: tuple[str, ...] = ("home",), lists: bool = True, **groups: Any) -> dict[str, Any]:
    return payload(Published.of(rules, groups), scenarios, lists=lists)


def test_portable_conditions_mean_the_same_to_the_pypi_sdk() -> None:
    cases = [*SDK, *WITH_GROUPS["cases"]]
    said = [(portable(condition), attributes, answer) for condition, attributes, answer in cases]
    groups = WITH_GROUPS["groups"]
    assert [one for one in said if evalCondition(one[1], one[0], groups) != one[2]] == []
    assert [one for one in said if targeting.matches(one[0], one[1], groups) != one[2]] == []


def test_portable_conditions_use_what_every_sdk_knows_and_say_types() -> None:
    assert portable({"a": "x"}) == {"a": {"$eq": "x"}}
    assert portable({"a": {"$gt": 1, "$lt": 5}}) == {"a": {"$type": "number", "$gt": 1, "$lt": 5}}
    assert portable({"a": {"$notRegex": "^x"}}) == {"a": {"$not": {"$type": "string", "$regex": "^x"}}}
    both = portable({"a": {"$notRegex": "^x", "$vne": "1.0"}})
    assert both == {
        "$and": [
            {"a": {"$not": {"$type": "string", "$regex": "^x"}}},
            {"a": {"$not": {"$type": "string", "$veq": "1.0"}}},
        ]
    }


@pytest.mark.parametrize("pattern", ["(?i)a", r"\pL", r"\bx", "[[:alpha:]]", r"(?P<n>a)", r"a\z"])
def test_patterns_that_languages_read_differently_are_left_out(pattern: str) -> None:
    with pytest.raises(Unsayable):
        portable({"a": {"$regex": pattern}})
    assert told(rule("a", arms=ARMS, condition={"a": {"$regex": pattern}}))["features"] == {}


def test_two_denials_of_an_element_cannot_be_said() -> None:
    with pytest.raises(Unsayable):
        portable({"a": {"$elemMatch": {"$notRegex": "x", "$vne": "1"}}})


@pytest.mark.parametrize("type_", ["switchback", "interleaving"])
def test_what_an_sdk_cannot_decide_is_left_out(type_: str) -> None:
    assert told(rule("a", arms=ARMS, type=type_, switch_hours=1))["features"] == {}
    assert told(rule("a", arms=ARMS, unit="merchant_id"))["features"] == {}


def test_what_stands_on_something_left_out_is_left_out_with_it() -> None:
    unsaid = {"a": {"$regex": r"\bx"}}
    requiring = rule("b", arms=ARMS, requires=(Requirement("a", ("din",)),))
    assert told(rule("a", arms=ARMS, condition=unsaid), requiring)["features"] == {}
    assert told(rule("h", type="holdout", condition=unsaid), rule("b", arms=ARMS))["features"] == {}
    apart = rule("h", type="holdout", condition=unsaid, scenarios=("search",))
    assert set(told(apart, rule("b", arms=ARMS))["features"]) == {"ranker", "quota", "experiment.b"}


def test_experiments_that_require_each_other_are_left_out() -> None:
    one = rule("a", arms=ARMS, requires=(Requirement("b", ("din",)),))
    assert told(one, rule("b", arms=ARMS, requires=(Requirement("a", ("din",)),)))["features"] == {}


def test_a_required_experiment_of_elsewhere_says_no_parameter() -> None:
    requiring = rule("b", arms=(Arm("x", 0.5), Arm("y", 0.5)), requires=(Requirement("a", ("din",)),))
    found = told(rule("a", arms=ARMS, scenarios=("search",)), requiring)
    assert set(found["features"]) == {"experiment.b", "required.a"}
    assert "ranker" not in json.dumps(found)
    assert "search" not in json.dumps(found)


def test_of_two_that_set_a_parameter_the_later_stands_first_and_an_arm_without_it_passes_on() -> None:
    first, second = rule("a", arms=ARMS), rule("b", arms=(Arm("control", 0.5), Arm("new", 0.5, {"ranker": "new"})))
    rules = told(first, second)["features"]["ranker"]["rules"]
    assert [one["key"] for one in rules] == ["b", "a"]
    assert rules[0]["meta"] == [{"key": "control", "passthrough": True}, {"key": "new"}]
    assert told(first, second)["features"]["experiment.b"]["rules"][0]["variations"] == ["control", "new"]


def test_ids_are_told_only_where_the_key_says_so() -> None:
    one = rule("a", arms=ARMS, forced={"u-7": "din", "12": "control"})
    assert "u-7" in json.dumps(told(one))
    forced = told(one)["features"]["experiment.a"]["rules"][0]
    assert (forced["force"], forced["condition"]["user_id"]) == ("control", {"$in": ["12", 12]})
    assert "u-7" not in json.dumps(told(one, lists=False))
    grouped = rule("g", arms=ARMS, condition={"user_id": {"$inGroup": "vip"}})
    assert told(grouped, vip=["u-9"], other=["u-8"])["savedGroups"] == {"vip": ["u-9"]}
    assert told(grouped, lists=False, vip=["u-9"]) == {"status": 200, "features": {}, "savedGroups": {}}


def test_weights_of_objectives_are_never_told() -> None:
    arms = (Arm("control", 0.5), Arm("green", 0.5, {}, {"merchant": 0.9}))
    assert "merchant" not in json.dumps(told(rule("a", arms=arms)))
