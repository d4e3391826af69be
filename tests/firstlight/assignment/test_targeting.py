"""Conditions against the answers of GrowthBook's own SDK, and what is refused before anything is asked."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from firstlight.assignment import targeting

# [condition, attributes, answer of the PyPI package growthbook 4.0.0], conditions drawn at random over all operators.
SDK = json.loads((Path(__file__).parent / "conditions.json").read_text())
# The same of conditions that name saved groups, or fold the case of lists.
WITH_GROUPS = json.loads((Path(__file__).parent / "conditions_with_groups.json").read_text())


def test_every_condition_gets_the_answer_of_the_sdk() -> None:
    wrong = [(c, a) for c, a, answer in SDK if targeting.faults(c) or targeting.matches(c, a) != answer]
    assert wrong == []
    used = json.dumps([SDK, WITH_GROUPS])
    missing = [name for name in targeting.conditions.OPERATORS if f'"{name}"' not in used]
    assert missing == []


def test_a_condition_on_saved_groups_gets_the_answer_of_the_sdk() -> None:
    groups, cases = WITH_GROUPS["groups"], WITH_GROUPS["cases"]
    assert [(c, a) for c, a, answer in cases if targeting.matches(c, a, groups) != answer or targeting.faults(c)] == []
    assert targeting.named([c for c, _, _ in cases]) == set(groups)


def test_a_hundred_thousand_members_are_read_once_for_all_conditions_that_name_them() -> None:
    group = targeting.Group.of(f"u-{i}" for i in range(100_000))
    began = time.perf_counter()
    tests = [targeting.compiled({"user_id": {"$inGroup": "members"}}, {"members": group}) for _ in range(1_000)]
    found = [test({"user_id": f"u-{i * 200}"}) for i, test in enumerate(tests)]
    assert time.perf_counter() - began < 0.5  # reading them again for each took 20 s
    assert found == [True] * 500 + [False] * 500


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ([], "in braces"),
        ({"$where": []}, "no way to join"),
        ({"$or": {"a": 1}}, "takes a list of conditions"),
        ({"$not": 1}, "takes a condition"),
        ({"a": {"$like": "x"}}, "is no operator"),
        ({"a": {"$in": "IN"}}, "takes a list"),
        ({"a": {"$regex": "(?=x)"}}, "cannot be read"),
        ({"a": {"$regex": "x" * 501}}, "at most 500"),
        ({"a": {"$vgt": 5}}, "takes a version"),
        ({"a": {"$gt": None}}, "takes a number or text"),
        ({"a": {"$type": "float"}}, "takes one of"),
        ({"a": {"$elemMatch": 3}}, "takes a condition"),
        ({"a": {"$elemMatch": {"x": {"$nope": 1}}}}, "is no operator"),
        ({"a": {"$inGroup": ["testers"]}}, "takes the key of a saved group"),
        ({"a": {"$notInGroup": ""}}, "takes the key of a saved group"),
        ({"a": {"$alli": "x"}}, "takes a list"),
        ({"a": float("nan")}, "no number"),
        ({"$and": [{"a": i} for i in range(101)]}, "At most 100"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_words(condition: Any, words: str) -> None:
    (fault,) = targeting.faults(condition)
    assert words in fault


def test_depth_is_bounded() -> None:
    condition: dict[str, Any] = {"a": 1}
    for _ in range(2_000):
        condition = {"$not": condition}
    assert targeting.faults(condition) == ["At most 10 levels of conditions."]
    value: dict[str, Any] = {"$eq": 1}
    for _ in range(900):
        value = {"$not": value}
    assert targeting.faults({"a": value}) == ["At most 10 levels of conditions."]


def test_no_pattern_makes_a_request_wait() -> None:
    test = targeting.compiled({"a": {"$regex": "(a+)+$"}})
    started = time.perf_counter()
    assert not test({"a": "a" * 5_000 + "b"})  # backtracking would take longer than the sun will shine
    assert time.perf_counter() - started < 5
