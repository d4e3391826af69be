from typing import Any

import pytest

ASKED = {"unit": {"user_id": "u-81"}, "scenario": "home_feed"}
HERE = "/api/v1/allocations"


def test_the_answer_has_the_fields_of_the_contract(client: Any) -> None:
    got = client.post(HERE, ASKED)
    assert got.status == 200
    answer = got.json
    assert answer.pop("trace_id")[14] == "7", "a UUIDv7"
    assert answer == {
        "snapshot": 7,
        "expires_in": 10,
        "scenario": "home_feed",
        "journey_stage": None,
        "experiments": [{"experiment": "e", "variant": "v", "phase": 1, "in_holdout": False}],
        "parameters": {"ranker": "din"},
        "objectives": None,
        "discovery": [
            {
                "position": 3,
                "item_id": "i",
                "campaign": "c",
                "table": 5,
                "row": 8,
                "propensity": None,
                "source": "table",
            }
        ],
    }
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert int(got.headers["Content-Length"]) == len(got.body)


def test_the_same_question_under_the_same_trace_gets_the_same_bytes(client: Any) -> None:
    asked = {**ASKED, "trace_id": "my-own"}
    first, second = client.post(HERE, asked), client.post(HERE, asked)
    assert first.body == second.body
    assert first.json["trace_id"] == "my-own"


def test_traces_of_our_own_differ(client: Any) -> None:
    assert len({client.post(HERE, ASKED).json["trace_id"] for _ in range(50)}) == 50


def test_a_decision_is_logged_with_what_was_counted_later(client: Any, stored: Any) -> None:
    asked = {**ASKED, "attributes": {"country": "IN"}, "exclude_items": ["b", "a"]}
    answer = client.post(HERE, asked).json
    (row,) = stored()
    assert row["type"] == "decision"
    assert row["trace_id"] == answer["trace_id"]
    assert row["assignments"] == [{"experiment": "e", "variant": "v", "phase": 1}]
    assert row["discovery"][0]["propensity"] == 0.25
    assert answer["discovery"][0]["propensity"] is None


def test_without_log_nothing_is_logged(client: Any, stored: Any) -> None:
    assert client.post(HERE, {**ASKED, "log": False}).status == 200
    assert stored() == []


def test_an_unknown_scenario_is_named(client: Any, stored: Any) -> None:
    got = client.post(HERE, {**ASKED, "scenario": "moon"})
    assert got.status == 422
    assert got.json["errors"][0]["pointer"] == "/scenario"
    assert stored() == []


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic abc",
        "Bearer fl_all_wrong",
        "Bearer fl_none_secret",
        "Bearer fl__",
        "Bearer \xff_\x00_",
    ],
)
def test_without_a_valid_key_nobody_enters(client: Any, header: str | None) -> None:
    got = client.post(HERE, ASKED, HTTP_AUTHORIZATION=header)
    assert got.status == 401
    assert got.headers["WWW-Authenticate"].startswith("Bearer")
    assert got.headers["Content-Type"] == "application/problem+json"


def test_a_key_opens_only_what_its_scopes_and_scenarios_say(client: Any) -> None:
    client.key = "reader"
    assert client.post(HERE, ASKED).status == 403
    client.key = "search"
    assert client.post(HERE, ASKED).status == 403
    assert client.post(HERE, {**ASKED, "scenario": "search"}).status == 200


def test_a_batch_answers_in_order_and_a_bad_one_sinks_only_itself(client: Any, stored: Any) -> None:
    requests: list[Any] = [
        {**ASKED, "trace_id": "t0"},
        {"unit": {}, "scenario": "home_feed"},
        5,
        {**ASKED, "trace_id": "t3"},
    ]
    got = client.post(f"{HERE}/batch", {"requests": requests})
    assert got.status == 200
    results = got.json["results"]
    assert [r.get("trace_id", r.get("status")) for r in results] == ["t0", 422, 422, "t3"]
    assert results[1]["errors"][0]["pointer"] == "/unit"
    assert [row["trace_id"] for row in stored()] == ["t0", "t3"]


def test_a_batch_gives_each_the_answer_it_would_get_alone(client: Any) -> None:
    asked = {**ASKED, "trace_id": "t"}
    alone = client.post(HERE, asked).json
    assert client.post(f"{HERE}/batch", {"requests": [asked]}).json == {"results": [alone]}


def test_a_batch_has_a_bound(client: Any) -> None:
    full = {"requests": [ASKED] * 1_000}
    assert len(client.post(f"{HERE}/batch", full).json["results"]) == 1_000
    got = client.post(f"{HERE}/batch", {"requests": [ASKED] * 1_001})
    assert (got.status, got.json["errors"][0]["pointer"]) == (422, "/requests")


def test_a_section_that_fails_is_our_mistake_and_told_without_details(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from firstlight.serving import allocations

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("password of the database")

    monkeypatch.setattr(allocations, "deciders", lambda: (("toy", fail),))
    got = client.post(HERE, {**ASKED, "trace_id": "t-500"})
    assert got.status == 500
    assert b"password" not in got.body
    assert "t-500" in got.json["detail"]
    assert "t-500" in caplog.text
    assert "password" in caplog.text, "the log has the reason"
    batch = client.post(f"{HERE}/batch", {"requests": [ASKED, ASKED]})
    assert (batch.status, [r["status"] for r in batch.json["results"]]) == (200, [500, 500])


def test_before_the_first_snapshot_it_asks_for_patience(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from firstlight.snapshots import memory

    def none() -> None:
        raise memory.NoSnapshot

    monkeypatch.setattr(memory, "current", none)
    got = client.post(HERE, ASKED)
    assert got.status == 503
    assert int(got.headers["Retry-After"]) >= 1
