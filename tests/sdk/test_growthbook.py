"""The SDKs of GrowthBook, npm's and PyPI's, unchanged: every unit in the very arm, every parameter the very value."""

import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import make_server

import pytest
from growthbook import GrowthBook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstlight.assignment import sticky
from firstlight.assignment.index import Published
from firstlight.assignment.payload import payload
from firstlight.assignment.rules import Arm, Rule, Wishes
from firstlight.serving import dispatcher
from firstlight.snapshots import memory
from tests.firstlight.assignment.test_assignment import rule
from tests.firstlight.serving.test_growthbook import RULES, holding
from tests.sdk.configurations import GROUPS, HERE, SCENARIOS, UNITS, rules, units

PYPI_SHARE = int(
    os.environ.get("PYPI_SHARE", "5")
)  # it takes ten times as long as node: one unit in so many; 1 took 100 s
Values = dict[str, Any]  # of features; what is null is left out


class Npm:
    """One process of node for all configurations."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["node", "growthbook.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, payload: dict[str, Any], units: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"payload": payload, "units": units}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())  # type: ignore[no-any-return]

    def __enter__(self) -> "Npm":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture(scope="module")
def npm() -> Iterator[Npm]:
    if not ((HERE / "node_modules").is_dir() and shutil.which("node")) and not os.environ.get("CI"):
        pytest.skip("Run `npm ci` in tests/sdk first: it brings the SDKs that this test asks.")
    with Npm() as one:
        yield one


def ours(state: Published, attributes: dict[str, Any]) -> Values:
    """What /allocations says, by the names of features."""
    unit = {name: str(attributes[name]) for name in UNITS if name in attributes}
    index = state.indexes.get(attributes["scenario"])
    found: Values = {}
    for one, arm in index.assign(unit, attributes) if index else ():
        found |= arm.parameters | {f"experiment.{one.key}": arm.key}
    return found


def pypi(told: dict[str, Any], units: list[dict[str, Any]]) -> list[Values]:
    client = GrowthBook(features=told["features"], savedGroups=told["savedGroups"])
    found = []
    for attributes in units:
        client.set_attributes(attributes)
        values = {name: client.eval_feature(name).value for name in told["features"]}
        found.append({name: value for name, value in values.items() if value is not None})
    return found


def shown(values: Values) -> Values:
    return {name: value for name, value in values.items() if not name.startswith("required.")}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_a_hundred_thousand_units_are_in_the_arms_of_allocations(npm: Npm, drawn: int) -> None:
    rng = random.Random(drawn)
    made = rules(rng)
    state = Published.of(made, GROUPS)
    told = json.loads(json.dumps(payload(state, SCENARIOS, lists=True)))
    asked = units(rng, 500, made)
    expected = [ours(state, one) for one in asked]
    by_npm = [shown(one["values"]) for one in npm.ask(told, [{"attributes": one} for one in asked])]
    assert [(a, e, g) for a, e, g in zip(asked, expected, by_npm, strict=True) if e != g] == []
    some = asked[: len(asked) // PYPI_SHARE]
    by_pypi = [shown(one) for one in pypi(told, some)]
    assert [(a, e, g) for a, e, g in zip(some, expected, by_pypi, strict=False) if e != g] == []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Over a real socket, since SDKs fetch by themselves."""
    held = holding(7, RULES)
    monkeypatch.setattr(memory, "current", lambda: held)

    def behind(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [])
        return [b""]

    with make_server("127.0.0.1", 0, dispatcher.Dispatcher(behind)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


UNIT = {"user_id": "u-81", "scenario": "home", "country": "IN"}


def test_the_pypi_sdk_fetches_by_itself_and_tells_whom_it_met(server: str) -> None:
    met: list[tuple[str, str]] = []
    client = GrowthBook(
        api_host=server,
        client_key="sdk-all",
        attributes=dict(UNIT),  # emptied when the client ends
        on_experiment_viewed=lambda experiment, result, user_context=None: met.append((experiment.key, result.key)),
    )
    client.load_features()
    found = ours(memory.current().state("experiments"), UNIT)
    assert client.get_feature_value("ranker", None) == found.get("ranker")
    arms = {name: client.eval_feature(f"experiment.{name}").value for name in ("a", "b", "c")}
    assert arms == {name: found[f"experiment.{name}"] for name in arms}
    assert dict(met) == arms
    client.destroy()


def test_the_npm_sdk_fetches_by_itself(server: str, npm: Npm) -> None:
    found = ours(memory.current().state("experiments"), UNIT)
    (told,) = npm.ask({"apiHost": server, "clientKey": "sdk-all"}, [{"attributes": UNIT}])
    assert told["values"] == found
    assert told["tracked"] == {name.removeprefix("experiment."): arm for name, arm in found.items() if "." in name}


def dealt(**changes: Any) -> Rule:
    half = (Arm("control", 0.5), Arm("din", 0.5, {"ranker": "din"}))
    return rule("kept", arms=half, sticky=True, unit="user_id", fallback="device_id", **changes)


def test_units_of_an_sdk_keep_their_arms_through_other_weights_and_shares_as_here(npm: Npm) -> None:
    """Documents of an answer are brought to an SDK, half of them those of the device before the person was known."""
    before = Published.of([dealt()])
    after = Published.of([dealt(ranges=((0.0, 0.1), (0.5, 0.6)), coverage=0.2, seed="other")])
    asked = [
        {"user_id": f"u-{i}", "scenario": "home"} | ({"device_id": f"d-{i}"} if i % 2 else {}) for i in range(2_000)
    ]
    first = [{**one, "user_id": ""} if "device_id" in one else one for one in asked]
    known = [documents(before, one) if i % 3 else {} for i, one in enumerate(first)]
    expected = [
        {f"experiment.{its.key}": arm.key for its, arm in met(after, one, brought)}
        for one, brought in zip(asked, known, strict=True)
    ]
    told = json.loads(json.dumps(payload(after, {"home"}, lists=True)))
    got = npm.ask(told, [{"attributes": one, "docs": brought} for one, brought in zip(asked, known, strict=True)])
    shown = [{name: value for name, value in one["values"].items() if "." in name} for one in got]
    assert shown == expected
    assert 0.7 < sum(map(bool, expected)) / len(expected) < 0.77  # two thirds have kept, of the rest a fifth are new


def met(state: Published, attributes: dict[str, Any], brought: dict[str, Any]) -> list[tuple[Rule, Arm]]:
    unit = {name: attributes[name] for name in UNITS if attributes.get(name)}
    return state.indexes["home"].assign(unit, attributes, Wishes(sticky=brought))


def documents(state: Published, attributes: dict[str, Any]) -> dict[str, Any]:
    unit = {name: attributes[name] for name in UNITS if attributes.get(name)}
    return dict(sticky.documents(met(state, attributes, {}), unit, {}))


def test_a_unit_that_met_a_refused_deal_takes_no_part(npm: Npm) -> None:
    state = Published.of([dealt(since_phase=3, refused_before=2, phase=3)])
    told = json.loads(json.dumps(payload(state, {"home"}, lists=True)))
    asked = [{"user_id": f"u-{i}", "scenario": "home"} for i in range(300)]
    known = [
        {
            f"user_id||u-{i}": {
                "attributeName": "user_id",
                "attributeValue": f"u-{i}",
                "assignments": {f"kept__{i % 4}": "din"},
            }
        }
        for i in range(300)
    ]
    expected = [
        {f"experiment.{its.key}": arm.key for its, arm in met(state, one, brought)}
        for one, brought in zip(asked, known, strict=True)
    ]
    got = npm.ask(told, [{"attributes": one, "docs": brought} for one, brought in zip(asked, known, strict=True)])
    assert [{n: v for n, v in one["values"].items() if "." in n} for one in got] == expected
    assert [bool(one) for one in expected] == [i % 4 >= 2 for i in range(300)]
