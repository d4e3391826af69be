"""A web process takes over what was published by who has the key, and nothing else: rows are really altered here."""

import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from firstlight.snapshots import memory, publication, signing
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.models import Part, Version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def good(toys: Any) -> memory.Held:
    """Held, and another version after it that nobody has seen yet."""
    toys[0].content, toys[1].content = {"a": b"1", "b": b"2"}, {"c": b"3"}
    publication.publish()
    held = memory.refresh()
    toys[0].content = {"a": b"precious", "b": b"2"}
    publication.publish()
    return held


def newest() -> Any:
    return Version.objects.filter(number=Version.objects.order_by("-number")[0].number)


def list_of_a() -> Any:
    """The list that names “a”, of the newest version."""
    listed = Part.objects.filter(digest__in=newest().get().lists["one"])
    return Part.objects.filter(digest__in=[row.digest for row in listed if b'"a"' in bytes(row.payload)])


def cut(rows: Any) -> None:
    """As a write that was not finished leaves it."""
    row = rows.get()
    rows.update(payload=bytes(row.payload)[: len(row.payload) // 2])


def take_one_list_out() -> None:
    lists = newest().get().lists
    newest().update(lists={**lists, "one": lists["one"][:1]})


HARM: dict[str, Any] = {
    "a part was altered": lambda: Part.objects.filter(payload=b"precious").update(payload=b"pernicious"),
    "a part is half written": lambda: cut(Part.objects.filter(payload=b"precious")),
    "a part is empty": lambda: Part.objects.filter(payload=b"precious").update(payload=b""),
    "a part is gone": lambda: Part.objects.filter(payload=b"precious").delete(),
    "a list was altered": lambda: list_of_a().update(payload=b'{"a":"' + b"0" * 64 + b'"}'),
    "a list is half written": lambda: cut(list_of_a()),
    "a list is gone": lambda: list_of_a().delete(),
    "a list was left out": take_one_list_out,
    "a section was left out": lambda: newest().update(lists={}),
    "the time was altered": lambda: newest().update(created_at=timezone.now()),
    "the number was altered": lambda: newest().update(number=F("number") + 7),
    "it claims to restore": lambda: newest().update(returns_to=1),
    "there is no signature": lambda: newest().update(signature=""),
    "the signature is not ASCII": lambda: newest().update(signature="é" * 64),
}


@pytest.mark.parametrize("harm", HARM)
def test_it_is_refused_and_the_last_good_one_stays(good: memory.Held, harm: str) -> None:
    HARM[harm]()
    with pytest.raises(Damaged):
        memory.refresh()
    assert memory.current() is good


@pytest.mark.parametrize("harm", HARM)
def test_a_process_that_starts_meanwhile_takes_the_last_good_one(good: memory.Held, harm: str) -> None:
    HARM[harm]()
    memory.forget()
    with pytest.raises(Damaged):
        memory.refresh()
    assert memory.current().number == good.number
    assert memory.seconds_unchecked() == float("inf"), "and says that it does not know the newest"


def test_an_old_version_under_a_new_number_is_refused(good: memory.Held, toys: Any) -> None:
    """It would revive keys that were revoked."""
    old = Version.objects.get(number=good.number)
    old.number = 10**6
    old.save(force_insert=True)
    with pytest.raises(Damaged, match="not signed"):
        memory.refresh()
    assert memory.current() is good


def test_who_has_another_key_signs_for_nobody(good: memory.Held, settings: Any, toys: Any) -> None:
    settings.SNAPSHOT_KEY = "another"
    with pytest.raises(Damaged, match="not signed"):
        memory.refresh()
    before = newest().get()
    number = publication.publish()
    assert number > before.number, "the same state, signed anew"
    assert newest().get().lists == before.lists
    assert memory.refresh().number == number


def test_either_secret_signs_and_neither_is_the_key_itself(settings: Any) -> None:
    at, told = timezone.now(), {"one": ["0" * 64]}
    settings.SNAPSHOT_KEY, settings.SECRET_KEY = "", "a secret"
    by_secret_key = signing.signature(1, at, told, None)
    settings.SNAPSHOT_KEY, settings.SECRET_KEY = "a secret", "another"
    assert signing.signature(1, at, told, None) == by_secret_key
    message = msgspec.json.encode([1, at.isoformat(), told, None])
    assert hmac.new(b"a secret", message, hashlib.sha256).hexdigest() != by_secret_key


def test_a_damaged_list_is_mended_by_the_next_publication(good: memory.Held) -> None:
    cut(list_of_a())
    assert publication.publish() == newest().get().number
    assert memory.refresh().state("one") == {"a": "precious", "b": "2"}


def test_a_notice_is_given_with_the_commit(good: memory.Held, toys: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("LISTEN firstlight_snapshots")
    toys[0].content = {"a": b"heard"}
    number = publication.publish()
    heard = [(n.channel, n.payload) for n in connection.connection.notifies(timeout=5, stop_after=1)]
    assert heard == [("firstlight_snapshots", str(number))]
