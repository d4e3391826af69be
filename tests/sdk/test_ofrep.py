"""OpenFeature's own clients, unchanged, against a server: the arms of /allocations, and errors in their own words."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from firstlight.postgres import embedded
from tests.faults.server import Server, within
from tests.faults.test_streams import streaming

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SETUP = """
from datetime import timedelta
from decimal import Decimal
from django.core.management import call_command
from django.utils import timezone
import experiments.lifecycle
from experiments.models import Arm, Experiment, ExperimentMetric
from firstlight.accounts import keys
from firstlight.catalog.models import Scenario
from firstlight.metrics.models import Metric
from firstlight.snapshots.publication import publish
call_command("migrate", verbosity=0)
home = Scenario.objects.create(key="home", name="Home")
Scenario.objects.create(key="search", name="Search")

def start(key, control, treatment, targeting=None):
    one = Experiment.objects.create(key=key, name=key, targeting=targeting or {})
    one.scenarios.add(home)
    for position, (arm, parameters) in enumerate((("control", control), ("treatment", treatment))):
        Arm.objects.create(
            experiment=one, position=position, key=arm, weight=Decimal("0.5"), parameters=parameters
        )
    ExperimentMetric.objects.create(experiment=one, metric=Metric.objects.order_by("pk")[0])
    experiments.lifecycle.start(one.pk, actor="test", at=timezone.now())

"""
LIVE = """
start("ranking", {"ranker": "din", "quota": 1}, {"ranker": "dien", "quota": 1.5})
start("indian", {"banner": False}, {"banner": True, "copy": {"title": "Hi"}}, {"country": "IN"})
start("rows", {"rows": 3}, {"rows": 4})
result = [keys.create("one", scopes, [], "test")[1] for scopes in (["allocate"], ["read"])]
publish()
"""
STOP = """
from django.utils import timezone
import experiments.lifecycle
from experiments.models import Experiment
from firstlight.snapshots.publication import publish
experiments.lifecycle.pause(Experiment.objects.get(key="rows").pk, actor="test", at=timezone.now())
publish()
result = None
"""
PAGE = """
from firstlight.accounts import client_keys
from firstlight.snapshots.publication import publish
result = client_keys.create("page", [], "test", tells_lists=True).key
publish()
"""
LAST = STOP.replace("rows", "ranking")
DEFAULTS = {  # by flag; its type is what a client asks for
    "ranker": "none",
    "quota": 0.5,
    "banner": False,
    "copy": {"title": "Ours"},
    "rows": 0,
    "experiment.ranking": "",
    "experiment.indian": "",
}
CONTEXTS = [
    {"targetingKey": f"u-{i}", "scenario": "home", "country": country} for i in range(20) for country in ("IN", "BR")
]
# What npm's clients print of a failed evaluation beside the default.
MISSING = {"value": True, "reason": "ERROR", "errorCode": "FLAG_NOT_FOUND"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str, str]]:
    """A server with its streams, a key that may allocate, and one that may not."""
    server = Server(tmp_path_factory.mktemp("ofrep"))
    embedded.start(server.cluster)
    os.environ["STREAMS_URL"] = f"http://127.0.0.1:{(port := _free()) + 1}"
    try:
        key, reader = server.django(SETUP + LIVE)
        server.serve(port)
        with streaming(server):
            yield server, key, reader
    finally:
        del os.environ["STREAMS_URL"]
        server.end()
        embedded.remove(server.cluster)


def _free() -> int:
    import socket

    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def allocated(server: Server, key: str, context: dict[str, Any]) -> dict[str, Any]:
    """What a client must say of each flag: (value, variant), by /allocations."""
    attributes = {"country": context["country"]}
    body = {"unit": {"user_id": context["targetingKey"]}, "scenario": context["scenario"], "attributes": attributes}
    answer = server.ask("POST", "/api/v1/allocations", key, json=body).json()
    arms = {one["experiment"]: one["variant"] for one in answer["experiments"]}
    given = answer["parameters"] | {f"experiment.{name}": arm for name, arm in arms.items()}
    return {name: given.get(name, default) for name, default in DEFAULTS.items()}


def client(server: Server, key: str, header: str = "Authorization") -> OpenFeatureClient:
    said = f"Bearer {key}" if header == "Authorization" else key
    provider = OFREPProvider(f"http://127.0.0.1:{server.port}", headers_factory=lambda: {header: said})
    api.set_provider(provider)
    return api.get_client()


def asked(one: OpenFeatureClient, name: str, default: Any, context: dict[str, Any]) -> Any:
    kinds = {bool: "boolean", str: "string", int: "integer", float: "float", dict: "object"}
    attributes = {key: value for key, value in context.items() if key != "targetingKey"}
    said = EvaluationContext(context.get("targetingKey"), attributes)
    return getattr(one, f"get_{kinds[type(default)]}_details")(name, default, said)


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_the_client_of_pypi_says_what_allocations_say(served: tuple[Server, str, str], header: str) -> None:
    server, key, _ = served
    one = client(server, key, header)
    for context in CONTEXTS:
        told = {name: asked(one, name, default, context) for name, default in DEFAULTS.items()}
        assert {name: (d.error_code, d.error_message) for name, d in told.items() if d.error_code} == {}
        assert {name: d.value for name, d in told.items()} == allocated(server, key, context)
        assert {name for name, d in told.items() if d.reason == "DISABLED"} == (
            {"banner", "copy", "experiment.indian"} if context["country"] == "BR" else set()
        )


def test_the_client_of_pypi_hears_what_is_wrong_in_its_own_words(served: tuple[Server, str, str]) -> None:
    server, key, reader = served
    known = {"targetingKey": "u", "scenario": "home"}
    one = client(server, key)
    wrong = {
        "nothing": (known, ErrorCode.FLAG_NOT_FOUND),
        "ranker": ({"scenario": "home"}, ErrorCode.TARGETING_KEY_MISSING),
        "banner": ({"targetingKey": "u", "scenario": "nowhere"}, ErrorCode.INVALID_CONTEXT),
        "rows": ({"targetingKey": "u"}, ErrorCode.INVALID_CONTEXT),
    }
    for name, (context, code) in wrong.items():
        told = asked(one, name, "default", context)
        assert (told.value, told.error_code) == ("default", code)
        assert told.error_message
    told = asked(one, "rows", "default", known)
    assert told.error_code == ErrorCode.TYPE_MISMATCH  # a number stays one
    for other in (reader, "fl_nobody_x"):
        assert asked(client(server, other), "ranker", "default", known).error_code == ErrorCode.GENERAL


def test_the_clients_of_npm_say_what_allocations_say_and_hear_of_a_change(served: tuple[Server, str, str]) -> None:
    if not (HERE / "node_modules").is_dir() and not os.environ.get("CI"):
        pytest.skip("Run `npm ci` in tests/sdk first: it brings the SDKs that this test asks.")
    server, key, _ = served
    told = {
        "url": f"http://127.0.0.1:{server.port}",
        "key": key,
        "contexts": CONTEXTS,
        "flags": {**DEFAULTS, "nothing": True},
    }
    node = subprocess.Popen(
        ["node", "ofrep.mjs", json.dumps(told)], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    lines: Queue[Any] = Queue()
    threading.Thread(target=_read, args=(node, lines), daemon=True).start()
    try:
        expected = [allocated(server, key, context) for context in CONTEXTS]
        for kind in ("server", "web"):
            found = lines.get(timeout=60)
            for one in found:
                assert {name: one["nothing"][name] for name in MISSING} == MISSING
            assert [{name: one[name]["value"] for name in DEFAULTS} for one in found] == expected
            failed = [
                (one[name]["value"], default)
                for one in found
                for name, default in DEFAULTS.items()
                if "errorCode" in one[name]
            ]
            # npm's server client is of before OFREP 0.3: a flag without a value is an error to it, and its default.
            assert all(value == default for value, default in failed) if kind == "server" else not failed
        time.sleep(0.5)  # the stream is opened after the first flags
        began = time.time()
        server.django(STOP)
        changed = lines.get(timeout=30)
        assert {"rows", "experiment.rows"} <= set(changed)
        assert time.time() - began < 15  # of which the process that pauses it takes most; tests.faults times the stream
    finally:
        node.stdin and node.stdin.close()
        node.wait(20)


def test_the_sdk_of_growthbook_hears_of_a_change_on_its_stream(served: tuple[Server, str, str]) -> None:
    if not (HERE / "node_modules").is_dir() and not os.environ.get("CI"):
        pytest.skip("Run `npm ci` in tests/sdk first: it brings the SDKs that this test asks.")
    server, *_ = served
    hosts = {"apiHost": f"http://127.0.0.1:{server.port}", "streamingHost": f"http://127.0.0.1:{server.port + 1}"}
    told = json.dumps({**hosts, "clientKey": server.django(PAGE)})
    assert within(10, lambda: server.asks("GET", f"/api/features/{json.loads(told)['clientKey']}", 6) == {200})
    node = subprocess.Popen(
        ["node", "streamed.mjs", told], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    lines: Queue[Any] = Queue()
    threading.Thread(target=_read, args=(node, lines), daemon=True).start()
    try:
        assert "ranker" in lines.get(timeout=60)
        time.sleep(0.5)  # the stream is opened after the first features
        server.django(LAST)
        assert "ranker" not in lines.get(timeout=30)
    finally:
        node.stdin and node.stdin.close()
        node.wait(20)


def _read(node: "subprocess.Popen[str]", lines: "Queue[Any]") -> None:
    assert node.stdout
    for line in node.stdout:
        lines.put(json.loads(line))
