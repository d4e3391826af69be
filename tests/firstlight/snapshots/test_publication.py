from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from firstlight.snapshots import publication
from firstlight.snapshots.models import Part, Version

pytestmark = pytest.mark.django_db


def test_what_did_not_change_is_not_published_again(toys: Any) -> None:
    toys[0].content = {"a": b"1"}
    first = publication.publish()
    assert publication.publish() == first
    toys[0].content = {"a": b"2"}
    assert publication.publish() > first
    assert Version.objects.count() == 2


def test_a_version_names_every_part_by_its_sha256(toys: Any) -> None:
    toys[0].content, toys[1].content = {"a": b"1", "b": b"2"}, {"c": b"1"}
    version = Version.objects.get(number=publication.publish())
    one, two = sha256(b"1").hexdigest(), sha256(b"2").hexdigest()
    assert version.parts == {"one": {"a": one, "b": two}, "two": {"c": one}}
    assert {p.digest: bytes(p.payload) for p in Part.objects.all()} == {one: b"1", two: b"2"}


def test_going_back_to_an_earlier_state_is_a_new_version_of_old_parts(toys: Any) -> None:
    numbers = []
    for payload in (b"1", b"2", b"1"):
        toys[0].content = {"a": payload}
        numbers.append(publication.publish())
    assert numbers == sorted(set(numbers))
    assert Part.objects.count() == 2


def test_a_part_that_was_removed_is_stored_again(toys: Any) -> None:
    """How an operator mends a damaged part: delete the row."""
    toys[0].content = {"a": b"1"}
    publication.publish()
    Part.objects.all().delete()
    publication.publish()
    assert bytes(Part.objects.get().payload) == b"1"


@pytest.mark.django_db(transaction=True)
def test_publishers_at_once_agree(toys: Any) -> None:
    toys[0].content = {str(i): str(i).encode() for i in range(200)}

    def publish(_: int) -> int:
        try:
            return publication.publish()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        numbers = set(pool.map(publish, range(32)))
    assert len(numbers) == Version.objects.count() == 1
    assert Part.objects.count() == 200


def test_old_versions_go_and_take_their_parts_but_the_newest_stays(toys: Any) -> None:
    for payload in (b"old", b"shared", b"newest"):
        toys[0].content = {"a": payload, "b": b"always"}
        publication.publish()
    long_ago = timezone.now() - publication.KEEP - timedelta(hours=1)
    Version.objects.filter(number__lt=Version.objects.first().number).update(created_at=long_ago)
    assert publication.forget_old() == 2
    assert {bytes(p.payload) for p in Part.objects.all()} == {b"newest", b"always"}
    Version.objects.update(created_at=long_ago)
    assert publication.forget_old() == 0
    assert Version.objects.count() == 1


def test_nothing_to_forget_is_no_mistake(toys: Any) -> None:
    assert publication.forget_old() == 0
