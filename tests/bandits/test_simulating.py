"""A campaign played through from its own pool and the history of its scenario, by API, page and worker."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bandits import counting, ledgers, simulating, tasks, worlds
from bandits.models import Campaign, Simulation
from firstlight.accounts.models import AuditEntry, User
from firstlight.catalog.models import Category, Item, Scenario

ASKED: dict[str, Any] = {"days": 3, "repetitions": 2, "drift": 0.05, "requests_a_day": 20_000}


@pytest.fixture
def campaign(db: None, settings: Any, tmp_path: Any) -> Campaign:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    shelf = Category.objects.create(key="dress")
    for i in range(12):
        Item.objects.create(key=f"sku-{i}", category=shelf)
    plan = {"bar": "0.01", "attribution_hours": 24, "positions": [1, 4]}
    return Campaign.objects.create(
        key="new", name="New arrivals", scenario=Scenario.objects.create(key="home", name="Home"), **plan
    )


def seen(campaign: Campaign, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> None:
    """As if the ledger had counted this."""
    blank = {**dict.fromkeys(counting.NAMES, ""), **dict.fromkeys(counting.SUMS, 0.0)}
    schema = ledgers.CELLS.append(pa.field("day", pa.date32()))
    table = pa.Table.from_pylist([{**blank, **row} for row in rows], schema=schema)
    monkeypatch.setattr(ledgers, "read", lambda ledger, since: table)


def test_the_plan_is_played_beside_a_uniform_policy_and_every_picture_has_numbers(campaign: Campaign) -> None:
    Campaign.objects.update(graduates=False)
    made = simulating.ask(campaign, ASKED, actor="pm")
    assert (made.state, [one["name"] for one in made.asked["settings"]]) == ("waiting", ["As planned", "Uniform"])
    simulating.run(made.pk, at=timezone.now())
    made.refresh_from_db()
    assert (made.state, made.progress, made.why) == ("done", 1.0, "")
    results: Any = made.results
    planned, uniform = results["settings"]
    assert len(planned["discovered"]) == len(uniform["cost"]) == 3
    # two slots, 20,000 requests a day; both play in the same worlds
    assert planned["impressions"][-1]["mean"] == pytest.approx(120_000, rel=0.02)
    assert planned["impressions"] == uniform["impressions"]
    assert any("20,000 requests a day" in note for note in results["notes"])
    assert AuditEntry.objects.filter(action="simulated", subject="new").exists()


def test_the_same_simulation_played_again_ends_the_same(campaign: Campaign) -> None:
    at = timezone.now()
    one, other = (simulating.played(campaign, {**ASKED, "settings": [simulating.PLAN]}, _ignore, at=at) for _ in "ab")
    assert one == other


def _ignore(share: float) -> None:
    assert 0 < share <= 1


def test_what_is_missing_is_said_and_nothing_is_played(campaign: Campaign) -> None:
    made = simulating.ask(campaign, {key: ASKED[key] for key in ("days", "repetitions", "drift")}, actor="pm")
    simulating.run(made.pk, at=timezone.now())
    made.refresh_from_db()
    assert (made.state, made.results) == ("failed", None)
    assert made.why.startswith("No impression in a known slot was seen here lately")
    campaign.pool_excluded = [f"sku-{i}" for i in range(12)]
    with pytest.raises(worlds.UnableToSimulate, match="No item satisfies its pool rule"):
        worlds.prospect(campaign, ASKED, n_runs=4, at=timezone.now())


def test_traffic_is_that_of_the_slot_seen_most_by_the_hour(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    at = timezone.now().replace(hour=12)
    yesterday, before = ((at - timedelta(days=days)).date() for days in (1, 2))
    hours = [(yesterday, 9, 1, 100.0), (yesterday, 9, 2, 80.0), (before, 9, 1, 300.0), (yesterday, 20, 2, 50.0)]
    rows = [
        {"item_id": "x", "day": day, "hour": hour, "position": slot, "trials": trials}
        for day, hour, slot, trials in hours
    ]
    seen(campaign, monkeypatch, [*rows, {"item_id": "x", "day": yesterday, "hour": 9, "position": 0, "trials": 9e9}])
    found = worlds.prospect(campaign, {**ASKED, "requests_a_day": None}, n_runs=4, at=at)
    by_hour = found.world.requests[:24]
    assert (by_hour[9], by_hour[20], by_hour.sum()) == (200.0, 25.0, 225.0)
    assert len(found.world.requests) == 3 * 24


def test_newcomers_join_as_they_did_lately(campaign: Campaign) -> None:
    campaign.pool_max_age_days = 6
    Item.objects.update(listed_at=timezone.now() - timedelta(days=5))
    world = worlds.prospect(campaign, ASKED, n_runs=4, at=timezone.now()).world
    assert len(world.a) == 12 + 6, "two a day"
    assert (world.joins[:12] == 0).all() and world.joins[12:].tolist() == [6, 18, 30, 42, 54, 66]


def test_a_large_pool_is_played_in_longer_steps() -> None:
    assert worlds.step_hours(100, 14, 20) == 1
    assert worlds.step_hours(5_000, 14, 30) > 1
    assert worlds.step_hours(10_000, 60, 150) == 24


def test_without_a_bar_the_middle_item_of_the_pool_stands_in(campaign: Campaign) -> None:
    campaign.bar = None
    prospect = worlds.prospect(campaign, ASKED, n_runs=1, at=timezone.now())
    assert prospect.world.bar == pytest.approx(np.median(prospect.prior.mean), abs=1e-12)
    assert any("the middle item of the pool stands in" in note for note in prospect.notes)


def test_a_lower_cap_makes_a_weaker_prior_of_the_same_mean(campaign: Campaign) -> None:
    found = worlds.prospect(campaign, ASKED, n_runs=4, at=timezone.now())
    planned, weak = (
        simulating.setting(campaign, {"name": "x", **more}, found) for more in ({}, {"prior_strength_cap": 10})
    )
    mean = [np.asarray(one.prior_a) / (np.asarray(one.prior_a) + np.asarray(one.prior_b)) for one in (planned, weak)]
    assert mean[0] == pytest.approx(mean[1])
    assert (np.asarray(weak.prior_a) + np.asarray(weak.prior_b)).tolist() == pytest.approx([10.0] * 12)


def test_a_worker_plays_what_the_page_asks_for(campaign: Campaign, client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    address = reverse("admin:bandits_campaign_simulate", args=[campaign.pk])
    assert "Nothing has been played yet." in client.get(address).content.decode()
    form = {"days": 2, "repetitions": 2, "requests_a_day": 20_000, "beside-TOTAL_FORMS": 2, "beside-INITIAL_FORMS": 0}
    beside = {"beside-0-name": "Greedier", "beside-0-floor": "0", "beside-1-name": ""}
    assert client.post(address, form | beside).status_code == 302
    tasks.simulate(simulation_id=Simulation.objects.get().pk)
    page = client.get(address).content.decode()
    assert "“Greedier” discovers" in page and "As planned" in page
    picture = client.get(reverse("admin:bandits_campaign_simulation_picture", args=[campaign.pk, "discovered", "csv"]))
    assert picture.content.decode().splitlines()[0].strip() == "setting,day,low,high,mean"


def test_a_wrong_setting_is_told_beside_its_field(campaign: Campaign, client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    address = reverse("admin:bandits_campaign_simulate", args=[campaign.pk])
    form = {"days": 99, "repetitions": 2, "beside-TOTAL_FORMS": 2, "beside-INITIAL_FORMS": 0, "beside-0-floor": "0.1"}
    answer = client.post(address, form)
    assert answer.status_code == 422
    assert "Give it a name." in answer.content.decode() and not Simulation.objects.exists()


def test_who_may_only_look_asks_for_nothing(campaign: Campaign, client: Client) -> None:
    from django.contrib.auth.models import Group

    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.groups.add(Group.objects.get(name="viewer"))
    client.force_login(viewer)
    address = reverse("admin:bandits_campaign_simulate", args=[campaign.pk])
    assert client.get(address).status_code == 200
    assert client.post(address, {"days": 2}).status_code == 403
    assert not Simulation.objects.exists()
