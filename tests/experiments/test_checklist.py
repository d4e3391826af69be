"""The checklist: what it says, and that only what fails keeps an experiment from starting."""

from decimal import Decimal
from typing import Any

import pytest

from experiments import lifecycle
from experiments.lifecycle import UnableToStart, checklist
from experiments.lifecycle.items import State
from experiments.models import Experiment, ExperimentMetric, Layer, Look, Status
from experiments.traffic import Seen
from firstlight.accounts.models import AuditEntry
from firstlight.catalog.models import Merchant
from firstlight.console import words
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.models import ScenarioMeasure
from tests.experiments.plans import DAY, HOUR, NOON, draft, look, metric, scenario

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def traffic(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the lake shows; tests put another in its place."""
    settings.AFTER_CHANGE = "builtins.dict"
    shown: list[Any] = [Seen(frozenset({"click"}), ({"country": "IN"}, {"country": "BR"}, {}))]
    monkeypatch.setattr("experiments.traffic.seen", lambda *_: shown[-1])
    return shown


def told(experiment: Experiment) -> dict[str, tuple[str, str]]:
    return {item.key: (item.state.value, item.sentence) for item in checklist.of(experiment, NOON)}


def state(experiment: Experiment, key: str) -> str:
    return told(experiment)[key][0]


def full(key: str = "ranker", **fields: Any) -> Experiment:
    experiment = draft(key, **({"hypothesis": "More clicks."} | fields))
    ExperimentMetric.objects.create(experiment=experiment, metric=metric("test-refunds"), role="guardrail")
    return experiment


def a_a(split: bool, key: str = "aa", day: int = 0) -> Experiment:
    experiment = draft(key, type="aa")
    lifecycle.start(experiment.pk, actor="pm", at=NOON + day * DAY)
    look(experiment, NOON + (day + 1) * DAY, split=split)
    lifecycle.stop(experiment.pk, actor="pm", at=NOON + (day + 1) * DAY)
    return experiment


def test_a_plan_that_lacks_nothing_is_in_order_everywhere() -> None:
    a_a(split=True)
    states = {key: state for key, (state, _) in told(full()).items()}
    assert states.pop("power") == "warn"  # nobody has counted who comes
    assert set(states) == {"plan", "overlap", "same_arms", "guardrails", "hypothesis", "data", "targeting"}
    assert set(states.values()) == {"ok"}


def test_advice_keeps_nobody_from_starting_and_failures_do(traffic: list[Any]) -> None:
    traffic.append(Withheld(Reason.NO_ANSWER))
    advised = draft("advised", targeting={"country": "XX"})
    assert {state for state, _ in told(advised).values()} == {"ok", "warn"}
    assert lifecycle.start(advised.pk, actor="pm", at=NOON).status == Status.RUNNING
    rival = draft("rival", parameters="advised")
    failed = [sentence for state, sentence in told(rival).values() if state == "fail"]
    with pytest.raises(UnableToStart) as refusal:
        lifecycle.start(rival.pk, actor="pm", at=NOON)
    assert str(refusal.value) == " ".join(failed) and failed


def test_faults_of_the_plan_stand_alone() -> None:
    experiment = draft("ranker", targeting={"country": {"$near": 1}})
    listed = told(experiment)
    assert listed["plan"][0] == "fail" and "Its targeting cannot be read: " in listed["plan"][1]
    assert "overlap" not in listed


def test_neighbours_are_counted_by_how_they_are_kept_apart() -> None:
    layer = Layer.objects.create(key="ranking", name="Ranking")
    places: dict[str, Any] = {"a": {"layer": layer, "end_bucket": 100}, "b": {}, "c": {}}
    for key, fields in places.items():
        lifecycle.start(draft(key, **fields).pk, actor="pm", at=NOON)
    lifecycle.start(draft("far", scenario("search")).pk, actor="pm", at=NOON)
    mine = draft("mine", layer=layer, first_bucket=100)
    assert told(mine)["overlap"] == (
        "ok",
        "In its scenarios run 2 experiments beside it at random, and 1 in its own layers, which keep them apart.",
    )


def test_buckets_that_are_held_fail_it() -> None:
    layer = Layer.objects.create(key="ranking", name="Ranking")
    lifecycle.start(draft("a", layer=layer).pk, actor="pm", at=NOON)
    assert told(draft("b", layer=layer))["overlap"][0] == "fail"


def test_an_uneven_a_a_test_fails_what_follows_but_the_next_a_a_test() -> None:
    a_a(split=False)
    mine = draft("mine")
    assert told(mine)["same_arms"][0] == "fail" and "900 : 100" in told(mine)["same_arms"][1]
    with pytest.raises(UnableToStart, match="let a new A/A test pass first"):
        lifecycle.start(mine.pk, actor="pm", at=NOON + DAY)
    assert state(draft("elsewhere", scenario("search")), "same_arms") == "warn"
    a_a(split=True, key="repaired", day=1)
    assert state(mine, "same_arms") == "ok"
    assert lifecycle.start(mine.pk, actor="pm", at=NOON + 3 * DAY).status == Status.RUNNING


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "interleaving", "arms": ("a", "b", "c")}, "exactly two rankers; it has 3 arms"),
        ({"type": "holdout", "arms": ("a", "b", "c")}, "none and all of what was shipped; it has 3"),
        ({"type": "switchback", "switch_hours": 1, "burn_in_minutes": 60}, "leaves nothing of a window of 1 hours"),
        ({"type": "switchback", "holdback": Decimal("0.1")}, "an arm of its own that it could be held back in"),
        ({"type": "interleaving", "holdback": Decimal("0.1")}, "an arm of its own that it could be held back in"),
        ({"cluster": "user_id"}, "Its units are their own clusters: name what a user belongs to"),
    ],
)
def test_each_type_has_its_rules(fields: dict[str, Any], words: str) -> None:
    found = told(draft("ranker", **fields))["plan"]
    assert found[0] == "fail" and words in found[1]


def test_the_arms_of_an_a_a_test_are_the_same() -> None:
    experiment = draft("ranker", type="aa")
    assert state(experiment, "plan") == "ok"
    experiment.arms.filter(key="new").update(parameters={"ranker": "din"})
    assert "“new” and “control” differ" in told(experiment)["plan"][1]


def test_the_arms_of_a_holdout_are_of_one_size() -> None:
    experiment = draft("ranker", type="holdout")
    experiment.arms.filter(key="new").update(weight="0.9")
    experiment.arms.filter(key="control").update(weight="0.1")
    assert "balanced by design" in told(experiment)["plan"][1]


@pytest.mark.parametrize("unit", ["merchant_id", "item_id", "session_id"])
def test_other_units_than_users_may_be_split(unit: str) -> None:
    assert state(draft("ranker", unit=unit), "plan") == "ok"


def test_what_is_not_written_or_guarded_is_said() -> None:
    listed = told(draft())
    assert (listed["hypothesis"][0], listed["guardrails"][0]) == ("warn", "warn")


def test_events_that_never_came_are_named(traffic: list[Any]) -> None:
    traffic.append(Seen(frozenset({"visit"}), ()))
    assert told(full())["data"] == (
        "warn",
        "“test clicks” counts click and “test refunds” counts click: "
        "no such event came in the last seven days. Send them before it starts.",
    )


@pytest.mark.parametrize(
    ("condition", "shown", "state", "words"),
    [
        ({}, ({},), State.OK, "Everybody"),
        ({"country": "IN"}, ({"country": "IN"}, {"country": "BR"}), State.OK, "matches 50 % of 2 recent requests"),
        ({"country": "XX"}, ({"country": "IN"},), State.WARN, "matches 0 % of 1 recent requests. Check the names"),
        ({"country": "IN"}, (), State.WARN, "No request came"),
    ],
)
def test_targeting_is_held_against_real_requests(
    traffic: list[Any], condition: Any, shown: Any, state: State, words: str
) -> None:
    traffic.append(Seen(frozenset(), shown))
    found = told(draft("ranker", targeting=condition))["targeting"]
    assert found[0] == state.value and words in found[1]


def measured_days(units: int, fresh: int) -> None:
    """A week of as many units a day at home."""
    blank = dict.fromkeys(("impressions", "clicks", "clicked_impressions", "carts", "orders", "buyers"), 0)
    for day in range(1, 8):
        starts_at = NOON.replace(hour=0) - day * DAY
        seen = {"units": units, "returning_units": units - fresh, "measured_at": NOON, "grain": "day"}
        ScenarioMeasure.objects.create(scenario=scenario(), starts_at=starts_at, recall_source="", **{**blank, **seen})


def known(mean: float, sd: float, n: int = 1000, **fields: Any) -> None:
    """An A/A test has measured the goal."""
    made = look(lifecycle.start(draft("aa", **{"type": "aa", **fields}).pk, actor="pm", at=NOON), NOON + DAY)
    arm = {"arm": "control", "units": n, "mean": mean, "standard_error": sd / n**0.5}
    results = {**made.results, "control": "control"}
    results["metrics"] = [{"metric": "test-clicks", "arms": [arm], "estimates": []}]
    Look(experiment=made.experiment, number=2, until=NOON + DAY, batch=2, verdict="", results=results).save()


@pytest.mark.parametrize(("sd", "state"), [(1.0, "ok"), (8.0, "warn")])
def test_power_is_that_of_the_units_that_come_in_the_planned_days(sd: float, state: str) -> None:
    """Against the textbook: 2.8016 standard errors of the difference between two halves."""
    measured_days(1000, 500)
    known(2.0, sd)
    found = told(draft("mine", analysis="fixed", planned_days=21, coverage="0.5"))["power"]
    n = 0.5 * (1000 + 20 * 500)
    lift = 2.8015852 * sd * (4 / n) ** 0.5 / 2.0
    assert found[0] == state
    assert (
        f"About 5,500 units in 21 days would show a change of {words.percent(lift)} or more in “test clicks”"
        in found[1]
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "how many units come is not known"),
        ({"unit": "merchant_id"}, "how many units come is not known"),
        ({"type": "switchback"}, "no look has measured “test clicks” on windows of 24 hours in its scenarios yet"),
        ({"type": "interleaving"}, "tells which ranker is preferred, not by how much"),
        ({"cluster": "merchant_id"}, "how many clusters by merchant_id come is not known"),
    ],
)
def test_power_that_cannot_be_known_is_not_made_up(fields: dict[str, Any], words: str) -> None:
    found = told(draft("ranker", **fields))["power"]
    assert found[0] == "warn" and "is open: " in found[1] and words in found[1]


def test_a_goal_that_nobody_has_measured_leaves_power_open() -> None:
    measured_days(1000, 500)
    assert "no look has measured “test clicks” on units in its scenarios yet" in told(draft())["power"][1]


@pytest.mark.parametrize(
    ("fields", "n", "named"),
    [
        ({"unit": "merchant_id"}, 400, "400 merchants"),
        ({"type": "switchback", "switch_hours": 6}, 84, "84 windows of 6 hours"),
    ],
)
def test_power_of_other_units_is_that_of_how_many_there_are(fields: dict[str, Any], n: int, named: str) -> None:
    """Merchants as the catalogue has them, windows as the clock makes them; each by a look at the same kind."""
    measured_days(1000, 500)
    Merchant.objects.bulk_create(Merchant(key=f"m{i}") for i in range(400))
    known(2.0, 1.0, **({"type": "aa"} | fields))
    found = told(draft("mine", analysis="fixed", planned_days=21, **fields))["power"]
    lift = 2.8015852 * (4 / n) ** 0.5 / 2.0
    assert f"About {named} in 21 days would show a change of {words.percent(lift)} or more" in found[1]
    other = told(draft("other", analysis="fixed", planned_days=21))["power"]
    assert "no look has measured" in other[1]  # of people, who vary otherwise


def test_the_reviewer_can_read_what_was_known_at_the_submission() -> None:
    experiment = full()
    lifecycle.submit(experiment.pk, actor="pm", at=NOON + HOUR)
    entry = AuditEntry.objects.get(action="submitted")
    kept = entry.changes["checklist"][1]
    now = told(Experiment.objects.get())
    assert now.pop("review") == ("fail", "Its review is not done: somebody approves it, or returns it to draft.")
    assert {one["key"]: (one["state"], one["sentence"]) for one in kept} == now
