from typing import Any

import pytest

from firstlight.accounts import audit
from firstlight.snapshots import diffs, publication
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.models import Part, Version

pytestmark = pytest.mark.django_db


def publish() -> Version:
    return Version.objects.get(number=publication.publish())


@pytest.fixture
def two(toys: Any) -> tuple[Version, Version]:
    toys[0].shown = lambda part: {"text": part, "length": len(part)}
    toys[0].content, toys[1].content = {"a@1": b"1", "b@1": b"2", "c@1": b"3"}, {"x": b"1"}
    first = publish()
    audit.record("ana", "changed", "toy", "a", before={"p": 1}, after={"p": 2})
    audit.record("bo", "changed", "toy", "a", before={"p": 2}, after={"p": 3})
    toys[0].content, toys[1].content = {"a@2": b"one", "c@1": b"3", "d@1": b"4"}, {"x": b"2"}
    return first, publish()


def test_each_thing_that_differs_is_told_once_with_its_fields_and_who_did_it(two: tuple[Version, Version]) -> None:
    found = diffs.between(*two)
    told = [(c.section, c.subject, c.kind, c.by) for c in found.changes]
    assert told == [
        ("one", "a", "changed", ("ana", "bo")),
        ("one", "b", "removed", ()),
        ("one", "d", "added", ()),
        ("two", "x", "changed", ()),
    ]
    assert found.changes[0].fields == (diffs.Field("length", 1, 3), diffs.Field("text", "1", "one"))
    assert found.changes[3].fields == (), "a section that shows nothing tells only that it changed"
    assert found.sentence == "one: 1 changed, 1 added, 1 removed; two: 1 changed"


def test_the_other_way_round_it_says_the_opposite(two: tuple[Version, Version]) -> None:
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    there, back = diffs.between(*two), diffs.between(*reversed(two))
    assert [opposite[c.kind] for c in there.changes] == [c.kind for c in back.changes]
    assert [(f.before, f.after) for f in back.changes[0].fields] == [(3, 1), ("one", "1")]
    assert back.changes[0].by == ("ana", "bo")


def test_nothing_differs_from_itself(two: tuple[Version, Version]) -> None:
    assert diffs.between(two[0], two[0]).changes == ()
    assert diffs.between(two[0], two[0]).sentence == "nothing differs"


def test_a_damaged_part_is_not_compared(two: tuple[Version, Version]) -> None:
    Part.objects.filter(payload=b"one").update(payload=b"two")
    with pytest.raises(Damaged):
        diffs.between(*two)
