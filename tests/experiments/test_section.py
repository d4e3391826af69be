"""From rows to the answer of the allocation API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from experiments import lifecycle, section
from experiments.models import Layer
from firstlight.assignment.index import Published
from firstlight.catalog.models import Scenario
from firstlight.snapshots.sections import Request
from tests.experiments.plans import draft
from tests.experiments.test_lifecycle import start

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def home() -> Scenario:
    return Scenario.objects.create(key="home", name="Home")


def state() -> Published:
    return section.gather({name: section.load(payload) for name, payload in section.compile(NOON).items()})


def decided(scenario: str = "home", **unit: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"experiments": [], "parameters": {}}
    section.decide(state(), Request(unit=unit or {"user_id": "u-1"}, scenario=scenario, trace_id="t", at=NOON), answer)
    return answer


def test_only_what_runs_is_published_and_the_same_state_gives_the_same_bytes(home: Scenario) -> None:
    draft("waiting", home)
    running, over = start(draft("ranker", home)), start(draft("over", home))
    lifecycle.stop(over.pk, actor="pm", at=NOON)
    first = section.compile(NOON)
    assert [name.partition("@")[0] for name in first] == [running.key]
    assert section.compile(NOON) == first


def test_a_unit_meets_its_arm_and_its_parameters(home: Scenario) -> None:
    start(draft("ranker", home))
    met = set()
    for i in range(50):
        answer = decided(user_id=f"u-{i}")
        (one,) = answer["experiments"]
        assert one == {"experiment": "ranker", "variant": one["variant"], "phase": 1, "in_holdout": False}
        assert answer["parameters"] == {"ranker": one["variant"]}
        assert "_objective_weights" not in answer
        met.add(one["variant"])
    assert met == {"control", "new"}


def test_a_unit_without_the_id_and_another_scenario_are_left_out(home: Scenario) -> None:
    start(draft("ranker", home))
    for answer in (decided(device_id="d-1"), decided("search", user_id="u-1")):
        assert (answer["experiments"], answer["parameters"]) == ([], {})


def test_parameters_of_several_experiments_come_together(home: Scenario) -> None:
    for key in ("b", "a", "c"):
        start(draft(key, home))
    answer = decided()
    assert [one["experiment"] for one in answer["experiments"]] == ["a", "b", "c"]
    assert set(answer["parameters"]) == {"a", "b", "c"}


def test_one_layer_gives_a_unit_to_one_experiment(home: Scenario) -> None:
    layer = Layer.objects.create(key="ranking", name="Ranking")
    start(draft("left", home, layer=layer, end_bucket=5000, parameters="model"))
    start(draft("right", home, layer=layer, first_bucket=5000, parameters="model"))
    met = [[one["experiment"] for one in decided(user_id=f"u-{i}")["experiments"]] for i in range(60)]
    assert {tuple(each) for each in met} == {("left",), ("right",)}


def test_an_arm_s_own_weights_are_told_to_the_objectives(home: Scenario) -> None:
    experiment = draft("weights", home)
    own = {"user": 0.2, "merchant": 0.3, "platform": 0.5}
    experiment.arms.filter(key="new").update(objective_weights=own)
    start(experiment)
    answers = [decided(user_id=f"u-{i}") for i in range(30)]
    for answer in answers:
        expected = {"experiment": "weights", "weights": own} if answer["experiments"][0]["variant"] == "new" else None
        assert answer.get("_objective_weights") == expected
    assert any("_objective_weights" in answer for answer in answers)


def test_coverage_leaves_units_out(home: Scenario) -> None:
    start(draft("some", home, coverage="0.2"))
    taken = sum(bool(decided(user_id=f"u-{i}")["experiments"]) for i in range(400))
    assert abs(taken - 80) < 4 * (400 * 0.2 * 0.8) ** 0.5
