"""Versions over HTTP and in the admin, by real experiments."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from experiments.models import Arm, Experiment, Status
from firstlight.accounts import keys
from firstlight.accounts.models import AuditEntry, Role, User
from firstlight.catalog.models import Scenario
from firstlight.snapshots import publication
from firstlight.snapshots.models import Hold, Version

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/snapshots/"


@pytest.fixture
def key() -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create('ops', ['read', 'manage'], [], 'test')[1]}"}


@pytest.fixture
def two(key: dict[str, str]) -> tuple[int, int]:
    """Before and after a parameter of a running experiment was changed."""
    one = Experiment.objects.create(key="ranker", name="Ranker", status=Status.RUNNING, started_at="2026-11-01T00:00Z")
    one.scenarios.add(Scenario.objects.create(key="home", name="Home"))
    for position, arm in enumerate(("control", "treatment")):
        Arm.objects.create(experiment=one, position=position, key=arm, weight="0.5", parameters={"ranker": arm})
    first = publication.publish()
    one.arms.filter(key="treatment").update(parameters={"ranker": "din"})
    AuditEntry.objects.create(actor="ana", action="changed", kind="experiment", subject="ranker", changes={})
    return first, publication.publish()


def test_versions_are_listed_newest_first(client: Client, key: dict[str, str], two: tuple[int, int]) -> None:
    listed = client.get(ADDRESS, headers=key).json()["results"]
    assert [one["number"] for one in listed][:2] == [two[1], two[0]]
    assert client.get(f"{ADDRESS}{two[0]}/", headers=key).json()["returns_to"] is None


def test_a_difference_says_what_changed_and_who_did_it(
    client: Client, key: dict[str, str], two: tuple[int, int]
) -> None:
    told = client.get(f"{ADDRESS}{two[0]}/diff/{two[1]}/", headers=key).json()
    assert told["sentence"] == "experiments: 1 changed"
    (change,) = told["changes"]
    assert (change["section"], change["subject"], change["kind"], change["by"]) == (
        "experiments",
        "ranker",
        "changed",
        ["ana"],
    )
    (field,) = change["fields"]
    assert field["name"] == "arms"
    assert [arm["parameters"]["ranker"] for arm in field["after"]] == ["control", "din"]


def test_no_difference_shows_the_hash_of_a_secret(client: Client, key: dict[str, str], two: tuple[int, int]) -> None:
    other = keys.create("other", ["read"], [], "test")[0]
    first = publication.publish()
    type(other).objects.filter(pk=other.pk).update(rate=5)
    answer = client.get(f"{ADDRESS}{first}/diff/{publication.publish()}/", headers=key)
    (change,) = answer.json()["changes"]
    assert [(f["name"], f["before"], f["after"]) for f in change["fields"]] == [("rate", None, 5)]
    assert "secret" not in answer.content.decode()


def test_back_and_lifted(client: Client, key: dict[str, str], two: tuple[int, int]) -> None:
    back = client.post(f"{ADDRESS}{two[0]}/roll-back/", {"reason": "orders fell"}, "application/json", headers=key)
    assert back.status_code == 200
    number = back.json()["number"]
    assert client.get(f"{ADDRESS}{number}/", headers=key).json()["returns_to"] == two[0]
    assert client.get(f"{ADDRESS}{two[0]}/diff/{number}/", headers=key).json()["changes"] == []
    (hold,) = client.get(f"{ADDRESS}holds/", headers=key).json()
    assert (hold["reason"], hold["lifted_at"]) == ("orders fell", None)
    lifted = client.post(f"{ADDRESS}lift/", headers=key).json()["number"]
    assert client.get(f"{ADDRESS}{two[1]}/diff/{lifted}/", headers=key).json()["changes"] == []
    assert client.post(f"{ADDRESS}lift/", headers=key).status_code == 409


def test_who_may_not_is_refused(client: Client, two: tuple[int, int]) -> None:
    def code(scopes: list[str], scenarios: list[str], way: str, **sent: Any) -> int:
        header = {"Authorization": f"Bearer {keys.create('k', scopes, scenarios, 'test')[1]}"}
        return int(getattr(client, way)(headers=header, content_type="application/json", **sent).status_code)

    address = f"{ADDRESS}{two[0]}/roll-back/"
    assert code(["read"], [], "post", path=address, data={"reason": "x"}) == 403
    assert code(["manage"], ["home"], "post", path=address, data={"reason": "x"}) == 403
    assert code(["read"], ["home"], "get", path=ADDRESS) == 403
    assert not Hold.objects.exists()


@pytest.mark.parametrize("path", ["999999/", "1/diff/999999/", "99999999999999999999/"])
def test_what_is_not_there_is_absent(client: Client, key: dict[str, str], two: tuple[int, int], path: str) -> None:
    assert client.get(ADDRESS + path, headers=key).status_code == 404


def signed_in(client: Client, role: Role) -> Client:
    person = User.objects.create_user(role.value.replace(" ", ""), is_staff=True)
    person.groups.add(Group.objects.get(name=role.value))
    client.force_login(person)
    return client


def test_a_person_sees_what_changed_and_rolls_back_with_a_reason(client: Client, two: tuple[int, int]) -> None:
    signed_in(client, Role.OPERATOR)
    page = client.get(f"/admin/snapshots/version/{two[1]}/change/").content.decode()
    assert "experiments: 1 changed" in page
    assert "din" in page
    assert "ana" in page
    address = f"/admin/snapshots/version/{two[0]}/roll-back/"
    assert client.get(address).status_code == 200
    assert not Hold.objects.exists(), "asked once more"
    assert client.post(address, {}).status_code == 422, "a reason is wanted"
    assert client.post(address, {"reason": "orders fell"}).status_code == 302
    listed = client.get("/admin/snapshots/version/").content.decode()
    assert f"by snapshot {two[0]} since" in listed
    assert "orders fell" in listed
    assert client.post("/admin/snapshots/version/lift/").status_code == 302
    assert Version.objects.all()[0].returns_to is None


def test_who_only_looks_is_offered_nothing(client: Client, two: tuple[int, int]) -> None:
    signed_in(client, Role.VIEWER)
    assert "roll-back" not in client.get(f"/admin/snapshots/version/{two[0]}/change/").content.decode()
    assert client.post(f"/admin/snapshots/version/{two[0]}/roll-back/", {"reason": "x"}).status_code == 403
    assert client.post("/admin/snapshots/version/lift/").status_code == 403
