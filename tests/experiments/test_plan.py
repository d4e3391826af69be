"""The plan is fixed by the start: the database itself refuses what pages and API do not offer."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from experiments import lifecycle
from experiments.models import Experiment, Layer
from tests.experiments.plans import NOON, draft

pytestmark = pytest.mark.django_db
CHANGED: dict[str, Any] = {
    "key": "other",
    "type": "aa",
    "is_template": True,
    "unit": "device_id",
    "cluster": "user_id",
    "switch_hours": 3,
    "burn_in_minutes": 9,
    "first_bucket": 7,
    "end_bucket": 70,
    "targeting": {"country": "IN"},
    "confidence": Decimal("0.9"),
    "analysis": "fixed",
    "spending": "pocock",
    "correction": "bh",
    "prior": "own",
    "prior_mean": 0.01,
    "prior_sd": 0.02,
    "cuped": False,
    "pre_days": 3,
    "slices": ["country"],
    "planned_days": 28,
    "planned_units": 1000,
    "layer": "ranking",
    "sticky": True,
    "fallback": "device_id",
}
FREE: dict[str, Any] = {
    "name": "Other",
    "hypothesis": "h",
    "tags": ["a"],
    "links": [],
    "coverage": Decimal("0.9"),
    "phase": 2,
    "holdback": Decimal("0.1"),
    "status": "paused",
}


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def given(field: str) -> Any:
    return Layer.objects.create(key="ranking", name="Ranking") if field == "layer" else (CHANGED | FREE)[field]


@pytest.mark.parametrize("field", CHANGED)
def test_what_the_inference_rests_on_changes_in_a_draft_and_never_after_the_start(field: str) -> None:
    experiment, value = draft(), given(field)
    if field != "is_template":  # a template does not start
        Experiment.objects.filter(pk=draft("free").pk).update(**{field: value})
    lifecycle.start(experiment.pk, actor="pm", at=NOON)
    with pytest.raises(DatabaseError, match="cannot change"), transaction.atomic():
        Experiment.objects.filter(pk=experiment.pk).update(**{field: value})


@pytest.mark.parametrize("field", FREE)
def test_the_rest_may_move_on(field: str) -> None:
    experiment = lifecycle.start(draft(coverage="0.5").pk, actor="pm", at=NOON)
    assert Experiment.objects.filter(pk=experiment.pk).update(**{field: FREE[field]}) == 1


def test_every_field_is_either_fixed_or_free_or_made_by_the_commands() -> None:
    """A field that comes later must be thought about."""
    made = {
        *("id", "owner", "copied_from", "submitted_by", "reviewed_by", "review_note", "scheduled_for", "started_at"),
        *("paused_at", "stopped_at", "decision", "decided_at", "decided_by", "decision_note", "decision_look"),
        *("shipped_arm", "created_at", "testers", "pieces", "dealt_in", "refused_before"),
    }
    assert {field.name for field in Experiment._meta.concrete_fields} == {*CHANGED, *FREE, *made}
