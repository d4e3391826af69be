from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from experiments.models import Arm, Experiment, Status
from tests.firstlight.tracing.rows import row, write

NOW = datetime.now(UTC)
PATH = "/api/v1/scenarios/home_feed/paths/"


@pytest.fixture(autouse=True)
def lake(settings, tmp_path, scenarios):
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    return scenarios[0]


def event(kind, minutes, user, **more):
    return row(kind, NOW - timedelta(minutes=minutes), user_id=user, scenario="home_feed", **more)


def met(user, arm, experiment="e"):
    return event("decision", 600, user, assignments=[{"experiment": experiment, "variant": arm, "phase": 1}])


@pytest.fixture
def experiment(lake, request):
    changes = getattr(request, "param", {})
    plan = {"status": Status.RUNNING, "started_at": NOW - timedelta(days=2), "confidence": "0.9"} | changes
    made = Experiment.objects.create(key="e", name="E", **plan)
    made.scenarios.add(lake)
    for position, key in enumerate(("control", "din")):
        Arm.objects.create(experiment=made, position=position, key=key, weight=Decimal("0.5"))
    return made


def few():
    return [
        event("impression", 50, "a", item_id="i", recall_source="i2i", ranker="din"),
        event("impression", 50, "b", item_id="i", recall_source="hot", ranker="din"),
        event("impression", 49, "b", item_id="j", recall_source="i2i", ranker="dnn"),
        event("click", 48, "b", item_id="j"),
        event("order", 40, "b", order_id="o", value=Decimal(3), currency="INR"),
    ]


def test_paths_of_a_scenario_with_their_share_of_exposure(api):
    write(*few(), event("impression", 60 * 24 * 8, "c", item_id="i", recall_source="i2i"))
    found = api.get(PATH).json()
    assert (found["scenario"], found["by"], found["experiment"], found["arms"], found["lifts"]) == (
        "home_feed", "recall_source", None, [], [],
    )  # fmt: skip
    assert found["paths"] == [
        {
            "recall_source": "i2i", "ranker": None, "is_rest": False, "units": 2, "impressions": 2, "clicks": 1,
            "orders": 1, "exposure_share": 2 / 3, "click_rate": 0.5, "order_rate": 1.0,
        },
        {
            "recall_source": "hot", "ranker": None, "is_rest": False, "units": 1, "impressions": 1, "clicks": 0,
            "orders": 0, "exposure_share": 1 / 3, "click_rate": 0.0,
            "order_rate": {"withheld": "the denominator is zero"},
        },
    ]  # fmt: skip
    both = api.get(PATH, {"by": "both"}).json()["paths"]
    assert [(one["recall_source"], one["ranker"]) for one in both] == [("i2i", "dnn"), ("hot", "din"), ("i2i", "din")]
    long = {"from": (NOW - timedelta(days=20)).isoformat(), "to": NOW.isoformat()}
    assert api.get(PATH, long).json()["paths"][0]["impressions"] == 3


def test_arms_are_compared_with_the_control_and_what_is_no_effect_is_labelled(api, experiment):
    write(
        *(met(f"c-{i}", "control") for i in range(20)),
        *(met(f"t-{i}", "din") for i in range(20)),
        met("both", "control"),
        met("both", "din"),
        *(event("impression", 50, f"{arm}-{i}", item_id="i", recall_source="hot") for arm in "ct" for i in range(20)),
        *(event("impression", 50, f"t-{i}", item_id="j", recall_source="i2i") for i in range(15)),
    )
    found = api.get(PATH, {"experiment": "e"}).json()
    assert (found["experiment"], found["phase"], found["control"], found["confidence"]) == ("e", 1, "control", 0.9)
    assert (found["mixed_units"], [(arm["arm"], arm["units"]) for arm in found["arms"]]) == (
        1, [("control", 20), ("din", 20)],
    )  # fmt: skip
    control, treated = ({path["recall_source"]: path for path in arm["paths"]} for arm in found["arms"])
    assert (control["i2i"]["impressions"], treated["i2i"]["exposure_share"]) == (0, 15 / 35)
    lifts = {(one["recall_source"], one["measure"]): one for one in found["lifts"]}
    share = lifts["hot", "exposure_share"]["difference"]
    assert share["value"] == pytest.approx(20 / 35 - 1)
    assert share["low"] < share["value"] < share["high"] < 0
    assert lifts["i2i", "impressions_per_unit"]["difference"]["value"] == pytest.approx(0.75)
    assert {one["nature"] for one in found["lifts"] if one["measure"].endswith("_rate")} == {"description"}
    assert {one["nature"] for one in found["lifts"] if not one["measure"].endswith("_rate")} == {"effect"}
    assert lifts["hot", "click_rate"]["p"] == {"withheld": "neither arm varies"}


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ({"by": "colour"}, "One of"),
        ({"from": "yesterday"}, "A time with a zone"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "before the end"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "At most 31 days"),
        ({"experiment": "unknown"}, "There is no experiment"),
        ({"experiment": "e", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "let nobody in"),
    ],
)
def test_what_cannot_be_told_is_refused_in_words(api, experiment, asked, detail):
    answer = api.get(PATH, asked)
    assert answer.status_code in (400, 422)
    assert detail in answer.content.decode()


@pytest.mark.parametrize(
    ("experiment", "detail"),
    [
        ({"type": "switchback"}, "not dealt to units one by one"),
        ({"unit": "item_id"}, "not randomised by independent people"),
        ({"cluster": "merchant_id"}, "not randomised by independent people"),
        ({"status": "draft", "started_at": None}, "not started"),
    ],
    indirect=["experiment"],
)
def test_an_experiment_whose_units_are_not_independent_people_is_refused(api, experiment, detail):
    answer = api.get(PATH, {"experiment": "e"})
    assert answer.status_code in (400, 422)
    assert detail in answer.content.decode()


def test_an_experiment_of_another_scenario_is_refused(api, experiment, scenarios):
    experiment.scenarios.set(scenarios[1:])
    assert "does not run in" in api.get(PATH, {"experiment": "e"}).content.decode()


def test_a_limited_key_sees_its_scenarios_and_their_experiments_alone(client_with, experiment, scenarios):
    assert client_with(scenarios=["search"]).get(PATH).status_code == 404
    mine = client_with(scenarios=["home_feed"])
    assert mine.get(PATH).status_code == mine.get(PATH, {"experiment": "e"}).status_code == 200
    experiment.scenarios.add(scenarios[1])
    assert mine.get(PATH, {"experiment": "e"}).status_code in (400, 422)


def test_days_with_very_many_events_are_for_an_export(api, monkeypatch):
    write(*few())
    monkeypatch.setattr("firstlight.tracing.asking.MOST_AT_ONCE", 4)
    assert "These days have 5 events: ask for fewer, or for an export" in api.get(PATH).content.decode()
    monkeypatch.setattr("firstlight.tracing.asking.MOST_AT_ONCE", 5)
    assert api.get(PATH).status_code == 200
