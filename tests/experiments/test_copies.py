"""A copy is the whole plan and nothing of what happened to it."""

from decimal import Decimal
from typing import Any

import pytest

from experiments import lifecycle
from experiments.lifecycle import UnableToCopy
from experiments.models import Experiment, FurtherLayer, Layer, Status
from firstlight.accounts.models import AuditEntry
from tests.experiments.plans import DAY, NOON, draft, person, ramp, scenario

pytestmark = pytest.mark.django_db

# What a copy does not take over: its own identity, and everything that happened.
OWN = {
    *("id", "key", "name", "owner", "is_template", "copied_from", "status", "phase", "submitted_by", "reviewed_by"),
    *("review_note", "scheduled_for", "started_at", "paused_at", "stopped_at", "decision", "decided_at", "decided_by"),
    *("decision_note", "decision_look", "shipped_arm", "created_at"),
}
LINES = {
    "arms": ("position", "key", "name", "weight", "parameters", "objective_weights"),
    "measured": ("metric_id", "role", "margin", "version"),
    "further_layers": ("layer_id", "first_bucket", "end_bucket"),
    "ramp": ("position", "coverage", "hold_hours", "least_units", "outcome", "entered_at", "left_at", "evidence"),
}


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def full() -> Experiment:
    """Nothing at its default, and run to the end."""
    ranking, price = (Layer.objects.create(key=key, name=key) for key in ("ranking", "price"))
    plan: dict[str, Any] = {
        "hypothesis": "h",
        "tags": ["a"],
        "links": [{"label": "x", "url": "https://x"}],
        "unit": "session_id",
    }
    plan |= {"cluster": "user_id", "switch_hours": 5, "burn_in_minutes": 7, "layer": ranking, "first_bucket": 5}
    plan |= {"end_bucket": 70, "targeting": {"country": "IN"}, "confidence": Decimal("0.9"), "analysis": "fixed"}
    plan |= {"spending": "pocock", "correction": "bh", "prior": "own", "prior_mean": 0.01, "prior_sd": 0.02}
    plan |= {"cuped": False, "pre_days": 3, "slices": ["country"], "planned_days": 9, "planned_units": 1000}
    plan |= {"coverage": Decimal("0.25"), "holdback": Decimal("0.1"), "type": "holdout"}
    experiment = draft("source", scenario("home"), scenario("search"), owner=person("ann"), **plan)
    FurtherLayer.objects.create(experiment=experiment, layer=price, first_bucket=3, end_bucket=9)
    ramp(experiment, ("0.25", 3, 4), ("0.5", 5, 6))
    experiment.arms.filter(key="new").update(name="New", objective_weights={"user": 1, "merchant": 0, "platform": 0})
    experiment.measured.update(margin=Decimal("0.07"))
    return experiment


def plan_of(experiment: Experiment) -> dict[str, Any]:
    values = Experiment.objects.filter(pk=experiment.pk).values().get()
    kept = {name: value for name, value in values.items() if name.removesuffix("_id") not in OWN and name not in OWN}
    lines = {name: list(getattr(experiment, name).values_list(*fields)) for name, fields in LINES.items()}
    return kept | lines | {"scenarios": sorted(experiment.scenarios.values_list("key", flat=True))}


def copy(of: Experiment, key: str = "again", **more: Any) -> Experiment:
    return lifecycle.copy(of.pk, actor="bob", at=NOON + DAY, key=key, **more)


def test_a_copy_has_every_field_of_the_plan_however_the_old_one_ended(full: Experiment) -> None:
    planned = plan_of(full)
    lifecycle.start(full.pk, actor="ann", at=NOON)
    lifecycle.stop(full.pk, actor="ann", at=NOON)
    new = Experiment.objects.get(pk=copy(full, name="Again").pk)
    assert plan_of(new) == planned
    assert (new.key, new.name, new.status, new.phase, new.copied_from) == ("again", "Again", Status.DRAFT, 1, full)
    assert new.started_at is None and not new.claims.exists() and not new.phases.exists()


def test_it_belongs_to_who_copies_and_the_trail_says_so(full: Experiment) -> None:
    bob = person("bob")
    assert copy(full).owner == bob
    entry = AuditEntry.objects.get(subject="again")
    assert (entry.actor, entry.action) == ("bob", "created") and entry.changes["arms"][1]


def test_who_is_no_person_copies_for_the_owner(full: Experiment) -> None:
    assert lifecycle.copy(full.pk, actor="key k1", at=NOON, key="again").owner == full.owner


def test_from_a_template_comes_what_can_start() -> None:
    template = draft("template", is_template=True)
    new = copy(template)
    assert not new.is_template
    assert lifecycle.start(new.pk, actor="pm", at=NOON).status == Status.RUNNING
    assert copy(new, "form", is_template=True).is_template


@pytest.mark.parametrize(
    ("key", "words"),
    [("source", "there already"), ("no blanks", "Use letters"), ("", "Use letters"), ("x" * 101, "at most 100")],
)
def test_a_key_that_cannot_be_is_refused(full: Experiment, key: str, words: str) -> None:
    with pytest.raises(UnableToCopy, match=words):
        copy(full, key)
    assert Experiment.objects.count() == 1
