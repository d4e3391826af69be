"""What every address under /api/ does alike."""

import gzip

import pytest
from django.db import OperationalError
from django.test import Client, override_settings

from firstlight.accounts import keys
from firstlight.accounts.models import ApiKey
from firstlight.catalog.models import Scenario
from tests.api.conftest import ApiClient, pointers


def test_who_shows_no_key_is_asked_for_one(db):
    response = ApiClient().get("/api/v1/scenarios/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer fl_x_y", "Bearer", "Basic YTpi", "fl_x_y", "Bearer fl_\x00_y", "Bearer é"])
def test_a_key_that_is_none_is_refused(db, header):
    assert ApiClient(headers={"Authorization": header}).get("/api/v1/scenarios/").status_code == 401


def test_a_revoked_key_opens_nothing(api):
    assert api.get("/api/v1/scenarios/").status_code == 200
    keys.revoke(ApiKey.objects.get(), "ada")
    assert api.get("/api/v1/scenarios/").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "read", "write"),
    [(["read"], 200, 403), (["manage"], 403, 201), (["allocate", "ingest", "backfill", "export"], 403, 403)],
)
def test_a_key_needs_the_scope(client_with, scopes, read, write):
    client = client_with(scopes)
    assert client.get("/api/v1/scenarios/").status_code == read
    assert client.send("post", "/scenarios/", {"key": "home", "name": "Home"}).status_code == write


@pytest.mark.parametrize(
    ("role", "read", "write"),
    [
        ("product manager", 200, 201),
        ("operator", 200, 201),
        ("analyst", 200, 403),
        ("viewer", 200, 403),
        (None, 403, 403),
    ],
)
def test_a_person_needs_the_role(person, role, read, write):
    client = person(role)
    assert client.get("/api/v1/scenarios/").status_code == read
    assert client.with_token("post", "/scenarios/", {"key": "home", "name": "Home"}).status_code == write


def test_a_session_cannot_write_without_its_token(person):
    client = person("product manager")
    assert client.send("post", "/scenarios/", {"key": "home", "name": "Home"}).status_code == 403
    assert not Scenario.objects.exists()


@pytest.mark.parametrize("path", ["", "v1/", "v2/scenarios/", "v1/scenarios", "v1/scenarios/x/y", "%00", "../x"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_unknown_address_is_a_problem_and_never_a_page(api, path, method, debug):
    with override_settings(DEBUG=debug):
        assert api.generic(method, f"/api/{path}").status_code == 404


@pytest.mark.parametrize("method", ["put", "delete", "options", "trace"])
def test_a_method_that_is_not_there_is_named_with_those_that_are(api, method):
    response = api.send(method, "/scenarios/")
    assert response.status_code == 405
    assert set(response["Allow"].split(", ")) == {"GET", "POST", "HEAD"}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"{", 400), (b'{"key": NaN}', 400), (b'"\xff"', 400), (b"[" * 10_000, 400), (b"null", 422),
     (b"[]", 422), (b'"text"', 422), (b" " * (4 * 2**20 + 1), 413), (b'{"key": "a\\u0000"}', 422),
     (b'{"key": ' + b"9" * 40 + b"}", 422), (b"9" * 5_000, 400)],
)  # fmt: skip
def test_a_bad_body_is_refused_for_what_it_is(api, body, status):
    assert api.send("post", "/scenarios/", body).status_code == status


def test_a_body_may_be_packed_and_a_bomb_is_refused(api):
    packed = {"headers": {"Content-Encoding": "gzip"}}
    good = gzip.compress(b'{"key": "home", "name": "Home"}')
    assert api.send("post", "/scenarios/", good, **packed).status_code == 201
    assert api.send("post", "/scenarios/", gzip.compress(bytes(50 * 2**20)), **packed).status_code == 413
    assert api.send("post", "/scenarios/", b"{}", **packed).status_code == 400
    assert api.send("post", "/scenarios/", b"{}", headers={"Content-Encoding": "br"}).status_code == 415


def test_other_content_types_are_refused(api):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"):
        assert api.post("/api/v1/scenarios/", b"key=home", content_type=kind).status_code == 415


def test_html_cannot_be_had(api):
    assert api.get("/api/v1/scenarios/", headers={"Accept": "text/html"}).status_code == 406


def test_unknown_fields_and_every_fault_are_told_by_pointer(api):
    assert pointers(api.send("post", "/scenarios/", {"key": "a b", "name": "", "nmae": "x"})) == {"/nmae"}
    assert pointers(api.send("post", "/scenarios/", {"key": "a b", "name": ""})) == {"/key", "/name"}


def test_a_database_that_is_away_is_told_with_a_time_to_come_back(api, monkeypatch):
    def away(*args):
        raise OperationalError("connection refused")

    monkeypatch.setattr(keys, "verify", away)
    monkeypatch.setattr("firstlight.accounts.authentication.verify", away)
    response = api.get("/api/v1/scenarios/")
    assert response.status_code == 503
    assert response["Retry-After"].isdigit()


def test_a_fault_of_ours_is_a_problem_as_well(api, monkeypatch):
    def fault(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("firstlight.catalog.api.Scenarios.list", fault)
    api.raise_request_exception = False
    assert api.get("/api/v1/scenarios/").status_code == 500


def test_pages_outside_the_api_stay_pages(db):
    assert Client().get("/nowhere")["Content-Type"].startswith("text/html")


def test_pages_follow_each_other_without_gap_or_repeat(api):
    Scenario.objects.bulk_create(Scenario(key=f"s{i:02}", name="x") for i in range(25))
    path, seen = "/api/v1/scenarios/?limit=7", []
    while path:
        page = api.get(path).json()
        assert len(page["results"]) <= 7
        seen += [row["key"] for row in page["results"]]
        path = page["next"]
    assert seen == [f"s{i:02}" for i in range(25)]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=" + "9" * 5000, "limit=%C2%B2", "cursor=%00",
     "cursor=!!!", "cursor=AA==", "cursor=/w==", "cursor=%F0%9F%98%80", "cursor=x"],
)  # fmt: skip
def test_a_page_that_cannot_be_is_refused(api, query):
    assert pointers(api.get(f"/api/v1/scenarios/?{query}")) <= {"limit", "cursor"}


def test_a_key_sees_and_changes_only_its_scenarios(client_with, scenarios):
    client = client_with(scenarios=["home_feed", "cart"])
    assert [row["key"] for row in client.get("/api/v1/scenarios/").json()["results"]] == ["home_feed"]
    assert client.get("/api/v1/scenarios/search/").status_code == 404
    assert client.send("patch", "/scenarios/search/", {"name": "x"}).status_code == 404
    assert client.send("post", "/scenarios/", {"key": "pdp", "name": "x"}).status_code == 403
    assert client.send("post", "/scenarios/", {"key": "cart", "name": "x"}).status_code == 201
    assert set(Scenario.objects.values_list("key", flat=True)) == {"home_feed", "search", "cart"}
    assert client.send("put", "/items/", [{"key": "a"}]).status_code == 403
    assert client.get("/api/v1/items/").status_code == 200
