from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import TestCase

from firstlight.accounts import audit
from firstlight.accounts.models import ApiKey, AuditEntry, User

published: list[int] = []


def publish():
    published.append(1)


def fail():
    raise RuntimeError("no snapshot today")


@pytest.mark.django_db
def test_only_the_fields_that_differ_are_kept():
    audit.record(
        "ada", "changed", "scenario", "home", before={"name": "A", "x": 1}, after={"name": "B", "x": 1, "y": 2}
    )
    assert AuditEntry.objects.get().changes == {"name": ["A", "B"], "y": [None, 2]}


@pytest.mark.django_db
def test_nothing_changed_is_nothing_recorded():
    audit.record("ada", "changed", "scenario", "home", before={"x": 1}, after={"x": 1})
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts_auditentry SET actor = 'nobody'",
        "DELETE FROM accounts_auditentry",
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(change):
    audit.record("ada", "created", "scenario", "home", before={}, after={"x": 1})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert AuditEntry.objects.get().actor == "ada"


@pytest.mark.django_db
def test_a_state_is_plain_json_with_related_rows_by_name():
    user = User.objects.create(username="ada")
    key = ApiKey.objects.create(public_id="k", name="n", secret_hash=b"h", scopes=["read"], created_by=user)
    state = audit.state(key)
    assert state["created_by"] == "ada"
    assert state["scopes"] == ["read"]
    assert state["created_at"] == key.created_at.isoformat()
    assert "secret_hash" not in state
    assert "id" not in state


@pytest.mark.django_db
def test_numbers_are_kept_exactly_and_children_by_name():
    from experiments.models import Experiment
    from firstlight.catalog.models import Scenario

    experiment = Experiment.objects.create(key="e", name="E", coverage=Decimal("0.1"))
    experiment.scenarios.set([Scenario.objects.create(key=k, name=k) for k in ("search", "home")])
    experiment.arms.create(key="control", weight=Decimal("0.5"), parameters={"ranker": "din"})
    state = audit.state(experiment, "arms")
    assert state["coverage"] == "0.1"
    assert state["scenarios"] == ["home", "search"]
    assert state["arms"][0]["parameters"] == {"ranker": "din"}
    assert state["arms"][0]["experiment"] == "e"
    assert "metrics" not in state  # its rows carry more than a link; ask for them as children


class AfterTheCommit(TestCase):
    def setUp(self):
        published.clear()

    def test_many_changes_are_published_once(self):
        with self.settings(AFTER_CHANGE=f"{__name__}.publish"), self.captureOnCommitCallbacks(execute=True):
            for i in range(3):
                audit.record("ada", "created", "item", str(i), before={}, after={})
        assert published == [1]

    def test_what_was_rolled_back_is_not_published(self):
        with (
            self.settings(AFTER_CHANGE=f"{__name__}.publish"),
            self.captureOnCommitCallbacks(execute=True),
            pytest.raises(ZeroDivisionError),
            transaction.atomic(),
        ):
            audit.record("ada", "created", "item", "1", before={}, after={})
            raise ZeroDivisionError
        assert published == []

    def test_a_failing_publication_does_not_undo_the_change(self):
        with (
            self.settings(AFTER_CHANGE=f"{__name__}.fail"),
            self.assertLogs("django.test", "ERROR"),
            self.captureOnCommitCallbacks(execute=True),
        ):
            audit.record("ada", "created", "item", "1", before={}, after={})
        assert AuditEntry.objects.count() == 1
