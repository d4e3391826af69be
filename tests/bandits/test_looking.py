"""Looks at a campaign from the lake: known truths are found, harm pauses it, a person undoes that, nothing is half."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from bandits import alarms, lifecycle, looking, tasks
from bandits.models import Campaign, CampaignLook, DrawTable, Outcome, Posterior, Status
from bandits.policies import beliefs
from firstlight.accounts.models import AuditEntry, User
from firstlight.catalog.models import Item, Scenario
from firstlight.kernel.withheld import Reason
from firstlight.lake import table
from firstlight.notices.models import Notice
from tests.firstlight.metrics import reference

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = START + timedelta(days=10)
ITEMS = ("a", "b", "c", "d")
ARMS = ("none", "learned", "uniform")


@pytest.fixture(autouse=True)
def home(db: None, settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


@pytest.fixture
def campaign() -> Campaign:
    return make()


def make(**more: Any) -> Campaign:
    scenario, _ = Scenario.objects.get_or_create(key="home", defaults={"name": "Home"})
    for item in ITEMS:
        Item.objects.get_or_create(key=item)
    plan = {"positions": [1, 2], "control_share": "0.3", "uniform_share": "0.2", "guard_margin": "0.05"} | more
    made = Campaign.objects.create(key="new", name="New", scenario=scenario, **plan)
    Campaign.objects.filter(pk=made.pk).update(status=Status.RUNNING, started_at=START)
    return Campaign.objects.get(pk=made.pk)


def drawn(campaign: Campaign, means: tuple[float, ...]) -> DrawTable:
    """A table whose posterior believes these means."""
    a = np.array(means) * 1_000
    packed = beliefs.pack(beliefs.Beta(ITEMS, a, 1_000 - a).arrays())
    number = campaign.posteriors.count() + 1
    about: Any = {"items": list(ITEMS), "trials": [0.0] * 4, "successes": [0.0] * 4, "arrays": packed}
    believed = Posterior.objects.create(campaign=campaign, number=number, batch=0, prior_a=1, prior_b=1, **about)
    bare: Any = {"items": list(ITEMS), "merchants": [""] * 4, "categories": ["shoe", "shoe", "hat", "hat"]}
    return DrawTable.objects.create(
        campaign=campaign,
        posterior=believed,
        seed=1,
        n_rows=1,
        depth=4,
        rows=np.arange(4, dtype="<u4").tobytes(),
        **bare,
    )


def decision(unit: str, arm: str, *, day: float = 0.0, slots: tuple[Any, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "decision",
        "user_id": unit,
        "trace_id": f"t-{unit}-{day}",
        "scenario": "home",
        "at": moment(day),
        "assignments": [{"experiment": "campaign:new", "variant": arm, "phase": 1}],
        "discovery": list(slots),
        "properties": '{"eligible": {}, "exclude_items": []}',
    } | more


def event(kind: str, unit: str, *, day: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"type": kind, "user_id": unit, "scenario": "home", "at": moment(day), **more}


def moment(day: float) -> datetime:
    return (START + timedelta(days=day)).replace(tzinfo=None)


def arrive(batch: int, rows: list[dict[str, Any]]) -> None:
    table.append(
        batch, reference.table([{"batch": batch, "event_id": f"{batch}-{i}", **r} for i, r in enumerate(rows)])
    )


def traffic(
    rng: np.random.Generator, n: int, clicks: dict[str, float], orders: dict[str, float]
) -> list[dict[str, Any]]:
    """`n` units, shared 3 : 5 : 2, with five impressions each; clicks and orders are Poisson by arm."""
    rows: list[dict[str, Any]] = []
    for i in range(n):
        arm = ARMS[0 if i % 10 < 3 else 1 if i % 10 < 8 else 2]
        unit = f"u{i}"
        rows.append(decision(unit, arm))
        rows += [event("impression", unit)] * 5
        rows += [event("click", unit)] * int(rng.poisson(clicks[arm]))
        rows += [event("order", unit, scenario=None, value=10)] * int(rng.poisson(orders[arm]))
    return rows


def later(row: dict[str, Any], *, days: float) -> dict[str, Any]:
    return row | {"at": row["at"] + timedelta(days=days)}


ALIKE = dict.fromkeys(ARMS, 0.5)


def of(look: CampaignLook, metric: str, arm: str = "learned") -> dict[str, Any]:
    return next(e for e in look.results["worth"]["estimates"] if (e["metric"], e["arm"]) == (metric, arm))


def guard(look: CampaignLook, name: str) -> dict[str, Any]:
    return next(one for one in look.results["guards"] if one["guard"] == name)


def test_what_was_brought_is_found_where_the_truth_is_known(campaign: Campaign) -> None:
    truth = {"none": 0.5, "learned": 0.7, "uniform": 0.55}
    arrive(1, traffic(np.random.default_rng(1), 6_000, ALIKE, truth))
    look = looking.look(campaign.pk, at=NOW)
    for arm, n in (("learned", 3_000), ("uniform", 1_200)):
        error = np.sqrt(truth[arm] / n + truth["none"] / 1_800)  # of Poisson counts
        found = of(look, "orders", arm)
        assert found["units"] == n
        assert abs(found["difference"]["value"] - (truth[arm] - truth["none"])) < 4 * error
        assert found["difference"]["low"] <= truth[arm] - truth["none"] <= found["difference"]["high"]
        assert found["total"] == pytest.approx({k: v * n for k, v in found["difference"].items()})
        assert found["lift"]["low"] <= truth[arm] / truth["none"] - 1 <= found["lift"]["high"]
        money = of(look, "net_value", arm)
        assert money["difference"]["value"] == pytest.approx(10 * found["difference"]["value"], rel=1e-9)
    assert look.results["worth"]["split"]["passed"] is True
    assert look.results["worth"]["split"]["units"] == {"none": 1_800, "learned": 3_000, "uniform": 1_200}
    assert look.results["sentence"].startswith("The campaign brought +")


def test_what_units_did_before_is_taken_off(campaign: Campaign) -> None:
    """Units whose clicks only repeat those of the days before leave no error: the adjusted difference is the truth."""
    rng, rows = np.random.default_rng(2), []
    for i in range(2_000):
        unit, arm = f"u{i}", ARMS[0 if i % 10 < 3 else 1 if i % 10 < 8 else 2]
        habit = int(rng.poisson(3.0))
        rows += [event("click", unit, day=-2.0)] * habit + [decision(unit, arm)]
        rows += [event("click", unit)] * (habit + (arm == "learned"))
    arrive(1, rows)
    found = of(looking.look(campaign.pk, at=NOW), "clicks")
    assert found["method"] == "cuped" and found["variance_reduction"] > 0.999
    assert found["difference"]["value"] == pytest.approx(1.0, abs=1e-9)


def test_a_second_look_at_the_same_changes_nothing(campaign: Campaign) -> None:
    arrive(1, traffic(np.random.default_rng(3), 200, ALIKE, ALIKE))
    first = looking.look(campaign.pk, at=NOW)
    assert looking.look(campaign.pk, at=NOW + timedelta(hours=1)).pk == first.pk
    assert campaign.looks.count() == 1
    arrive(2, [event("order", "u3", day=1.0)])
    assert looking.look(campaign.pk, at=NOW).number == 2


def test_no_number_under_a_wrong_split_and_its_owner_hears_of_it(campaign: Campaign) -> None:
    rows = traffic(np.random.default_rng(4), 2_000, ALIKE, ALIKE)
    arrive(1, [r for r in rows if not (r["user_id"][-1] in "56" and r["type"] == "decision")])
    look = looking.look(campaign.pk, at=NOW)
    split = look.results["worth"]["split"]
    assert split["passed"] is False and split["p"] < 0.001 and "which chance does not make" in split["sentence"]
    why = {"withheld": Reason.UNEVEN_SPLIT.value}
    assert all(e[name] == why for e in look.results["worth"]["estimates"] for name in ("difference", "lift", "total"))
    assert all(one["lift"] == why for one in look.results["guards"])
    assert Notice.objects.get().kind == "campaign.sample_ratio"
    assert look.results["sentence"].startswith("What the campaign brought is withheld.")


def test_without_a_control_share_there_is_nothing_to_compare_with() -> None:
    campaign = make(control_share="0", uniform_share="0")
    arrive(1, traffic(np.random.default_rng(5), 100, ALIKE, ALIKE))
    look = looking.look(campaign.pk, at=NOW)
    assert look.results["worth"]["estimates"] == [] and look.results["guards"] == []
    assert look.results["sentence"].startswith("What the campaign brought is not known: it has no control share.")


def test_an_empty_lake_withholds_everything(campaign: Campaign) -> None:
    look = looking.look(campaign.pk, at=NOW)
    few = {"withheld": Reason.TOO_FEW_UNITS.value}
    assert {str(e["lift"]) for e in look.results["worth"]["estimates"]} == {str(few)}
    assert {one["state"] for one in look.results["guards"]} == {"withheld"}
    assert look.results["cost"]["clicks"] == look.results["naive"]["click_rate"] == {"withheld": Reason.NO_DATA.value}


def test_a_draft_cannot_be_looked_at(campaign: Campaign) -> None:
    Campaign.objects.update(status=Status.DRAFT, started_at=None)
    with pytest.raises(looking.UnableToLook, match="has not started"):
        looking.look(campaign.pk, at=NOW)


HARM = {"none": 0.9, "learned": 0.45, "uniform": 0.45}


@pytest.fixture
def owner(campaign: Campaign) -> User:
    owner = User.objects.create_user("ada", email="ada@example.com")
    Campaign.objects.filter(pk=campaign.pk).update(owner=owner)
    return owner


def test_harm_pauses_the_campaign_tells_why_and_a_person_undoes_it(
    campaign: Campaign, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(1, traffic(np.random.default_rng(6), 6_000, HARM, ALIKE))
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    tasks.look(campaign_id=campaign.pk)
    look = campaign.looks.get()
    broken = guard(look, "click_rate")
    assert broken["state"] == "broken" and look.results["paused"] is True
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED and broken["sentence"] in campaign.paused_because
    trail = AuditEntry.objects.get(kind="campaign", action="paused")
    assert trail.actor == "guard"
    notice = Notice.objects.get(kind="campaign.guard")
    assert broken["sentence"] in notice.sentence and notice.evidence["guards"] == [broken]
    assert [d.user for d in notice.deliveries.all()] == [owner]

    tasks.look(campaign_id=campaign.pk)  # it stays paused, and is told once
    tasks.look_at_running()
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED and Notice.objects.count() == 1

    lifecycle.resume(campaign.pk, actor="ada", at=NOW)
    tasks.look(campaign_id=campaign.pk)
    campaign.refresh_from_db()
    assert campaign.status == Status.RUNNING, "the harm that a person has seen pauses nothing twice"

    anew = [later(row, days=10.5) for row in traffic(np.random.default_rng(16), 6_000, HARM, ALIKE)]
    arrive(2, anew)
    monkeypatch.setattr(timezone, "now", lambda: NOW + timedelta(days=3))
    tasks.look(campaign_id=campaign.pk)
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED, "what goes on to do harm is paused again"
    assert Notice.objects.filter(kind="campaign.guard").count() == 2


def test_no_harm_pauses_nothing(campaign: Campaign) -> None:
    arrive(1, traffic(np.random.default_rng(7), 6_000, ALIKE, ALIKE))
    look = looking.look(campaign.pk, at=NOW)
    campaign.refresh_from_db()
    assert campaign.status == Status.RUNNING and look.results["paused"] is False
    assert {guard(look, name)["state"] for name in ("click_rate", "conversion")} <= {"not settled", "not worse"}
    assert guard(look, "refund_rate")["lift"] == {"withheld": Reason.TOO_FEW_CARRY.value}  # nothing was sent back
    assert not Notice.objects.exists()


def test_a_campaign_that_a_person_stopped_meanwhile_is_left_alone(campaign: Campaign) -> None:
    arrive(1, traffic(np.random.default_rng(8), 6_000, HARM, ALIKE))
    found = Campaign.objects.get(pk=campaign.pk)
    lifecycle.stop(campaign.pk, actor="ada", at=NOW)
    look = looking.look(campaign.pk, at=NOW)
    assert alarms.pause(found, look.results, at=NOW) is False  # as it was read before the stop
    assert Campaign.objects.get().status == Status.STOPPED and not Notice.objects.exists()


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Whoever looks dies at the very end, after the pause and the row."""

    def die(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(alarms, "announce", die)
    yield monkeypatch


def test_who_is_killed_in_the_middle_leaves_nothing_half(campaign: Campaign, killed: pytest.MonkeyPatch) -> None:
    arrive(1, traffic(np.random.default_rng(9), 6_000, HARM, ALIKE))
    with pytest.raises(KeyboardInterrupt):
        looking.look(campaign.pk, at=NOW)
    campaign.refresh_from_db()
    assert campaign.status == Status.RUNNING and not campaign.looks.exists() and not AuditEntry.objects.exists()
    killed.undo()
    look = looking.look(campaign.pk, at=NOW)
    campaign.refresh_from_db()
    assert look.number == 1 and campaign.status == Status.PAUSED
    assert Notice.objects.get().kind == "campaign.guard"


RATES = {"a": 0.30, "b": 0.10, "c": 0.05, "d": 0.02}


def choice(item: str, position: int, number: int, propensity: float) -> dict[str, Any]:
    where = {"position": position, "item_id": item, "campaign": "new", "table": number, "row": 0}
    return {**where, "propensity": propensity, "source": "table"}


def explored(rng: np.random.Generator, number: int, n: int, **more: Any) -> list[dict[str, Any]]:
    """Two slots of two different items each, every order alike: each item has a quarter of each slot."""
    rows: list[dict[str, Any]] = []
    for i in range(n):
        unit = f"e{number}-{i}"
        items = rng.choice(ITEMS, 2, replace=False).tolist()
        slots = tuple(choice(item, slot + 1, number, 0.25) for slot, item in enumerate(items))
        made = decision(unit, "learned", slots=slots, **more)
        rows.append(made)
        for item in items:
            rows.append(event("impression", unit, item_id=item, trace_id=made["trace_id"]))
            if rng.random() < RATES[item]:
                rows.append(event("click", unit, item_id=item, trace_id=made["trace_id"]))
    return rows


def test_exploring_cost_what_the_best_two_would_have_earned_more(campaign: Campaign) -> None:
    """Of two tables: one knows the best item, one takes the worst for it; each is judged by its own belief."""
    knows, errs = drawn(campaign, (0.3, 0.2, 0.1, 0.05)), drawn(campaign, (0.05, 0.1, 0.2, 0.3))
    rng, n = np.random.default_rng(10), 2_500
    arrive(1, explored(rng, knows.pk, n) + explored(rng, errs.pk, n))
    for item in ("a", "b"):
        Outcome.objects.create(campaign=campaign, item=item, kind="graduated", decided_at=NOW, evidence={})
    Outcome.objects.create(campaign=campaign, item="d", kind="retired", decided_at=NOW, evidence={})
    look = looking.look(campaign.pk, at=NOW)
    cost = look.results["cost"]
    earned = float(np.mean(list(RATES.values())))
    greedy = (RATES["a"] + RATES["b"] + RATES["c"] + RATES["d"]) / 4  # "a", "b" of the first; "d", "c" of the second
    truth = 4 * n * (greedy - earned)
    error = (cost["clicks"]["high"] - cost["clicks"]["low"]) / (2 * 1.96)
    assert cost["choices"] == 4 * n and cost["discovered"] == 2
    assert abs(cost["clicks"]["value"] - truth) < 4 * error
    assert abs(cost["greedy"] - greedy) < 4 * np.sqrt(greedy / n)
    assert cost["per_item"] == pytest.approx({k: v / 2 for k, v in cost["clicks"].items()})
    assert cost["is_trusted"] is True and abs(cost["mean_weight"] - 1) < 0.1
    assert look.results["naive"]["click_rate"] == pytest.approx(cost["earned"])
    assert "Biased" in look.results["naive"]["label"]
    assert "it discovered 2 items" in look.results["sentence"]


def test_the_cost_of_a_table_that_knows_is_what_it_lost_within_four_errors(campaign: Campaign) -> None:
    knows, n = drawn(campaign, (0.3, 0.2, 0.1, 0.05)), 4_000
    arrive(1, explored(np.random.default_rng(11), knows.pk, n))
    cost = looking.look(campaign.pk, at=NOW).results["cost"]
    truth = 2 * n * ((RATES["a"] + RATES["b"]) / 2 - float(np.mean(list(RATES.values()))))
    error = (cost["clicks"]["high"] - cost["clicks"]["low"]) / (2 * 1.96)
    assert abs(cost["clicks"]["value"] - truth) < 4 * error
    assert cost["clicks"]["low"] > 0
    assert cost["per_item"] == {"withheld": Reason.NOTHING_DISCOVERED.value}


def test_under_a_filter_the_best_is_the_best_of_what_was_allowed(campaign: Campaign) -> None:
    knows, n = drawn(campaign, (0.3, 0.2, 0.1, 0.05)), 1_000
    rng, rows = np.random.default_rng(12), []
    for i in range(n):
        item = str(rng.choice(["c", "d"]))
        told = '{"eligible": {"category": ["hat"]}, "exclude_items": []}'
        made = decision(f"f{i}", "learned", slots=(choice(item, 1, knows.pk, 0.5),), properties=told)
        rows += [made, event("impression", f"f{i}", item_id=item, trace_id=made["trace_id"])]
        if rng.random() < RATES[item]:
            rows.append(event("click", f"f{i}", item_id=item, trace_id=made["trace_id"]))
    arrive(1, rows)
    cost = looking.look(campaign.pk, at=NOW).results["cost"]
    assert cost["choices"] == n
    assert abs(cost["greedy"] - RATES["c"]) < 4 * np.sqrt(RATES["c"] * (1 - RATES["c"]) / (n / 2))


def test_too_few_greedy_choices_tell_nothing_of_the_cost(campaign: Campaign) -> None:
    knows = drawn(campaign, (0.3, 0.2, 0.1, 0.05))
    arrive(1, explored(np.random.default_rng(13), knows.pk, 60))
    cost = looking.look(campaign.pk, at=NOW).results["cost"]
    assert cost["clicks"] == cost["per_item"] == {"withheld": Reason.LOW_ESS.value}
    assert cost["choices"] == 120
