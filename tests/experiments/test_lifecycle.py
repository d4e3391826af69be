"""Starting and stopping, and what is refused in words."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import DatabaseError

from experiments import lifecycle
from experiments.lifecycle import UnableToStart, UnableToStop
from experiments.models import Claim, Experiment, Layer, Look, MetricRole, Status
from firstlight.accounts.models import AuditEntry
from firstlight.catalog.models import Scenario
from firstlight.metrics import versions
from firstlight.metrics.models import Metric
from tests.experiments.plans import NOON, draft

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    """What follows a change is another room's."""
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def home() -> Scenario:
    return Scenario.objects.create(key="home", name="Home")


@pytest.fixture
def search() -> Scenario:
    return Scenario.objects.create(key="search", name="Search")


@pytest.fixture
def layer() -> Layer:
    return Layer.objects.create(key="ranking", name="Ranking")


def start(experiment: Experiment) -> Experiment:
    return lifecycle.start(experiment.pk, actor="pm", at=NOON)


def test_it_runs_from_the_time_it_was_given_and_the_trail_says_who(home: Scenario) -> None:
    started = start(draft("ranker", home))
    started.refresh_from_db()
    assert (started.status, started.started_at) == (Status.RUNNING, NOON)
    entry = AuditEntry.objects.get(subject="ranker")
    assert (entry.actor, entry.action, entry.changes["status"]) == ("pm", "started", ["draft", "running"])


def test_starting_twice_is_refused_in_words(home: Scenario) -> None:
    experiment = start(draft("ranker", home))
    with pytest.raises(UnableToStart, match="“ranker” is already running"):
        start(experiment)


def test_stopping_frees_the_buckets_and_is_final(home: Scenario, layer: Layer) -> None:
    experiment = start(draft("ranker", home, layer=layer))
    stopped = lifecycle.stop(experiment.pk, actor="pm", at=NOON + timedelta(days=3))
    assert (stopped.status, stopped.stopped_at) == (Status.STOPPED, NOON + timedelta(days=3))
    assert [claim.released_at for claim in Claim.objects.all()] == [NOON + timedelta(days=3)]
    with pytest.raises(UnableToStop, match="already stopped"):
        lifecycle.stop(experiment.pk, actor="pm", at=NOON)
    with pytest.raises(UnableToStart, match=r"is stopped; .* copy it to try again"):
        start(experiment)
    start(draft("next", home, layer=layer))


def test_a_draft_cannot_be_stopped_nor_one_before_it_started(home: Scenario) -> None:
    experiment = draft("ranker", home)
    with pytest.raises(UnableToStop, match="“ranker” is a draft; only what is running or paused can be stopped"):
        lifecycle.stop(experiment.pk, actor="pm", at=NOON)
    start(experiment)
    with pytest.raises(UnableToStop, match="started later"):
        lifecycle.stop(experiment.pk, actor="pm", at=NOON - timedelta(hours=1))


def _no_arms(experiment: Experiment) -> None:
    experiment.arms.all().delete()


def _one_arm(experiment: Experiment) -> None:
    experiment.arms.filter(key="new").delete()


def _light(experiment: Experiment) -> None:
    experiment.arms.filter(key="new").update(weight=Decimal("0.4"))


def _empty_arm(experiment: Experiment) -> None:
    experiment.arms.filter(key="new").update(weight=0)
    experiment.arms.filter(key="control").update(weight=1)


def _only_shown(experiment: Experiment) -> None:
    experiment.measured.update(role=MetricRole.SECONDARY)


def _nowhere(experiment: Experiment) -> None:
    experiment.scenarios.clear()


def _nobody(experiment: Experiment) -> None:
    Experiment.objects.filter(pk=experiment.pk).update(coverage=0)


def _weights(**weights: Any) -> Any:
    return lambda experiment: experiment.arms.filter(key="new").update(objective_weights=weights)


def _list(experiment: Experiment) -> None:
    experiment.arms.filter(key="new").update(parameters=["ranker"])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_no_arms, "It has no arms"),
        (_one_arm, "at least two arms"),
        (_light, "sum to 0.9, not to 1"),
        (_empty_arm, "“new” has no share"),
        (_only_shown, "no goal"),
        (_nowhere, "in no scenario"),
        (_nobody, "coverage is 0"),
        (_weights(user=1.0), "exactly user, merchant and platform"),
        (_weights(user=0.5, merchant=0.5, platform=0.5), "sum to 1.5"),
        (_weights(user="a", merchant=0.5, platform=0.5), "numbers from 0 to 1"),
        (_weights(user=True, merchant=0, platform=0), "numbers from 0 to 1"),
        (_list, "not names with values"),
    ],
)
def test_what_cannot_run_is_refused_in_words(home: Scenario, fault: Any, words: str) -> None:
    experiment = draft("ranker", home)
    fault(experiment)
    with pytest.raises(UnableToStart, match=words):
        start(experiment)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.started_at) == (Status.DRAFT, None)
    assert not AuditEntry.objects.filter(subject="ranker").exists()


def test_everything_that_is_in_the_way_is_said_at_once(home: Scenario) -> None:
    experiment = draft("ranker", home)
    _no_arms(experiment)
    _nowhere(experiment)
    with pytest.raises(UnableToStart, match=r"no arms\. It runs in no scenario"):
        start(experiment)


def test_buckets_that_are_held_are_refused_with_the_holder(home: Scenario, layer: Layer) -> None:
    start(draft("ranker", home, layer=layer, first_bucket=0, end_bucket=5000))
    with pytest.raises(UnableToStart, match=r"4,000 to 9,000 .* held by “ranker” \(0 to 5,000\)"):
        start(draft("late", home, layer=layer, first_bucket=4000, end_bucket=9000))
    start(draft("other", home, layer=layer, first_bucket=5000, end_bucket=10_000))


def test_the_database_itself_refuses_overlapping_buckets(home: Scenario, layer: Layer) -> None:
    start(draft("ranker", home, layer=layer))
    claim = Claim.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Claim.objects.create(experiment=draft("late", home), span=claim.span)


def test_a_parameter_belongs_to_one_layer(home: Scenario, search: Scenario, layer: Layer) -> None:
    start(draft("ranker", home, layer=layer, end_bucket=5000, parameters="model"))
    for other in (None, Layer.objects.create(key="other", name="Other")):
        with pytest.raises(UnableToStart, match="“ranker” runs in the same scenario and sets “model” too"):
            start(draft(f"rival-{other}", home, layer=other, parameters="model"))
    start(draft("elsewhere", search, parameters="model"))
    start(draft("apart", home, parameters="colour"))
    start(draft("sharing", home, layer=layer, first_bucket=5000, parameters="model"))


def test_two_that_bring_objective_weights_conflict_as_over_a_parameter(home: Scenario) -> None:
    both = [draft(key, home) for key in ("one", "two")]
    for experiment in both:
        experiment.arms.filter(key="new").update(objective_weights={"user": 1.0, "merchant": 0.0, "platform": 0.0})
    start(both[0])
    with pytest.raises(UnableToStart, match="sets its own objective weights too"):
        start(both[1])


def test_a_layer_is_split_by_one_kind_of_unit(home: Scenario, layer: Layer) -> None:
    start(draft("ranker", home, layer=layer, end_bucket=5000))
    with pytest.raises(
        UnableToStart, match="splits the layer “Ranking” by user, so this one cannot split it by device"
    ):
        start(draft("late", home, layer=layer, first_bucket=5000, unit="device_id"))


def test_a_look_can_be_added_and_neither_changed_nor_deleted(home: Scenario) -> None:
    experiment = start(draft("ranker", home))
    look = Look.objects.create(
        experiment=experiment, number=1, until=NOON, batch=1, verdict="end", sentence="", results={}
    )
    for change in (lambda: Look.objects.update(sentence="x"), look.delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()


def test_the_start_pins_the_definitions_of_its_metrics(home: Scenario) -> None:
    experiment = draft("ranker", home)
    measured = experiment.measured.get()
    assert measured.version is None
    start(experiment)
    measured.refresh_from_db()
    pinned = versions.definition(measured.metric, measured.version)
    assert pinned.numerator.event == "click"
    Metric.objects.filter(pk=measured.metric.pk).update(numerator_event="cart")
    changed = Metric.objects.get(pk=measured.metric.pk)
    assert versions.definition(changed, measured.version) == pinned
    start(draft("later", home))
    later = Experiment.objects.get(key="later").measured.get()
    assert measured.version is not None and later.version == measured.version + 1
    assert versions.definition(changed, later.version).numerator.event == "cart"
