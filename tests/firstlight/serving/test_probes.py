from typing import Any

import pytest

from firstlight.serving import probes
from firstlight.snapshots import memory


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda seconds: monkeypatch.setattr(memory, "seconds_unchecked", lambda: seconds)


def test_alive_is_alive(client: Any) -> None:
    client.key = None
    assert client.ask("GET", "/healthz").json == {"status": "alive"}


def test_ready_says_which_snapshot_and_how_sure(client: Any, checked: Any) -> None:
    client.key = None
    checked(0.4)
    got = client.ask("GET", "/readyz")
    assert got.status == 200
    assert got.json["status"] == "ready"
    assert (got.json["snapshot"], got.json["database"]) == (7, "reachable")
    assert got.json["decisions"] == {"waiting": 0, "dropped": 0}


def test_with_the_database_away_it_stays_ready_and_says_so(client: Any, checked: Any) -> None:
    checked(61.0)
    got = client.ask("GET", "/readyz")
    assert (got.status, got.json["status"], got.json["database"]) == (200, "stale", "away")
    assert got.json["unchecked"] == 61.0


def test_before_the_first_snapshot_it_is_not_ready(client: Any, checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise memory.NoSnapshot

    monkeypatch.setattr(memory, "current", none)
    checked(float("inf"))
    got = client.ask("GET", "/readyz")
    assert (got.status, got.json["snapshot"], got.json["unchecked"]) == (503, None, None)


def test_waiting_and_dropped_decisions_are_told(client: Any, checked: Any) -> None:
    client.post("/api/v1/allocations", {"unit": {"user_id": "u"}, "scenario": "home_feed"})
    checked(0.1)
    assert client.ask("GET", "/readyz").json["decisions"]["waiting"] == 1


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("10.0.0.1", 403),
        ("::ffff:10.0.0.1", 403),
        ("", 403),
        ("x", 403),
    ],
)
def test_metrics_are_for_known_networks(client: Any, address: str, status: int) -> None:
    assert client.ask("GET", "/metrics", REMOTE_ADDR=address).status == status


@pytest.mark.parametrize(
    ("through", "status"),
    [("127.0.0.1", 200), ("8.8.8.8", 403), ("8.8.8.8, 127.0.0.1", 403), ("secret", 403), ("", 200)],
)
def test_through_a_proxy_the_one_behind_it_counts(client: Any, through: str, status: int) -> None:
    assert client.ask("GET", "/metrics", HTTP_X_FORWARDED_FOR=through).status == status


def test_networks_come_from_the_settings(client: Any, settings: Any) -> None:
    settings.METRICS_NETWORKS = ["10.0.0.0/8"]
    probes._networks.cache_clear()
    assert client.ask("GET", "/metrics", REMOTE_ADDR="10.1.2.3").status == 200
    assert client.ask("GET", "/metrics").status == 403
    probes._networks.cache_clear()


def test_requests_are_counted_by_path_and_status(client: Any) -> None:
    def count(path: str, status: int) -> float:
        line = f'firstlight_requests_total{{path="{path}",status="{status}"}} '
        text = client.ask("GET", "/metrics").body.decode()
        return sum(float(found[len(line) :]) for found in text.splitlines() if found.startswith(line))

    before = count("/healthz", 200), count("/healthz", 405)
    for _ in range(3):
        client.ask("GET", "/healthz")
    client.ask("PUT", "/healthz")
    assert (count("/healthz", 200), count("/healthz", 405)) == (before[0] + 3, before[1] + 1)
