"""Review by somebody else, where a scenario asks for it."""

from typing import Any

import pytest

from experiments import lifecycle
from experiments.lifecycle import UnableToReview, UnableToSchedule, UnableToStart
from experiments.models import Claim, Experiment, Layer, Status
from firstlight.accounts.models import ApiKey, AuditEntry
from tests.experiments.plans import DAY, NOON, draft, person, scenario

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def plan() -> Experiment:
    """Ann's, in a scenario that asks for a review and one that does not."""
    home = scenario("home", review_required=True)
    return draft("ranker", home, scenario("search"), owner=person("ann"))


def do(command: str, of: Experiment, actor: str, **more: Any) -> Experiment:
    done: Experiment = getattr(lifecycle, command)(of.pk, actor=actor, at=NOON, **more)
    return done


def test_it_starts_by_way_of_a_review_alone(plan: Experiment) -> None:
    for command, more, refusal in (
        ("start", {}, UnableToStart),
        ("schedule", {"start_at": NOON + DAY}, UnableToSchedule),
    ):
        with pytest.raises(refusal, match="“Home” asks for a review before the start"):
            do(command, plan, "ann", **more)
    do("submit", plan, "bob")
    with pytest.raises(UnableToStart, match="Its review is not done"):
        do("start", plan, "ann")
    approved = do("approve", plan, "eve", note="Fine.")
    assert (approved.status, approved.reviewed_by, approved.review_note) == (Status.IN_REVIEW, "eve", "Fine.")
    assert do("start", plan, "ann").status == Status.RUNNING


@pytest.mark.parametrize("author", ["ann", "bob"])
def test_neither_owner_nor_submitter_approves(plan: Experiment, author: str) -> None:
    do("submit", plan, "bob")
    with pytest.raises(UnableToReview, match="neither owns nor submitted"):
        do("approve", plan, author)
    plan.refresh_from_db()
    assert plan.reviewed_by == ""


def test_a_key_approves_for_who_made_it(plan: Experiment) -> None:
    """An owner does not become somebody else by a key of theirs."""
    for public_id, maker in (("k1", "ann"), ("k2", "eve")):
        ApiKey.objects.create(
            public_id=public_id, name=maker, secret_hash=b"", scopes=["manage"], created_by=person(maker)
        )
    do("submit", plan, "key k1")
    with pytest.raises(UnableToReview):
        do("approve", plan, "key k1")
    with pytest.raises(UnableToReview):
        do("approve", plan, "ann")
    assert do("approve", plan, "key k2").reviewed_by == "key k2"


def test_where_no_scenario_asks_anybody_may_approve_and_nobody_must() -> None:
    free = draft("free", owner=person("ann"))
    do("submit", free, "ann")
    assert do("approve", free, "ann").reviewed_by == "ann"
    assert do("start", draft("other"), "ann").status == Status.RUNNING


def test_twice_approved_is_refused(plan: Experiment) -> None:
    do("submit", plan, "bob")
    do("approve", plan, "eve")
    with pytest.raises(UnableToReview, match="approved by eve already"):
        do("approve", plan, "kim")


def test_a_returned_plan_needs_a_review_of_its_own(plan: Experiment) -> None:
    do("submit", plan, "bob")
    do("approve", plan, "eve")
    returned = do("return_to_draft", plan, "kim", note="Which margin?")
    assert (returned.status, returned.reviewed_by, returned.review_note) == (Status.DRAFT, "", "Which margin?")
    with pytest.raises(UnableToStart, match="asks for a review"):
        do("start", plan, "ann")
    assert do("submit", plan, "ann").review_note == ""
    with pytest.raises(UnableToStart, match="Its review is not done"):
        do("start", plan, "ann")


def test_a_scheduled_one_that_is_returned_lets_go_of_its_buckets(plan: Experiment) -> None:
    Experiment.objects.update(layer=Layer.objects.create(key="ranking", name="Ranking"))
    do("submit", plan, "bob")
    do("approve", plan, "eve")
    do("schedule", plan, "ann", start_at=NOON + DAY)
    assert Claim.objects.filter(released_at=None).count() == 1
    returned = do("return_to_draft", plan, "ann")
    assert returned.scheduled_for is None
    assert not Claim.objects.filter(released_at=None).exists()


def test_a_scenario_that_begins_to_ask_stops_what_was_scheduled_without() -> None:
    plan = draft("ranker")
    do("schedule", plan, "ann", start_at=NOON + DAY)
    plan.scenarios.update(review_required=True)
    with pytest.raises(UnableToStart, match="asks for a review"):
        do("start", plan, "ann")


def test_the_trail_tells_the_whole_review(plan: Experiment) -> None:
    do("submit", plan, "bob")
    do("return_to_draft", plan, "eve", note="Which margin?")
    told = [(one.actor, one.action) for one in AuditEntry.objects.order_by("id")]
    assert told == [("bob", "submitted"), ("eve", "returned to draft")]
