"""Exposures that an SDK tells of count as decisions of the allocation API do: the same units, in the same arms."""

import json
import os
import shutil
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from experiments import analysis
from experiments.models import Experiment
from experiments.section import rules_of
from firstlight.assignment.index import Published
from firstlight.assignment.payload import payload
from firstlight.events import inbox
from firstlight.events.flush import flush
from firstlight.events.parse import InboxRow, parse
from tests.flows.test_event_to_verdict import empty, event, experiment, units_and_buyers
from tests.sdk.configurations import HERE
from tests.sdk.test_growthbook import Npm

__all__ = ["empty", "experiment"]

UNITS = 400


@pytest.fixture
def npm() -> Any:
    if not ((HERE / "node_modules").is_dir() and shutil.which("node")) and not os.environ.get("CI"):
        pytest.skip("Run `npm ci` in tests/sdk first: it brings the SDK that this test asks.")
    with Npm() as one:
        yield one


def orders(n: int) -> list[dict[str, Any]]:
    at = datetime.now(UTC) + timedelta(seconds=30)  # after every exposure
    return [event("order", f"u-{i}", at, value="1.00", currency="INR", order_id=f"o-{i}") for i in range(0, n, 3)]


def sent(events: list[dict[str, Any]]) -> None:
    parsed = parse(json.dumps(events).encode(), "application/json", at=datetime.now(UTC), may_backfill=False)
    assert parsed.rejected == []
    inbox.store(parsed.rows)


def decisions(state: Published, units: list[dict[str, Any]]) -> None:
    rows = []
    for unit in units:
        found = state.indexes["home"].assign({"user_id": unit["user_id"]}, unit)
        met = [{"experiment": rule.key, "variant": arm.key, "phase": rule.phase} for rule, arm in found]
        at = round(datetime.now(UTC).timestamp() * 1e6)
        decision = {"type": "decision", "at": at, "scenario": "home", "user_id": unit["user_id"], "assignments": met}
        name = str(uuid.uuid4())
        rows.append(InboxRow(name, json.dumps(decision | {"event_id": name}).encode()))
    inbox.store(rows)


def counted(made: Experiment) -> list[tuple[int, float]]:
    sent(orders(UNITS))
    flush()
    return units_and_buyers(analysis.look(made.pk, at=datetime.now(UTC) + timedelta(minutes=1)))


@pytest.mark.parametrize("told_by", ["sdk", "allocations"])
def test_an_exposure_of_an_sdk_counts_as_a_decision_does(experiment: Experiment, npm: Npm, told_by: str) -> None:
    Experiment.objects.filter(pk=experiment.pk).update(phase=2, coverage="0.8")
    experiment.refresh_from_db()
    state = Published.of(rules_of([experiment]))
    units = [{"user_id": f"u-{i}", "scenario": "home"} for i in range(UNITS)]
    if told_by == "sdk":
        told = json.loads(json.dumps(payload(state, {"home"}, lists=True)))
        sent([one for unit in npm.ask(told, [{"attributes": unit} for unit in units]) for one in unit["events"]])
    else:
        decisions(state, units)
    arms = {i: arm.key for i in range(UNITS) for _, arm in state.indexes["home"].assign({"user_id": f"u-{i}"})}
    expected = [
        (sum(arm == key for arm in arms.values()), sum(arm == key and i % 3 == 0 for i, arm in arms.items()))
        for key in ("old", "new")
    ]
    assert counted(experiment) == expected


def test_the_callback_stands_in_the_docs() -> None:
    code = (HERE / "exposure.mjs").read_text().partition("export ")[2]
    assert code in (HERE.parents[1] / "docs" / "api.md").read_text()
