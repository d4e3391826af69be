from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from firstlight.accounts.models import AuditEntry
from firstlight.snapshots import memory, publication, returning
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.models import Hold, Part, Version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def states(toys: Any) -> list[int]:
    """Three versions: a is 1, 2, 3; the second section goes on whatever is held."""
    toys[1].goes_on = True
    numbers = []
    for content in (b"1", b"2", b"3"):
        toys[0].content, toys[1].content = {"a": content, "b": b"always"}, {"key": b"k" + content}
        numbers.append(publication.publish())
    return numbers


def back(to: int, actor: str = "ana", at: datetime | None = None) -> int:
    return returning.roll_back(to, actor=actor, at=at or timezone.now(), reason="orders fell")


def held() -> tuple[str, str]:
    here = memory.refresh()
    return here.state("one")["a"], here.state("two")["key"]


def test_rolling_back_is_a_new_version_of_the_old_parts(states: list[int]) -> None:
    n_parts = Part.objects.count()
    number = back(states[0])
    assert number > states[-1], "numbers only grow: every process takes it as any other version"
    assert held() == ("1", "k3"), "what decides is as it was; what may be asked is the present"
    assert memory.current().returns_to == states[0]
    assert Part.objects.count() == n_parts, "nothing is stored twice"


def test_what_changes_meanwhile_waits_until_somebody_lifts_the_hold(states: list[int], toys: Any) -> None:
    back(states[0])
    toys[0].content = {"a": b"4"}
    assert publication.publish() == memory.refresh().number, "nothing new to say"
    assert held()[0] == "1"
    toys[1].content = {"key": b"k4"}
    publication.publish()
    assert held() == ("1", "k4"), "a revoked key is closed all the same"
    returning.lift(actor="ana", at=timezone.now())
    assert held() == ("4", "k4")
    assert memory.current().returns_to is None
    with pytest.raises(returning.UnableToReturn, match="Nothing is held back"):
        returning.lift(actor="ana", at=timezone.now())


def test_a_second_rollback_takes_the_place_of_the_first(states: list[int]) -> None:
    back(states[0])
    back(states[1], "bo")
    assert held()[0] == "2"
    assert [(hold.returns_to, hold.lifted_by) for hold in Hold.objects.all()] == [(states[1], ""), (states[0], "bo")]


def test_the_trail_says_who_and_why(states: list[int]) -> None:
    back(states[1])
    returning.lift(actor="bo", at=timezone.now())
    said = [(e.actor, e.action, e.changes["state"]) for e in AuditEntry.objects.order_by("id")]
    first, second = f"snapshot {states[2]}", f"snapshot {states[1]}"
    assert said == [("ana", "rolled back", [first, second]), ("bo", "lifted", [second, "the present"])]
    assert AuditEntry.objects.order_by("id")[0].changes["reason"] == [None, "orders fell"]


def test_a_state_that_is_not_there_or_not_sound_is_refused(states: list[int]) -> None:
    for number, words in ((10**9, "no snapshot"), (states[2], "the one in force")):
        with pytest.raises(returning.UnableToReturn, match=words):
            back(number)
    Part.objects.filter(payload=b"2").update(payload=b"5")
    Version.objects.filter(number=states[0]).update(signature="0" * 64)
    for number in states[:2]:
        with pytest.raises(returning.UnableToReturn, match="damaged"):
            back(number)
    assert held()[0] == "3"
    assert not Hold.objects.exists()


def test_what_a_hold_keeps_outlives_the_version_that_it_returned_to(states: list[int]) -> None:
    back(states[0])
    Version.objects.filter(number__lte=states[2]).update(
        created_at=timezone.now() - publication.KEEP - timedelta(hours=1)
    )
    publication.forget_old()
    assert Version.objects.count() == 1
    publication.publish()
    assert held()[0] == "1"


def test_a_hold_over_a_damaged_version_publishes_nothing_in_its_place(states: list[int], toys: Any) -> None:
    """Else serving would fall from an earlier state to none."""
    number = back(states[0])
    newest = Version.objects.get(number=number)
    Part.objects.filter(digest=newest.lists["one"][0]).update(payload=b"{}")
    with pytest.raises(Damaged):
        publication.publish()
    assert Version.objects.first() == newest
