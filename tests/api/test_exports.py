"""Tables over HTTP: at once, or by a worker with a link that expires."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from experiments import tidy
from experiments.models import Look
from firstlight.accounts.models import AuditEntry
from firstlight.exports import jobs, tasks
from firstlight.exports.models import Job, State
from tests import shop
from tests.api.conftest import pointers
from tests.experiments import looks

RESULTS = "/api/v1/experiments/ranker/results/"


@pytest.fixture
def exporter(client_with):
    return client_with(["read", "export"])


@pytest.fixture
def ranker(db, settings, tmp_path, monkeypatch):
    settings.EXPORT_DIR = tmp_path
    monkeypatch.setattr(tasks.write, "apply_async", lambda kwargs, **_: tasks.write(**kwargs))
    experiment = shop.experiment()
    for number in (1, 2):
        Look.objects.create(
            experiment=experiment, number=number, until=datetime(2026, 11, 20 + number, tzinfo=UTC), batch=number,
            verdict="keep running", sentence="Wait.", results=looks.results(seed=number, n_metrics=2, arms=2),
        )  # fmt: skip
    return experiment


def body(response):
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def test_the_newest_look_as_a_table_at_once(exporter, ranker):
    answer = exporter.get(RESULTS, {"format": "csv"})
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == 'attachment; filename="firstlight-ranker-look-2.csv"'
    rows = list(csv.DictReader(io.StringIO(body(answer).decode())))
    look = Look.objects.get(number=2)
    about: dict[str, Any] = {"experiment": "ranker", "look": 2, "computed_at": look.computed_at, "until": look.until}
    wanted = list(tidy.rows(look.results, **about))
    assert list(rows[0]) == [column.name for column in tidy.COLUMNS]
    assert len(rows) == len(wanted)
    assert [float(row["lift"]) if row["lift"] else None for row in rows] == [row.get("lift") for row in wanted]
    entry = AuditEntry.objects.get(kind="export")
    assert (entry.action, entry.subject, entry.changes["look"]) == ("exported", "ranker", [None, 2])


@pytest.mark.parametrize("form", ["parquet", "xlsx"])
def test_other_formats_come_too_whatever_the_header_accepts(exporter, ranker, form):
    answer = exporter.get(RESULTS, {"format": form}, headers={"Accept": "application/octet-stream"})
    found = body(answer)
    assert found[:4] == {"parquet": b"PAR1", "xlsx": b"PK\x03\x04"}[form]
    if form == "parquet":
        assert pq.read_table(io.BytesIO(found)).column_names == [column.name for column in tidy.COLUMNS]


def test_another_look_and_some_segments(exporter, ranker):
    assert exporter.get(RESULTS, {"look": "1"}).json()["number"] == 1
    assert exporter.get(RESULTS, {"look": "9"}).status_code == 404
    assert pointers(exporter.get(RESULTS, {"look": "first"})) == {"look"}
    assert pointers(exporter.get(RESULTS, {"format": "pdf"})) == {"format"}
    some = exporter.get(RESULTS, {"segment": "platform:ios"}).json()["results"]
    assert {(one["slice"], one["segment"]) for one in some["segments"]} == {("platform", "ios")}
    assert {one["slice"] for one in some["heterogeneity"]} == {"platform"}
    rows = csv.DictReader(io.StringIO(body(exporter.get(RESULTS, {"segment": "platform", "format": "csv"})).decode()))
    assert {row["slice"] for row in rows} == {"platform"}


def test_a_table_needs_the_scope_export_and_json_does_not(client_with, person, ranker):
    reader = client_with(["read"])
    assert reader.get(RESULTS).status_code == 200
    assert reader.get(RESULTS, {"format": "csv"}).status_code == 403
    assert client_with(["read", "manage"]).send("post", "/exports/", {"kind": "results"}).status_code == 403
    assert person("viewer").get(RESULTS, {"format": "csv"}).status_code == 403
    assert person("analyst").get(RESULTS, {"format": "csv"}).status_code == 200


def test_a_worker_writes_every_look_and_a_link_opens_it(exporter, client, ranker):
    asked = exporter.send("post", "/exports/", {"kind": "results", "experiment": "ranker", "format": "json"})
    assert asked.status_code == 202, asked.content
    job = exporter.get(f"/api/v1/exports/{asked.json()['id']}/").json()
    assert (job["state"], job["progress"], job["failure"]) == ("done", 1.0, "")
    rows = json.loads(body(client.get(job["download"])))  # without a key
    assert {row["look"] for row in rows} == {1, 2}
    assert job["rows_done"] == len(rows)
    assert client.get(job["download"][:-2] + "xx").status_code == 403
    assert client.get(job["download"].split("?")[0]).status_code in (401, 403)
    assert body(exporter.get(job["download"].split("?")[0]))
    trail = AuditEntry.objects.filter(action="downloaded").order_by("pk").values_list("actor", flat=True)
    assert [actor.split()[0] for actor in trail] == ["a", "key"]


def test_a_link_is_over_with_its_file(exporter, client, ranker):
    asked = exporter.send("post", "/exports/", {"kind": "results", "experiment": "ranker", "format": "csv"}).json()
    link = exporter.get(f"/api/v1/exports/{asked['id']}/").json()["download"]
    Job.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert client.get(link).status_code == 409
    jobs.expire(at=datetime.now(UTC))
    gone = client.get(link)
    assert (gone.status_code, "expired" in gone.json()["detail"]) == (409, True)
    assert exporter.get(f"/api/v1/exports/{asked['id']}/").json()["state"] == "expired"


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ({}, {"/kind"}),
        ({"kind": "letters"}, {"/kind"}),
        ({"kind": "results"}, {"/experiment"}),
        ({"kind": "results", "experiment": "nobody"}, {"/experiment"}),
        ({"kind": "results", "experiment": "ranker", "format": "pdf"}, {"/format"}),
        ({"kind": "results", "experiment": "ranker", "pseudonyms": True}, {"/pseudonyms"}),
        ({"kind": "events", "start": "2026-01-01T00:00:00Z"}, {"/end"}),
        ({"kind": "events", "start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, {"/end"}),
        ({"kind": "results", "experiment": "ranker", "colour": "red"}, {"/colour"}),
    ],
)
def test_what_cannot_be_exported_is_refused_at_its_place(exporter, ranker, wanted, places):
    assert pointers(exporter.send("post", "/exports/", wanted)) == places
    assert not Job.objects.exists()


def test_a_key_of_some_scenarios_exports_and_sees_its_own(client_with, exporter, ranker):
    asked = {"kind": "results", "experiment": "ranker"}
    exporter.send("post", "/exports/", asked)
    limited = client_with(["export"], scenarios=["home_feed"])
    elsewhere = client_with(["export"], scenarios=["search"])
    assert limited.send("post", "/exports/", asked).status_code == 202
    assert pointers(elsewhere.send("post", "/exports/", asked)) == {"/experiment"}
    assert len(exporter.get("/api/v1/exports/").json()["results"]) == 2
    assert len(limited.get("/api/v1/exports/").json()["results"]) == 1
    assert elsewhere.get("/api/v1/exports/").json()["results"] == []


def test_a_broker_that_is_away_only_delays(exporter, ranker, monkeypatch):
    from kombu.exceptions import OperationalError

    def away(**_):
        raise OperationalError

    monkeypatch.setattr(tasks.write, "apply_async", away)
    asked = exporter.send("post", "/exports/", {"kind": "results", "experiment": "ranker"})
    assert (asked.status_code, asked.json()["state"]) == (202, State.WAITING)


@pytest.mark.parametrize(
    ("role", "status"), [("product manager", 202), ("analyst", 202), ("operator", 403), ("viewer", 403)]
)
def test_people_may_what_their_role_says(person, ranker, role, status):
    client = person(role)
    asked = client.with_token("post", "/exports/", {"kind": "results", "experiment": "ranker", "format": "csv"})
    assert asked.status_code == status
