"""The SDKs of GrowthBook, npm's and PyPI's, unchanged: every unit in the very arm, every parameter the very value."""

import json
import os
import random
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from growthbook import GrowthBook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstlight.assignment.index import Published
from firstlight.assignment.payload import payload
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

    def ask(self, told: dict[str, Any], units: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"payload": told, "units": units}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def npm() -> Iterator[Npm]:
    if not (HERE / "node_modules").is_dir() and not os.environ.get("CI"):
        pytest.skip("Run `npm ci` in tests/sdk first: it brings the SDKs that this test asks.")
    one = Npm()
    yield one
    assert one.process.stdin
    one.process.stdin.close()
    one.process.wait(10)


def ours(state: Published, attributes: dict[str, Any]) -> Values:
    """What /allocations says, by the names of features."""
    unit = {name: str(attributes[name]) for name in UNITS if name in attributes}
    index = state.indexes.get(attributes["scenario"])
    found: Values = {}
    for rule, arm in index.assign(unit, attributes) if index else ():
        found |= arm.parameters | {f"experiment.{rule.key}": arm.key}
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
