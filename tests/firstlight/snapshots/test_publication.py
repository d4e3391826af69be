import json
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


def kept() -> set[bytes]:
    """Payloads of the parts, without lists of them."""
    lists = {digest for version in Version.objects.all() for of in version.lists.values() for digest in of}
    return {bytes(part.payload) for part in Part.objects.exclude(digest__in=lists)}


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
    assert kept() == {b"1", b"2"}
    assert all(sha256(part.payload).hexdigest() == part.digest for part in Part.objects.all())


def test_going_back_to_an_earlier_state_is_a_new_version_of_old_parts(toys: Any) -> None:
    numbers = []
    for payload in (b"1", b"2", b"1"):
        toys[0].content = {"a": payload}
        numbers.append(publication.publish())
    assert numbers == sorted(set(numbers))
    assert kept() == {b"1", b"2"}


def test_a_part_that_was_removed_is_stored_again(toys: Any) -> None:
    """How an operator mends a damaged part: delete the row."""
    toys[0].content = {"a": b"1"}
    publication.publish()
    Part.objects.all().delete()
    publication.publish()
    assert kept() == {b"1"}


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
    assert len(kept()) == 200


def test_old_versions_go_and_take_their_parts_but_the_newest_stays(toys: Any) -> None:
    for payload in (b"old", b"shared", b"newest"):
        toys[0].content = {"a": payload, "b": b"always"}
        publication.publish()
    long_ago = timezone.now() - publication.KEEP - timedelta(hours=1)
    Version.objects.filter(number__lt=Version.objects.first().number).update(created_at=long_ago)
    assert publication.forget_old() == 4, "two parts, and a list for each"
    assert kept() == {b"newest", b"always"}
    Version.objects.update(created_at=long_ago)
    assert publication.forget_old() == 0
    assert Version.objects.count() == 1


def test_nothing_to_forget_is_no_mistake(toys: Any) -> None:
    assert publication.forget_old() == 0


def test_of_ten_thousand_parts_a_change_writes_one_list(toys: Any) -> None:
    toys[0].content = {f"experiment-{i}": str(i).encode() for i in range(10_000)}
    first = Version.objects.get(number=publication.publish())
    toys[0].content["experiment-7"] = b"changed"
    before = Part.objects.count()
    second = Version.objects.get(number=publication.publish())
    assert Part.objects.count() == before + 2, "the part, and the list that names it"
    changed = set(second.lists["one"]) - set(first.lists["one"])
    assert len(changed) == 1
    row = len(json.dumps(second.lists))
    assert len(Part.objects.get(digest=changed.pop()).payload) + row < 25_000, "not a megabyte"


def test_a_part_whose_name_says_all_is_not_made_again(toys: Any) -> None:
    made = []

    def payload() -> bytes:
        made.append(1)
        return b"1"

    toys[0].content = {"a@1": payload}
    publication.publish()
    toys[0].content["b@1"] = b"2"
    publication.publish()
    assert made == [1]
    Part.objects.filter(payload=b"1").delete()
    publication.publish()
    assert made == [1, 1], "unless it is gone"
