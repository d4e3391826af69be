from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from firstlight.accounts.models import AuditEntry, User
from firstlight.catalog.models import Scenario
from firstlight.objectives import section, weights
from firstlight.objectives.models import Weights
from firstlight.snapshots.sections import Request

HALVES = {"user": "0.5", "merchant": "0.25", "platform": "0.25"}
BUYER = {"user": 1, "merchant": 0, "platform": 0}


@pytest.fixture
def home(db):
    return Scenario.objects.create(key="home_feed", name="Home")


def served(scenario="home_feed", recent=(), **answer):
    state = section.gather({name: section.load(part) for name, part in section.compile(timezone.now()).items()})
    request = Request(
        unit={"user_id": "u"}, scenario=scenario, trace_id="t", at=datetime(2026, 11, 23, tzinfo=UTC), recent=recent
    )
    section.decide(state, request, answer)
    return answer


def test_versions_count_up_over_the_stages_of_a_scenario(home):
    User.objects.create(username="ada")
    first = weights.publish_version(home, "", HALVES, "a start", "ada")
    second = weights.publish_version(home, "bought", BUYER, "thank them", "ada")
    assert (first.version, second.version, first.created_by.username) == (1, 2, "ada")
    assert AuditEntry.objects.first().changes["stage"] == [None, "bought"]


def test_weights_in_force_make_no_new_version(home):
    weights.publish_version(home, "", HALVES, "", "ada")
    again = weights.publish_version(home, "", {"user": 0.5, "merchant": 0.25, "platform": 0.25}, "again", "ada")
    assert (again.version, Weights.objects.count(), AuditEntry.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "0.5", "merchant": "0.25", "platform": "0.2"},
        {"user": "1.2", "merchant": "-0.2", "platform": "0"},
        {"user": "0.3333", "merchant": "0.3333", "platform": "0.3334"},
        {"user": "NaN", "merchant": "0", "platform": "1"},
        {"user": "Infinity", "merchant": "0", "platform": "0"},
        {"user": "half", "merchant": "0", "platform": "0.5"},
        {"user": 1, "merchant": 0},
        {"user": 1, "merchant": 0, "platform": 0, "shareholder": 0},
        {},
    ],
)
def test_what_is_no_mix_of_three_is_refused_in_words(home, wrong):
    with pytest.raises(weights.UnableToPublish, match="weight"):
        weights.publish_version(home, "", wrong, "", "ada")
    assert not Weights.objects.exists()


def test_an_unknown_stage_is_refused(home):
    with pytest.raises(weights.UnableToPublish, match="stage"):
        weights.publish_version(home, "asleep", BUYER, "", "ada")


@pytest.mark.parametrize("change", ["UPDATE objectives_weights SET reason = 'x'", "DELETE FROM objectives_weights"])
def test_the_database_refuses_to_change_a_version(home, change):
    weights.publish_version(home, "", HALVES, "", "ada")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


def test_the_database_refuses_what_does_not_sum_to_one(home):
    with pytest.raises(DatabaseError, match="weights_sum_to_one"), transaction.atomic():
        Weights.objects.create(scenario=home, version=1, user=Decimal("0.5"), merchant=0, platform=0)


def test_a_scenario_without_weights_is_served_the_default(home):
    assert served()["objectives"] == {
        "weights": {"user": 0.6, "merchant": 0.15, "platform": 0.25},
        "source": "default",
        "version": 0,
    }


def test_the_newest_version_is_served(home):
    weights.publish_version(home, "", HALVES, "", "ada")
    weights.publish_version(home, "", BUYER, "", "ada")
    assert served()["objectives"] == {"weights": {**BUYER}, "source": "scenario", "version": 2}
    assert served("search")["objectives"]["source"] == "default"


def test_a_stage_goes_before_the_scenario_and_an_arm_before_both(home):
    weights.publish_version(home, "", HALVES, "", "ada")
    weights.publish_version(home, "bought", BUYER, "", "ada")
    bought = ({"event": "order"},)
    assert served()["objectives"]["source"] == "scenario"
    answer = served(recent=bought)
    assert (answer["journey_stage"], answer["objectives"]["source"]) == ("bought", "stage")
    assert answer["objectives"]["weights"] == BUYER
    arm = {"experiment": "kinder", "weights": {"user": 0.2, "merchant": 0.8, "platform": 0.0}}
    answer = served(recent=bought, _objective_weights=arm)
    assert answer["objectives"] == {"weights": arm["weights"], "source": "experiment:kinder", "version": 2}


def test_the_same_weights_compile_to_the_same_bytes(home):
    weights.publish_version(home, "bought", BUYER, "", "ada")
    weights.publish_version(home, "", HALVES, "", "ada")
    assert section.compile(timezone.now()) == section.compile(timezone.now())
    assert set(section.compile(timezone.now())) == {"home_feed"}
