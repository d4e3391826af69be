"""Whole arrays of ids against one unit at a time."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.assignment import batch
from firstlight.assignment.batch import OUTSIDE, OneByOne, buckets, positions
from firstlight.assignment.hashing import BUCKETS, bucket
from firstlight.assignment.index import Index
from firstlight.assignment.rules import Arm, Filter, Rule, ranges

texts = st.text(max_size=12) | st.text(alphabet="ab0-_\0", max_size=40) | st.sampled_from(["", "größe", "𝒳", "\ud800"])
filters = st.tuples(st.sampled_from(["__a", "__ü"]), st.integers(0, BUCKETS), st.integers(0, BUCKETS)).map(
    lambda drawn: Filter(drawn[0], min(drawn[1:]), max(drawn[1:]))
)


def rule(**changes: Any) -> Rule:
    arms = tuple(Arm(key, 1 / 3) for key in "abc")
    known = {"key": "e", "phase": 1, "seed": "e", "unit": "user_id", "arms": arms, "coverage": 0.8}
    return Rule(**{**known, "ranges": ranges([1 / 3] * 3, 0.8), "scenarios": ("home",), **changes})


def one_by_one(asked: Rule, ids: Sequence[str], attributes: Sequence[dict[str, Any]]) -> list[int]:
    index, places = Index.of([asked]), {arm.key: place for place, arm in enumerate(asked.arms)}
    found = [index.assign({"user_id": unit}, given) for unit, given in zip(ids, attributes, strict=True)]
    return [places[met[0][1].key] if met else OUTSIDE for met in found]


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=40), st.sampled_from(["", "e", "größe:2", "x" * 50]))
def test_every_unit_falls_where_it_falls_alone(ids: list[str], seed: str) -> None:
    assert buckets(seed, ids).tolist() == [bucket(seed, unit) for unit in ids]


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=1, max_size=40))
def test_an_array_of_ids_is_the_ids_that_it_gives_back(ids: list[str]) -> None:
    array = np.array(ids)
    assert buckets("e", array).tolist() == [bucket("e", unit) for unit in array.tolist()]


def test_no_chunk_is_lost_and_every_length_of_the_inner_number_is_met() -> None:
    ids = [f"{i:x}" * (1 + i % 3) for i in range(2 * batch.CHUNK + 17)]
    assert buckets("experiment", ids).tolist() == [bucket("experiment", unit) for unit in ids]


def test_numbers_of_every_length_hash_as_their_digits_do() -> None:
    from firstlight.assignment.hashing import fnv1a

    numbers = [0, 9, 10, 4_294_967_295, *(10**k + d for k in range(1, 10) for d in (-1, 0, 1))]
    assert batch._of_numbers(np.array(numbers, np.uint32)).tolist() == [fnv1a(str(n)) for n in numbers]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_arms_are_those_of_the_index(data: st.DataObject) -> None:
    changes: dict[str, Any] = {"layer": data.draw(st.none() | filters), "further": (*data.draw(st.lists(filters)),)}
    asked = rule(**changes, condition=data.draw(st.sampled_from([{}, {"country": "IN"}, {"age": {"$gt": 30}}])))
    ids = data.draw(st.lists(texts, min_size=1, max_size=20))
    attributes: Any = [data.draw(st.sampled_from([{}, {"country": "IN"}, {"age": 40}])) for _ in ids]
    assert positions(asked, ids, attributes).tolist() == one_by_one(asked, ids, attributes)
    assert positions(asked, ids).tolist() == one_by_one(asked, ids, [{}] * len(ids))


def test_saved_groups_are_those_that_are_handed_in() -> None:
    asked = rule(coverage=1.0, ranges=ranges([1 / 3] * 3, 1.0), condition={"country": {"$inGroup": "south"}})
    given = [{"country": "BR"}, {"country": "DE"}]
    assert (positions(asked, ["u-1", "u-1"], given, {"south": ["BR"]}) != OUTSIDE).tolist() == [True, False]


def test_a_rule_that_looks_at_more_is_refused() -> None:
    with pytest.raises(OneByOne):
        positions(rule(forced={"u-1": "a"}), ["u-1"])


def test_who_asks_about_one_unit_needs_no_numpy() -> None:
    code = "import sys; from firstlight.assignment import answers, published; print('numpy' in sys.modules)"
    platform = Path(batch.__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", code], cwd=platform, capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
