"""A publication reads only what changed, and nothing that a rule is made of can change unseen."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments import section, stamps
from experiments.models import Arm, Decision, Experiment, FurtherLayer, Layer, Prerequisite, SavedGroup, Status
from firstlight.catalog.models import Scenario

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def running(key: str, **fields: Any) -> Experiment:
    one = Experiment.objects.create(key=key, name=key, status=Status.RUNNING, started_at=NOW, **fields)
    for position, arm in enumerate(("control", "treatment")):
        Arm.objects.create(experiment=one, position=position, key=arm, weight="0.5", parameters={"p": position})
    return one


@pytest.fixture
def whole() -> Experiment:
    """An experiment with a row in every table that a rule is made of, and another that it requires."""
    first, second = (Layer.objects.create(key=key, name=key) for key in ("ui", "ranking"))
    one = running("one", layer=first, end_bucket=5_000, targeting={"user_id": {"$inGroup": "testers"}})
    one.scenarios.add(Scenario.objects.create(key="home", name="Home"))
    FurtherLayer.objects.create(experiment=one, layer=second, end_bucket=9_000)
    Prerequisite.objects.create(experiment=one, required=running("other"), arms=["control"])
    SavedGroup.objects.create(key="testers", name="Testers", values=["u-1"])
    return one


def known() -> dict[str, bytes]:
    return section.compile(NOW)


def test_what_did_not_change_is_neither_read_nor_made(whole: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = known()
    monkeypatch.setattr(section, "rules_of", None)
    again = section.recompile(NOW, parts.keys())
    assert set(again) == set(parts)
    assert {name.partition("@")[0] for name, payload in again.items() if payload is None} == {"one", "other"}
    assert again["group:testers"] == parts["group:testers"]


CHANGES: dict[str, Callable[[Experiment], object]] = {
    "a field": lambda one: Experiment.objects.filter(pk=one.pk).update(coverage="0.5"),
    "a parameter of an arm": lambda one: one.arms.filter(key="control").update(parameters={"p": 9}),
    "an arm more": lambda one: Arm.objects.create(experiment=one, position=2, key="third", weight="0"),
    "an arm fewer": lambda one: one.arms.filter(key="treatment").delete(),
    "a scenario more": lambda one: one.scenarios.add(Scenario.objects.create(key="search", name="Search")),
    "the key of its scenario": lambda one: one.scenarios.update(key="start"),
    "the key of its layer": lambda one: Layer.objects.filter(key="ui").update(key="page"),
    "a further layer": lambda one: one.further_layers.update(end_bucket=8_000),
    "the key of a further layer": lambda one: Layer.objects.filter(key="ranking").update(key="order"),
    "the arms it requires": lambda one: one.requires.update(arms=["treatment"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_anywhere_makes_the_part_anew(whole: Experiment, change: str) -> None:
    before = known()
    CHANGES[change](whole)
    again = section.recompile(NOW, before.keys())
    (made,) = (payload for name, payload in again.items() if name.startswith("one@") and payload is not None)
    (old,) = (payload for name, payload in before.items() if name.startswith("one@"))
    assert made != old
    assert section.compile(NOW) == {name: payload or before[name] for name, payload in again.items()}


def test_every_table_that_a_rule_is_made_of_is_in_the_stamp(whole: Experiment) -> None:
    """So that nobody who reads one more can forget it there."""
    with CaptureQueriesContext(
        connection,
    ) as seen:
        section._made(["one", "other"])
    read = {table for query in seen for table in re.findall(r'(?:FROM|JOIN) "(\w+)"', query["sql"])}
    stamped = set(re.findall(r"(?:FROM|JOIN) (\w+_\w+)", stamps.LIVE))
    assert read <= stamped
    assert len(read) >= 6


def test_who_may_be_published_is_the_same_by_either_way(whole: Experiment) -> None:
    for status in Status.values:
        for decision in ("", *Decision.values):
            fields = {"shipped_arm": "control", "decided_at": NOW}
            Experiment.objects.filter(key="other").update(status=status, decision=decision or "rejected", **fields)
            expected = status == "running" or (status, decision) == ("decided", "shipped")
            assert any(one.key == "other" for one in stamps.live()) == expected


def test_another_way_of_making_rules_makes_all_anew(whole: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {one.key: one.name for one in stamps.live()}
    monkeypatch.setattr(stamps, "_maker", lambda: "another0")
    after = {one.key: one.name for one in stamps.live()}
    assert before.keys() == after.keys()
    assert not {*before.values()} & {*after.values()}


def test_what_changes_while_it_is_read_is_not_named_by_its_stamp(
    whole: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the stamp of the old rows would stand for the new bytes, also when the rows go back."""
    old = {one.name for one in stamps.live()}
    make = section._made

    def made(keys: Any) -> dict[str, bytes]:
        CHANGES["a parameter of an arm"](whole)
        return make(keys)

    monkeypatch.setattr(section, "_made", made)
    named = {name for name in section.recompile(NOW, frozenset()) if name.startswith("one@")}
    assert len(named) == 1
    assert not named & old
