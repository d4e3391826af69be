"""Saved groups, prerequisites, testers and preview links over HTTP."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from experiments import lifecycle, section
from experiments.models import Experiment, SavedGroup
from firstlight.accounts.models import AuditEntry
from firstlight.serving import previews
from tests.api.conftest import pointers
from tests.experiments.plans import NOON, draft

TESTERS = {"key": "testers", "name": "Testers", "attribute": "user_id", "values": ["u-1", "u-2", 81]}


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def test_a_group_is_read_back_and_its_list_leaves_the_values_out(api: Any) -> None:
    made = api.send("post", "/groups/", TESTERS)
    assert made.status_code == 201, made.content
    assert api.get("/api/v1/groups/testers/").json() == {**TESTERS, "description": "", "size": 3}
    (line,) = api.get("/api/v1/groups/").json()["results"]
    assert "values" not in line and line["size"] == 3
    changed = api.send("patch", "/groups/testers/", {"values": ["u-3"]}).json()
    assert (changed["values"], changed["size"]) == (["u-3"], 1)
    assert AuditEntry.objects.filter(subject="testers").count() == 2


def test_a_hundred_thousand_members_are_taken_and_one_more_is_not(api: Any) -> None:
    many = [f"user-{i}" for i in range(100_000)]
    assert api.send("post", "/groups/", {**TESTERS, "values": many}).status_code == 201
    assert SavedGroup.objects.get().values == many
    refused = api.send("patch", "/groups/testers/", {"values": [*many, "more"]})
    assert (refused.status_code, pointers(refused)) == (422, {"/values"})


@pytest.mark.parametrize("values", ["u-1", [True], [None], [[]], ["x" * 201], [""], {}])
def test_values_that_no_attribute_has_are_refused(api: Any, values: Any) -> None:
    refused = api.send("post", "/groups/", {**TESTERS, "values": values})
    assert (refused.status_code, pointers(refused)) == (422, {"/values"})


def test_an_unknown_group_is_refused_beside_the_field(api: Any) -> None:
    draft("ranker")
    sent = {"targeting": {"$or": [{"user_id": {"$inGroup": "testers"}}, {"country": "IN"}]}}
    refused = api.send("patch", "/experiments/ranker/", sent)
    assert (refused.status_code, pointers(refused)) == (422, {"/targeting"})
    assert "There is no saved group “testers”." in refused.json()["errors"][0]["detail"]
    api.send("post", "/groups/", TESTERS)
    assert api.send("patch", "/experiments/ranker/", sent).status_code == 200


def test_a_group_in_use_stays_until_nothing_names_it(api: Any) -> None:
    api.send("post", "/groups/", TESTERS)
    experiment = draft("ranker", targeting={"user_id": {"$notInGroup": "testers"}})
    refused = api.send("delete", "/groups/testers/")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "“testers” is named by the targeting of “ranker”: it cannot be deleted."
    experiment.delete()
    assert api.send("delete", "/groups/testers/").status_code == 204
    assert not SavedGroup.objects.exists()


def test_only_groups_that_a_live_rule_names_are_published_and_a_member_is_known_by_them(api: Any) -> None:
    for key in ("testers", "others"):
        api.send("post", "/groups/", {**TESTERS, "key": key})
    lifecycle.start(draft("ranker", targeting={"user_id": {"$inGroup": "testers"}}).pk, actor="pm", at=NOON)
    parts = section.compile(NOON)
    assert sorted(name.partition("@")[0] for name in parts) == ["group:testers", "ranker"]
    index = section.gather({name: section.load(part) for name, part in parts.items()}).indexes["home"]
    met = [bool(index.assign({"user_id": unit}, {"user_id": unit})) for unit in ("u-1", "u-2", "81", "u-3")]
    assert met == [True, True, False, False]  # 81 is a number there, "81" a text


def test_prerequisites_are_read_back_and_a_circle_is_refused_in_words(api: Any) -> None:
    for key in ("a", "b", "c"):
        draft(key)
    assert requiring(api, "a", "b", "new").json()["requires"] == [{"experiment": "b", "arms": ["new"]}]
    assert requiring(api, "b", "c", "new", "control").status_code == 200
    refused = requiring(api, "c", "a", "new")
    assert (refused.status_code, pointers(refused)) == (422, {"/requires"})
    assert "It would require itself: “c” → “a” → “b” → “c”." in refused.json()["errors"][0]["detail"]
    assert not Experiment.objects.get(key="c").requires.exists()


@pytest.mark.parametrize(
    ("required", "arms", "words"),
    [
        ("a", ["new"], "It would require itself: “a” → “a”."),
        ("b", ["red"], "“b” has no arm red, but control and new."),
        ("shared", ["new"], "“shared” gives units no arm of their own"),
    ],
)
def test_a_prerequisite_that_nobody_can_meet_is_refused(api: Any, required: str, arms: list[str], words: str) -> None:
    draft("a"), draft("b"), draft("shared", unit="item_id")
    refused = requiring(api, "a", required, *arms)
    assert refused.status_code == 422
    assert words in refused.json()["errors"][0]["detail"]


def requiring(api: Any, key: str, required: str, *arms: str) -> Any:
    return api.send("patch", f"/experiments/{key}/", {"requires": [{"experiment": required, "arms": list(arms)}]})


def test_an_arm_that_another_one_requires_alone_is_not_removed(api: Any) -> None:
    draft("a"), draft("b", arms=("control", "new", "third"))
    requiring(api, "a", "b", "new")
    lifecycle.start(Experiment.objects.get(key="b").pk, actor="pm", at=NOON)
    refused = api.send("post", "/experiments/b/remove_arm/", {"arm": "new"})
    assert refused.status_code == 409
    assert "“a” requires the arm “new”" in refused.json()["detail"]
    assert api.send("post", "/experiments/b/remove_arm/", {"arm": "third"}).status_code == 200


def test_testers_are_kept_in_the_trail_and_published(api: Any) -> None:
    lifecycle.start(draft("ranker").pk, actor="pm", at=NOON)
    refused = api.send("post", "/experiments/ranker/testers/", {"testers": {"t-1": "red"}})
    assert (refused.status_code, refused.json()["detail"]) == (409, "It has no arm red, but control and new.")
    done = api.send("post", "/experiments/ranker/testers/", {"testers": {"t-1": "new"}})
    assert done.json()["testers"] == {"t-1": "new"}
    assert AuditEntry.objects.get(action="named testers").changes["testers"] == [{}, {"t-1": "new"}]
    assert next(section.rules_of([Experiment.objects.get()])).forced == {"t-1": "new"}


def test_a_preview_link_forces_an_arm_and_explains_itself(api: Any) -> None:
    draft("ranker")
    made = api.send("post", "/experiments/ranker/preview/", {"arm": "new", "hours": 3}).json()
    until = datetime.fromisoformat(made["until"])
    assert previews.read(made["forced"], NOON) == {"ranker": "new"}
    with pytest.raises(previews.Invalid, match="was good until"):
        previews.read(made["forced"], until)
    assert parse_qs(urlsplit(made["link"]).query) == {"forced": [made["forced"]]}
    page = Client().get(made["link"])
    assert page.status_code == 200
    assert b"<strong>new</strong> of the experiment <strong>ranker</strong>" in page.content
    assert Client().get("/preview?forced=made.up").status_code == 404
    assert api.send("post", "/experiments/ranker/preview/", {"arm": "red"}).status_code == 409
