"""Client keys: made over HTTP or on a page, told to serving, revoked, and who may."""

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from firstlight.accounts import client_section
from firstlight.accounts.models import AuditEntry, ClientKey
from firstlight.accounts.section import goes_on
from tests import shop

pytestmark = pytest.mark.django_db
HOME = {"name": "web shop", "scenarios": ["home_feed"]}


def served():
    parts = {name: client_section.load(part) for name, part in client_section.compile(datetime.now(UTC)).items()}
    return client_section.gather(parts)


def test_a_key_is_made_served_and_revoked(api):
    made = api.send("post", "/client-keys/", HOME)
    key = made.json()["key"]
    assert made.status_code == 201
    assert re.fullmatch("sdk-[0-9a-f]{16}", key)
    assert (served()[key].scenarios, served()[key].tells_lists) == (frozenset({"home_feed"}), False)
    assert api.get(f"/api/v1/client-keys/{key}/").json() == made.json()
    first = api.send("post", f"/client-keys/{key}/revoke/").json()["revoked_at"]
    assert first == api.send("post", f"/client-keys/{key}/revoke/").json()["revoked_at"] is not None
    assert served() == {}
    assert [entry.action for entry in AuditEntry.objects.filter(kind="client key")] == ["revoked", "created"]


def test_an_earlier_state_of_serving_does_not_bring_a_revoked_key_back():
    assert client_section.goes_on
    assert goes_on


def test_a_limited_key_makes_and_sees_only_keys_of_its_scenarios(api, client_with):
    api.send("post", "/client-keys/", {"name": "all"})
    limited = client_with(scenarios=["search"])
    assert limited.get("/api/v1/client-keys/").json()["results"] == []
    assert limited.send("post", "/client-keys/", HOME).status_code == 403
    assert limited.send("post", "/client-keys/", {"name": "all"}).status_code == 403
    assert limited.send("post", "/client-keys/", {"name": "s", "scenarios": ["search"]}).status_code == 201
    assert [row["name"] for row in limited.get("/api/v1/client-keys/").json()["results"]] == ["s"]


def test_a_key_never_changes(api):
    key = api.send("post", "/client-keys/", HOME).json()["key"]
    assert api.send("patch", f"/client-keys/{key}/", {"tells_lists": True}).status_code == 405
    assert api.send("post", "/client-keys/", {**HOME, "key": "sdk-mine", "colour": "red"}).status_code == 422


def test_who_only_reads_makes_none(client_with):
    reader = client_with(["read"])
    assert reader.get("/api/v1/client-keys/").status_code == 200
    assert reader.send("post", "/client-keys/", HOME).status_code == 403


def test_its_page_has_the_address_to_paste(client: Client):
    client.force_login(shop.person("operator"))
    made = client.post("/admin/accounts/clientkey/add/", {"name": "app", "scenarios": "", "tells_lists": "on"})
    key = ClientKey.objects.get()
    page = reverse("admin:accounts_clientkey_change", args=[key.pk])
    assert (made.status_code, made["Location"]) == (302, page)
    text = client.get(page).content.decode()
    assert f"http://testserver/api/features/{key.key}" in text
    assert f'clientKey: "{key.key}"' in text.replace("&quot;", '"')
    assert client.get("/admin/accounts/clientkey/").status_code == 200
    revoke = reverse("admin:accounts_clientkey_revoke", args=[key.pk])
    assert (client.get(revoke).status_code, client.post(revoke).status_code) == (200, 302)
    assert f"/api/features/{key.key}" not in client.get(page).content.decode()


def test_a_viewer_sees_and_revokes_none(client: Client):
    key = ClientKey.objects.create(key="sdk-1", name="x")
    client.force_login(shop.person("viewer"))
    assert client.get("/admin/accounts/clientkey/").status_code == 403
    assert client.post(reverse("admin:accounts_clientkey_revoke", args=[key.pk])).status_code == 403
