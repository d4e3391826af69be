"""What can be counted is taken, what cannot is named where it stands."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from firstlight.lake.schema import EVENTS
from firstlight.metrics import definitions
from firstlight.metrics.definitions import Definition, Filter, Source, validate
from firstlight.metrics.models import Metric


def pointers(filters: object) -> list[str]:
    return [fault.pointer for fault in validate(filters)]


GOOD: dict[str, Any] = {"field": "position", "op": "le", "value": 3}


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        {"field": "recall_source", "op": "eq", "value": "i2i"},
        {"field": "currency", "op": "in", "value": ["INR", "NPR"]},
        {"field": "score", "op": "gt", "value": 0.5},
        {"field": "ranker", "op": "ne", "value": "din"},
    ],
)
def test_what_can_be_counted_has_no_fault(good: dict[str, Any]) -> None:
    assert validate([good]) == []
    assert validate([]) == []


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({**GOOD, "field": "postion"}, "/0/field"),
        ({**GOOD, "field": "properties"}, "/0/field"),
        ({**GOOD, "field": "assignments"}, "/0/field"),
        ({**GOOD, "field": ["position"]}, "/0/field"),
        ({**GOOD, "op": "like"}, "/0/op"),
        ({**GOOD, "op": None}, "/0/op"),
        ({"field": "ranker", "op": "gt", "value": "din"}, "/0/op"),
        ({**GOOD, "value": "3"}, "/0/value"),
        ({**GOOD, "value": True}, "/0/value"),
        ({**GOOD, "value": None}, "/0/value"),
        ({**GOOD, "value": [3]}, "/0/value"),
        ({**GOOD, "value": float("nan")}, "/0/value"),
        ({**GOOD, "value": float("inf")}, "/0/value"),
        ({**GOOD, "value": 10**30}, "/0/value"),
        ({**GOOD, "op": "in", "value": 3}, "/0/value"),
        ({**GOOD, "op": "in", "value": []}, "/0/value"),
        ({**GOOD, "op": "in", "value": [1, "2"]}, "/0/value/1"),
        ({"field": "ranker", "op": "eq", "value": 1}, "/0/value"),
        ({"field": "ranker", "op": "eq", "value": ""}, "/0/value"),
        ({"field": "ranker", "op": "eq", "value": "a\0b"}, "/0/value"),
        ({"field": "ranker", "op": "eq"}, "/0/value"),
        ({**GOOD, "more": 1}, "/0/more"),
        ("position", "/0"),
    ],
)
def test_a_fault_is_named_where_it_stands(wrong: object, where: str) -> None:
    assert pointers([wrong]) == [where]
    assert pointers([GOOD, wrong]) == [where.replace("/0", "/1", 1)]


def test_a_list_is_a_list_of_bounded_length() -> None:
    assert pointers({"field": "position"}) == [""]
    assert pointers([GOOD] * 21) == [""]


def test_what_can_be_filtered_are_columns_of_the_lake_of_the_type_said() -> None:
    kinds = {field.name: str(field.type) for field in EVENTS}
    assert {kinds[name] for name in definitions.TEXT} == {"string"}
    assert {kinds[name] for name in definitions.NUMBERS} == {"int32", "double", "decimal128(18, 4)"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["field", "op", "value", "x"]) | st.text(), inner)
        ),
    )
)
def test_whatever_is_sent_is_answered(sent: object) -> None:
    assert all(fault.detail for fault in validate(sent))


def metric(**values: Any) -> Metric:
    return Metric(**{"key": "m", "name": "M", "kind": "mean", "numerator_event": "click"} | values)


def faults(**values: Any) -> set[str]:
    with pytest.raises(ValidationError) as refused:
        metric(**values).clean()
    return set(refused.value.message_dict)


def test_a_metric_tells_each_fault_at_its_field() -> None:
    metric().clean()
    metric(kind="ratio", denominator_event="x.seen").clean()
    assert faults(numerator_event="clicks") == {"numerator_event"}
    assert faults(numerator_event="x.") == {"numerator_event"}
    assert faults(kind="ratio") == {"denominator_event"}
    assert faults(denominator_event="impression") == {"denominator_event"}
    assert faults(numerator_filter=[1], denominator_filter={}) == {"numerator_filter", "denominator_filter"}


def test_a_definition_is_the_stored_metric_as_a_value() -> None:
    stored = metric(
        kind="ratio",
        numerator_value="value",
        numerator_filter=[{"field": "position", "op": "in", "value": [1, 2]}],
        denominator_event="impression",
        window_hours=24,
        direction="decrease",
    )
    found = Definition.of(stored)
    assert found.sources == (
        Source("click", "value", (Filter("position", "in", (1, 2)),)),
        Source("impression", "count"),
    )
    assert (found.window_hours, found.in_scenario, found.direction, found.objective) == (24, True, "decrease", "user")
    assert hash(found) == hash(Definition.of(stored))


@pytest.mark.django_db
def test_the_standard_metrics_can_be_counted() -> None:
    standard = list(Metric.objects.all())
    assert {"click_rate", "click_through", "conversion", "refund_rate"} <= {one.key for one in standard}
    for one in standard:
        one.full_clean()
        assert one.name
        assert one.description
        assert Definition.of(one).key == one.key
