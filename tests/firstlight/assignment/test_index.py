"""Plans, layers and tables against asking every rule in turn, whatever conditions, layers, ids and attributes say."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.assignment import plans, settled, targeting
from firstlight.assignment.hashing import BUCKETS, bucket
from firstlight.assignment.index import Index
from firstlight.assignment.plans import Plan, needed
from firstlight.assignment.rules import Arm, Filter, Rule, ranges
from firstlight.assignment.settled import Settled

TEXTS = ("IN", "BR", "ios", "", "größe")
plain = st.sampled_from([*TEXTS, 7, 7.0, 1, 1.0, 0, True, False, None])
operators = st.one_of(
    st.fixed_dictionaries({}, optional={"$in": st.lists(st.sampled_from(TEXTS), max_size=3), "$ne": plain}),
    st.fixed_dictionaries({"$in": st.lists(plain, max_size=3)}),
    st.fixed_dictionaries({"$eq": plain}, optional={"$exists": st.booleans()}),
    st.fixed_dictionaries({"$nin": st.lists(plain, max_size=2)}),
    st.fixed_dictionaries({"$regex": st.sampled_from(["^I", "s$"])}),
)
conditions = st.recursive(
    st.dictionaries(st.sampled_from(["country", "platform", "device.os"]), plain | operators, max_size=3),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, max_size=2)}, optional={"country": plain}),
        st.fixed_dictionaries({"$or": st.lists(inner, max_size=2)}, optional={"platform": operators}),
        st.fixed_dictionaries({"$not": inner}),
        st.fixed_dictionaries({"$nor": st.lists(inner, max_size=2)}),
    ),
    max_leaves=4,
)
given_values = st.one_of(plain, st.lists(plain | st.lists(plain, max_size=1), max_size=3), st.just({"os": "ios"}))
attributes = st.dictionaries(st.sampled_from(["country", "platform", "device", "more"]), given_values)
ids = st.text(min_size=1, max_size=6) | st.sampled_from(["u-1", "u-2", "", "größe"])
units = st.dictionaries(st.sampled_from(["user_id", "device_id"]), ids)
filters = st.tuples(st.sampled_from(["__a", "__b", "__ü"]), st.integers(0, BUCKETS), st.integers(0, BUCKETS)).map(
    lambda drawn: Filter(drawn[0], min(drawn[1:]), max(drawn[1:]))
)


@st.composite
def rules(draw: st.DrawFn, key: str) -> Rule:
    coverage = draw(st.sampled_from([0.5, 1.0]))
    return Rule(
        key=key,
        phase=1,
        seed=draw(st.sampled_from([key, f"{key}:2", "ü"])),
        unit=draw(st.sampled_from(["user_id", "device_id"])),
        arms=(Arm("a", 0.5), Arm("b", 0.5)),
        coverage=coverage,
        ranges=ranges([0.5, 0.5], coverage),
        scenarios=("home",),
        layer=draw(st.none() | filters),
        further=tuple(draw(st.lists(filters, max_size=1))),
        condition=draw(conditions),
    )


several = st.integers(1, 12).flatmap(lambda n: st.tuples(*(rules(f"exp{i:02}") for i in range(n))))


def one_by_one(rules: Sequence[Rule], unit: Mapping[str, str], attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(experiment, arm) as the rules say it. Of rules that overlap in a layer the first one has the unit."""
    found, taken = [], set()
    for rule in rules:
        if not (key := unit.get(rule.unit)):
            continue
        if rule.layer:
            owner = (rule.layer.seed, rule.unit)
            if owner in taken or not rule.layer.has(key):
                continue
            taken.add(owner)
        point = bucket(rule.seed, key) / BUCKETS
        arm = next(
            (arm.key for arm, (low, high) in zip(rule.arms, rule.ranges, strict=True) if low <= point < high), ""
        )
        if arm and all(one.has(key) for one in rule.further) and targeting.matches(rule.condition, attributes):
            found.append((rule.key, arm))
    return found


def keys(assigned: Sequence[tuple[Rule, Arm]]) -> list[tuple[str, str]]:
    return [(rule.key, arm.key) for rule, arm in assigned]


@settings(max_examples=400, deadline=None)
@given(several, st.lists(st.tuples(units, attributes), min_size=1, max_size=5))
def test_the_index_answers_as_if_every_rule_were_asked(
    drawn: tuple[Rule, ...], asked: list[tuple[dict[str, str], dict[str, Any]]]
) -> None:
    index = Index.of(drawn)
    for unit, given_attributes in asked * 2:  # the second time from what is remembered
        expected = one_by_one(drawn, unit, given_attributes)
        assert keys(index.assign(unit, given_attributes)) == expected


@settings(max_examples=100, deadline=None)
@given(several, st.lists(attributes, min_size=3, max_size=6))
def test_a_plan_that_forgets_answers_the_same(drawn: tuple[Rule, ...], asked: list[dict[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "REMEMBERED", 2)
        index = Index.of(drawn)
        for one in asked:
            unit = {"user_id": "u-1", "device_id": "d-1"}
            assert keys(index.assign(unit, one)) == one_by_one(drawn, unit, one)


@settings(max_examples=200, deadline=None)
@given(conditions, attributes)
def test_what_is_needed_and_the_rest_are_the_condition(
    condition: dict[str, Any], given_attributes: dict[str, Any]
) -> None:
    for need in needed(condition):
        value = given_attributes.get(need.attribute)
        several = value if isinstance(value, list) and need.in_lists else [value]
        is_met = any(type(one) is str and one in need.texts for one in several)
        rest = targeting.matches(need.rest, given_attributes)
        assert (is_met and rest) == targeting.matches(condition, given_attributes)


@settings(max_examples=150, deadline=None)
@given(several, st.lists(attributes, min_size=3, max_size=8), st.integers(0, 3))
def test_what_was_settled_before_is_what_would_be_found_again(
    drawn: tuple[Rule, ...], asked: list[dict[str, Any]], worthwhile: int
) -> None:
    """Beginning again when there is too much to remember, or giving it up, changes no answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settled, "MOST", 2)
        patch.setattr(settled, "WORTHWHILE", worthwhile)
        index = Index.of(drawn)
        for one in asked * 2:
            unit = {"user_id": "u-1", "device_id": "d-1"}
            assert keys(index.assign(unit, one)) == one_by_one(drawn, unit, one)


def test_a_condition_is_tested_once_for_the_values_it_reads_and_again_for_every_other() -> None:
    asked: list[Any] = []

    def test(given_attributes: Any) -> bool:
        asked.append(given_attributes["age"])
        return bool(given_attributes["age"] == 1)

    (lookup,) = Index.of([rule_for("e", "IN", age={"$gt": 1})]).free
    known = Settled([lookup._replace(test=test)], len)
    ages: list[Any] = [1, 2, True, "1", 1, 2, [1], [1], "x" * 200, "x" * 200, 1]
    found = [known.of({"age": age, "country": "IN", "more": str(i)}) for i, age in enumerate(ages)]
    assert asked == [1, 2, True, "1"]
    assert found == [1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1], "lists and long texts are left to be tested"


def test_where_hardly_anything_comes_twice_nothing_is_remembered_any_more() -> None:
    (lookup,) = Index.of([rule_for("e", "IN", age={"$gt": 1})]).free
    known = Settled([lookup], lambda found: [one.test for one in found])
    many = [{"age": float(i), "country": "IN"} for i in range(2 * settled.MOST)]
    assert known.of(many[5]) == [None]
    for one in many:
        known.of(one)
    assert known.of(many[5]) == [lookup.test], "to be tested"


def test_rules_for_others_are_not_looked_at() -> None:
    tested: list[int] = []

    def found(lookups: Sequence[Any]) -> int:
        tested.append(len(lookups))
        return len(lookups)

    index = Index.of([rule_for(f"exp{i}", f"country-{i % 50}") for i in range(1_000)])
    plan = Plan(index.free, found)
    assert plan.chosen({"country": "country-7", "platform": "ios"}) == 20
    assert plan.chosen({"country": "elsewhere"}) == 0
    assert plan.chosen({"country": ["country-7"]}) == 0, "an equality does not look into lists"
    assert [plan.chosen({"country": f"nowhere-{i}"}) for i in range(100)] == [0] * 100
    assert tested == [20, 0], "texts that nobody asks for are all the same"


def test_of_two_needs_the_one_is_posted_that_rules_out_more() -> None:
    index = Index.of([rule_for(f"exp{i}", f"country-{i}", platform="ios") for i in range(10)])
    assert Plan(index.free, len).chosen({"country": "country-3", "platform": "ios"}) == 1


def rule_for(key: str, country: str, **others: Any) -> Rule:
    arms = (Arm("a", 0.5), Arm("b", 0.5))
    spans = ranges([0.5, 0.5], 1.0)
    return Rule(key, 1, key, "user_id", arms, 1.0, spans, ("home",), condition={**others, "country": country})
