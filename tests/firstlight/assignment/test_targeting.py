"""Conditions against the answers of GrowthBook's own SDK, and what is refused before anything is asked."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from firstlight.assignment import targeting

# [condition, attributes, answer of the PyPI package growthbook 4.0.0], conditions drawn at random over all operators.
SDK = json.loads((Path(__file__).parent / "conditions.json").read_text())


def test_every_condition_gets_the_answer_of_the_sdk() -> None:
    wrong = [(c, a) for c, a, answer in SDK if targeting.faults(c) or targeting.matches(c, a) != answer]
    assert wrong == []
    used = json.dumps(SDK)
    missing = [name for name in targeting.conditions.OPERATORS if f'"{name}"' not in used]
    assert missing == []


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
