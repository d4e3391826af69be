"""What the database itself refuses, whoever writes past the forms."""

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from firstlight.metrics.models import Metric, Rate

pytestmark = pytest.mark.django_db
SOUND: dict[str, Any] = {"key": "m", "name": "M", "kind": "mean", "numerator_event": "click"}
STEPS = [{"event": "impression"}, {"event": "click"}]
FUNNEL = {"kind": "funnel", "numerator_event": "", "steps": STEPS}


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "ratio"}, "only_a_ratio_has_denominator"),
        ({"denominator_event": "click"}, "only_a_ratio_has_denominator"),
        ({"numerator_event": ""}, "a_funnel_has_steps_all_else_a_numerator"),
        ({"steps": STEPS}, "a_funnel_has_steps_all_else_a_numerator"),
        (FUNNEL | {"steps": []}, "a_funnel_has_steps_all_else_a_numerator"),
        (FUNNEL | {"numerator_event": "click"}, "a_funnel_has_steps_all_else_a_numerator"),
        ({"kind": "quantile"}, "only_a_quantile_has_one"),
        ({"kind": "quantile", "quantile": 1.0}, "only_a_quantile_has_one"),
        ({"quantile": 0.5}, "only_a_quantile_has_one"),
        ({"per": "event"}, "only_a_quantile_has_one"),
        ({"kind": "retention"}, "who_returns_does_so_in_a_window"),
        ({"window_hours": 24, "delay_hours": 24}, "window_closes_after_the_delay"),
        ({"cap_value": 0}, "one_cap_at_most_above_zero"),
        ({"cap_value": 5, "cap_share": 0.9}, "one_cap_at_most_above_zero"),
        ({"cap_share": 1}, "cap_share_is_a_share"),
        ({"numerator_value": "distinct"}, "numerator_field_is_of_distinct"),
        ({"numerator_field": "item_id"}, "numerator_field_is_of_distinct"),
        ({"denominator_field": "item_id"}, "denominator_field_is_of_distinct"),
    ],
)
def test_a_metric_that_cannot_be_counted_is_kept_out(values: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Metric.objects.create(**SOUND | values)
    with pytest.raises(ValidationError) as told:  # and a form says so first, at a field
        Metric(**SOUND | values).clean()
    assert set(told.value.message_dict) <= set(SOUND | FUNNEL) | {
        *("quantile", "per", "window_hours", "cap_value", "cap_share", "denominator_event"),
        *("numerator_field", "numerator_value", "denominator_field"),
    }


@pytest.mark.parametrize(
    "values",
    [
        {},
        FUNNEL,
        {"kind": "quantile", "quantile": 0.9},
        {"kind": "retention", "window_hours": 192, "delay_hours": 24},
        {"kind": "ratio", "denominator_event": "impression"},
        {"numerator_value": "distinct", "numerator_field": "item_id"},
    ],
)
def test_a_sound_one_is_let_in(values: dict[str, Any]) -> None:
    Metric(**SOUND | values).full_clean()
    assert Metric.objects.create(**SOUND | values).pk


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"per_unit": 0}, "rate_is_above_zero"),
        ({"currency": "inr"}, "currency_is_a_code"),
        ({"currency": "IN"}, "currency_is_a_code"),
        ({}, "one_rate_a_day"),
    ],
)
def test_a_rate_that_makes_no_sense_is_kept_out(values: dict[str, Any], constraint: str) -> None:
    sound = {"currency": "INR", "day": date(2026, 11, 1), "per_unit": "0.0118"}
    Rate.objects.create(**sound)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Rate.objects.create(**sound | values)
