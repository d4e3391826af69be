from typing import Any

import pytest

from firstlight.serving import dispatcher, wire


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/v1/allocations/", "/api/v1/experiments/", "//healthz", ""])
def test_what_is_not_hot_goes_to_django(client: Any, path: str) -> None:
    assert client.ask("GET", path).body == b"Django"


@pytest.mark.parametrize(("path", "door"), dispatcher.DOORS.items())
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_a_wrong_method_is_told_the_right_ones(client: Any, path: str, door: dispatcher.Door, method: str) -> None:
    got = client.ask(method, path)
    if method in door.methods:
        assert got.status != 405
        return
    assert got.status == 405
    assert got.headers["Allow"] == ", ".join(door.methods)
    assert got.headers["Content-Type"] == "application/problem+json"


def test_a_mistake_of_ours_is_a_problem_document_and_a_log_line(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("the reason")

    monkeypatch.setitem(dispatcher.DOORS, "/healthz", dispatcher.Door(("GET",), fail))  # type: ignore[arg-type]
    got = client.ask("GET", "/healthz")
    assert got.status == 500
    assert got.headers["Content-Type"] == "application/problem+json"
    assert b"the reason" not in got.body
    assert "the reason" in caplog.text
    assert got.json["detail"].split()[-1].rstrip(".") in caplog.text, "the same trace"


def test_what_begins_like_a_door_is_behind_it(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = dispatcher.Door(("GET",), lambda environ: wire.Answer(200, environ["PATH_INFO"].encode()))
    monkeypatch.setitem(dispatcher.PREFIXES, "/flags/", told)
    assert client.ask("GET", "/flags/a/b").body == b"/flags/a/b"
    assert client.ask("POST", "/flags/a").status == 405
    assert {client.ask("GET", path).body for path in ("/flags", "/flags/", "/flag/a")} == {b"Django"}


def test_head_has_the_headers_of_get_and_no_body(client: Any) -> None:
    get, head = client.ask("GET", "/healthz"), client.ask("HEAD", "/healthz")
    assert (head.headers, head.body) == (get.headers, b"")
