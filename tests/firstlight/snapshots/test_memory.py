import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from firstlight.snapshots import memory, publication
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.models import Part, Version

pytestmark = pytest.mark.django_db(transaction=True)


def soon(holds: Callable[[], bool], seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


@pytest.fixture
def watched(toys: Any) -> Iterator[Any]:
    toys[0].content, toys[1].content = {"a": b"1", "b": b"2"}, {"c": b"3"}
    publication.publish()
    memory.watch()
    yield toys
    memory.forget()


def _number() -> int:
    try:
        return memory.current().number
    except memory.NoSnapshot:
        return 0


def test_before_the_first_version_there_is_nothing_to_hold(toys: Any) -> None:
    with pytest.raises(memory.NoSnapshot):
        memory.current()
    assert memory.seconds_unchecked() == float("inf")
    with pytest.raises(memory.NoSnapshot):
        memory.refresh()
    assert memory.seconds_unchecked() < 1


def test_who_starts_to_watch_holds_the_newest_version_at_once(watched: Any) -> None:
    """Else a web process that joins a server under load would refuse its first requests."""
    assert memory.current().state("one") == {"a": "1", "b": "2"}


def test_a_watch_starts_also_while_the_database_is_away(toys: Any, settings: Any) -> None:
    toys[0].content = {"a": b"1"}
    publication.publish()
    reachable = settings.DATABASES["default"]["NAME"]
    settings.DATABASES["default"]["NAME"] = "away"
    try:
        memory.watch()
        assert _number() == 0
        settings.DATABASES["default"]["NAME"] = reachable
        assert soon(lambda: _number() > 0), "and the next look finds it"
    finally:
        settings.DATABASES["default"]["NAME"] = reachable
        memory.forget()


def test_it_holds_what_was_published(toys: Any) -> None:
    toys[0].content = {"a": b"1", "b": b"1"}
    number = publication.publish()
    held = memory.refresh()
    assert held.number == number
    assert held.state("one") == {"a": "1", "b": "1"}
    assert held.state("two") == {}
    assert 0 <= held.age < 5


def test_only_what_changed_is_loaded(toys: Any) -> None:
    toys[0].content, toys[1].content = {"a": b"1", "b": b"2"}, {"c": b"3"}
    publication.publish()
    memory.refresh()
    toys[0].content = {"a": b"1", "b": b"9"}
    publication.publish()
    assert memory.refresh().state("one") == {"a": "1", "b": "9"}
    assert (toys[0].loads, toys[1].loads) == (3, 1)
    assert (toys[0].gathers, toys[1].gathers) == (2, 1)


def test_a_change_is_seen_within_two_seconds(watched: Any) -> None:
    watched[0].content = {"a": b"new"}
    number = publication.publish()
    assert soon(lambda: memory.current().number == number, 2.0)
    assert memory.current().state("one") == {"a": "new"}


@pytest.mark.parametrize("harm", ["altered", "removed"])
def test_a_damaged_version_is_refused_and_the_last_good_one_stays(watched: Any, harm: str) -> None:
    good = memory.current()
    watched[0].content = {"a": b"precious"}
    with memory_blinded():
        number = publication.publish()
        part = Part.objects.get(payload=b"precious")
        Part.objects.filter(pk=part.pk).update(payload=b"pernicious") if harm == "altered" else part.delete()
    with pytest.raises(Damaged, match=part.digest):
        memory.refresh()
    assert memory.current() is good
    Part.objects.filter(pk=part.pk).delete()
    publication.publish()
    assert soon(lambda: memory.current().number == number), "mended, it is taken"


class memory_blinded:  # noqa: N801 - reads as a word at its use
    """Nobody sees what is committed within the block until its end."""

    def __enter__(self) -> None:
        memory._watch._looking.acquire()

    def __exit__(self, *_: object) -> None:
        memory._watch._looking.release()


def test_after_a_restored_backup_the_lower_number_is_taken(watched: Any) -> None:
    watched[0].content = {"a": b"later"}
    publication.publish()
    assert soon(lambda: memory.current().state("one") == {"a": "later"})
    Version.objects.filter(number=memory.current().number).delete()
    assert soon(lambda: memory.current().state("one") == {"a": "1", "b": "2"})


def test_a_killed_connection_is_replaced(watched: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name='snapshots'"
        )
        assert cursor.fetchone()[0] == 1
    watched[0].content = {"a": b"after"}
    number = publication.publish()
    assert soon(lambda: memory.current().number == number, 3.0)


def test_a_forked_child_goes_on_watching(watched: Any) -> None:
    read, write = os.pipe()
    before = memory.current().number
    child = os.fork()
    if child == 0:
        os.write(write, b"r" if memory.current().number == before else b"x")
        os.write(write, b"n" if soon(lambda: memory.current().number > before, 4.0) else b"x")
        os._exit(0)
    assert os.read(read, 1) == b"r", "the child starts with what its parent held"
    watched[0].content = {"a": b"for parent and child"}
    publication.publish()
    assert os.read(read, 1) == b"n", "and sees what comes"
    assert soon(lambda: memory.current().number > before), "as does the parent, on its own connection"
    os.waitpid(child, 0)
