"""Every event is counted once, in whatever order and pieces it comes, and whoever dies over it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from django.conf import settings as django_settings
from django.db import connection

from bandits import learning, lifecycle, tasks
from bandits.models import Campaign, DrawTable, Ledger, Posterior
from bandits.policies import draws
from bandits.policies.beliefs import Beta, Hurdle
from bandits.policies.policy import Policy
from firstlight.catalog.models import Item, Merchant, Scenario
from firstlight.lake import table as lake
from firstlight.lake.schema import EVENTS
from firstlight.postgres import locks
from tests.bandits import recount

START = datetime(2026, 11, 1, 20, tzinfo=UTC)
AT = START + timedelta(days=8)
ATTRIBUTION = timedelta(hours=24)
ITEMS = ("sku-1", "sku-2", "sku-3")


class Event(NamedTuple):
    type: str
    at: datetime
    item: str
    trace: str | None = None
    user: str = "u-1"
    scenario: str = "home"


@pytest.fixture(autouse=True)
def home(db: None, settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


@pytest.fixture
def campaign() -> Campaign:
    scenario = Scenario.objects.create(key="home", name="Home")
    merchant = Merchant.objects.create(key="m-1")
    for key in ITEMS:
        Item.objects.create(key=key, merchant=merchant)
    plain = {"delay_aware": False, "position_aware": False, "attribution_hours": 24}
    return Campaign.objects.create(key="new", name="New", scenario=scenario, positions=[3, 1], **plain)


def arrive(batch: int, events: Iterable[Event]) -> None:
    rows = [
        {
            "event_id": f"{batch}-{i}",
            "type": e.type,
            "at": e.at.replace(tzinfo=None),
            "day": e.at.date(),
            "item_id": e.item,
            "trace_id": e.trace,
            "user_id": e.user,
            "scenario": e.scenario,
            "batch": batch,
        }
        for i, e in enumerate(events)
    ]
    lake.append(batch, pa.Table.from_pylist(rows, schema=EVENTS))


def recounted(events: Iterable[Event]) -> dict[str, tuple[int, int]]:
    """Trials and successes per item, the plain way: event by event, all at once."""
    here = [e for e in events if e.scenario == "home"]
    seen = [e for e in here if e.type == "impression"]
    trials = {(view(e), e.item, e.at.date()) for e in seen}
    won = set()
    for click in (e for e in here if e.type == "click"):
        before = [e for e in seen if e.item == click.item and are_of_one(e, click)]
        met = [e for e in before if timedelta(0) <= click.at - e.at <= ATTRIBUTION]
        if met:
            last = max(met, key=lambda e: e.at)
            won.add((view(last), click.item, last.at.date()))
    return {item: (sum(t[1] == item for t in trials), sum(w[1] == item for w in won)) for item in ITEMS}


def are_of_one(shown: Event, click: Event) -> bool:
    return shown.trace == click.trace if click.trace else shown.user == click.user


def view(event: Event) -> tuple[str, str]:
    return ("trace", event.trace) if event.trace else ("unit", event.user)


def counts(posterior: Posterior) -> dict[str, tuple[int, int]]:
    return {i: (int(t), int(s)) for i, t, s in zip(posterior.items, posterior.trials, posterior.successes, strict=True)}


def some_events(rng: random.Random, n: int) -> list[Event]:
    """Few views and items over five days, so that events meet: repeats, clicks without impression, over midnight."""
    return [
        Event(
            type=rng.choice(["impression", "impression", "click", "cart"]),
            at=START + timedelta(minutes=rng.randrange(5 * 24 * 60)),
            item=rng.choice(ITEMS),
            trace=rng.choice([None, "t-1", "t-2"]),
            user=rng.choice(["u-1", "u-2", "t-1"]),
            scenario=rng.choice(["home", "home", "home", "search"]),
        )
        for _ in range(n)
    ]


@pytest.mark.parametrize("seed", range(12))
def test_any_order_in_any_pieces_counts_as_one_recount_of_all(campaign: Campaign, seed: int) -> None:
    rng = random.Random(seed)
    events = some_events(rng, 120)
    rng.shuffle(events)
    batch = done = 0
    while done < len(events):
        size = rng.randint(1, 40)
        arrive(batch := batch + 1, events[done : done + size])
        done += size
        if rng.random() < 0.7 or done >= len(events):
            posterior = learning.learn(campaign.pk, at=AT)
            assert counts(posterior) == recounted(events[:done])
    assert posterior.scenario_trials == sum(posterior.trials)


def test_a_late_impression_takes_a_click_from_an_earlier_view_and_gives_it_to_its_own(campaign: Campaign) -> None:
    evening, morning = START, START + timedelta(hours=10)  # 20:00, and 6:00 of the next day
    arrive(1, [Event("impression", evening, "sku-1"), Event("click", morning + timedelta(minutes=1), "sku-1")])
    assert counts(learning.learn(campaign.pk, at=AT))["sku-1"] == (1, 1)
    arrive(2, [Event("impression", morning, "sku-1")])
    assert counts(learning.learn(campaign.pk, at=AT))["sku-1"] == (2, 1)


@pytest.mark.parametrize(("late", "won"), [(timedelta(hours=24), 1), (timedelta(hours=24, microseconds=1), 0)])
def test_a_click_counts_up_to_the_attribution_time(campaign: Campaign, late: timedelta, won: int) -> None:
    shown = Event("impression", START, "sku-2", trace="t")
    arrive(1, [shown, Event("click", START + late, "sku-2", trace="t")])
    assert counts(learning.learn(campaign.pk, at=AT))["sku-2"] == (1, won)


def test_learning_again_without_news_makes_no_new_posterior(campaign: Campaign) -> None:
    arrive(1, some_events(random.Random(1), 50))
    first = learning.learn(campaign.pk, at=AT)
    assert learning.learn(campaign.pk, at=AT) == first
    arrive(2, [Event("impression", START, "sku-1", scenario="search")])
    assert learning.learn(campaign.pk, at=AT) == first
    assert (Posterior.objects.count(), DrawTable.objects.count()) == (1, 1)


def test_an_item_that_joins_the_pool_brings_its_history(campaign: Campaign) -> None:
    Item.objects.filter(key="sku-3").update(in_stock=False)
    events = some_events(random.Random(2), 150)
    arrive(1, events[:100])
    assert set(counts(learning.learn(campaign.pk, at=AT))) == {"sku-1", "sku-2"}
    Item.objects.filter(key="sku-3").update(in_stock=True)
    arrive(2, events[100:])
    assert counts(learning.learn(campaign.pk, at=AT)) == recounted(events)


def test_a_started_campaign_shows_every_item_before_anything_is_known(campaign: Campaign) -> None:
    lifecycle.start(campaign.pk, actor="pm", at=AT)
    posterior, table = Posterior.objects.get(), DrawTable.objects.get()
    assert (posterior.batch, sum(posterior.trials)) == (0, 0)
    assert set(np.frombuffer(table.rows, "<u4").reshape(table.n_rows, table.depth)[:, 0].tolist()) == {0, 1, 2}
    arrive(1, [Event("impression", START, "sku-1")])
    assert counts(learning.learn(campaign.pk, at=AT))["sku-1"] == (1, 0)


def test_a_table_can_be_drawn_again_bit_for_bit_from_its_posterior_and_seed(campaign: Campaign) -> None:
    arrive(1, some_events(random.Random(3), 80))
    learning.learn(campaign.pk, at=AT)
    table = DrawTable.objects.select_related("posterior").get()
    beliefs = table.posterior.beliefs
    again = draws.table(Policy(), beliefs, None, draws.generators(table.seed, table.n_rows), table.depth)
    assert again.astype("<u4").tobytes() == bytes(table.rows)


def test_a_new_merchant_of_an_item_makes_a_new_table_of_the_same_posterior(campaign: Campaign) -> None:
    first = learning.learn(campaign.pk, at=AT)
    Item.objects.filter(key="sku-1").update(merchant=Merchant.objects.create(key="m-2"))
    assert learning.learn(campaign.pk, at=AT) == first
    assert [t.merchants[0] for t in DrawTable.objects.order_by("pk")] == ["m-1", "m-2"]


def test_clicks_of_another_day_are_not_read_twice_through_the_window(campaign: Campaign) -> None:
    """What is reached is whole days on both sides; what lies beyond must cancel."""
    days = [START + timedelta(days=d) for d in range(7)]
    for batch, day in enumerate(days, start=1):
        arrive(batch, [Event("impression", day, "sku-1"), Event("click", day + timedelta(hours=5), "sku-1")])
        assert counts(learning.learn(campaign.pk, at=AT))["sku-1"] == (batch, batch)


def bought(item: str, n: int, batch: int, *, at: datetime, country: str = "IN") -> list[recount.Event]:
    """n impressions of an item, every second of which sells for 20."""
    made = []
    for i in range(n):
        trace = f"{batch}-{item}-{country}-{i}"
        told = {"country": country}
        made.append(recount.Event("impression", at, item, trace, id=f"i-{trace}", properties=told))
        if i % 2:
            order = f"o-{trace}"
            made.append(recount.Event("order", at + timedelta(hours=1), item, trace, value=20, order=order, id=order))
    return made


def test_money_is_learned_as_who_buys_and_what_that_is_worth(campaign: Campaign) -> None:
    Campaign.objects.update(reward="net_value", value_cap=50)
    recount.arrive(1, bought("sku-1", 400, 1, at=START))
    refunds = [
        recount.Event("refund", START + timedelta(hours=2), "sku-1", value=20, order=f"o-1-sku-1-IN-{i}", id=f"r-{i}")
        for i in range(1, 200, 2)
    ]
    recount.arrive(2, refunds)
    posterior = learning.learn(campaign.pk, at=AT)
    believed = posterior.beliefs
    assert isinstance(believed, Hurdle)
    place = posterior.items.index("sku-1")
    assert believed.a[place] - posterior.prior_a == pytest.approx(100, rel=0.2)  # prior of its category beside it
    assert believed.mean[place] == pytest.approx(100 / 400 * 20, rel=0.25)
    assert posterior.numbers["rewards"].tolist() == [2000 if item == "sku-1" else 0 for item in posterior.items]


def test_a_segment_learns_apart_from_where_all_traffic_is(campaign: Campaign) -> None:
    Campaign.objects.update(segment_by="country", segments=["IN", "BR", "DE"], reward="order", uniform_share="0.1")
    recount.arrive(1, bought("sku-1", 60, 1, at=START) + bought("sku-2", 40, 1, at=START, country="BR"))
    whole = learning.learn(campaign.pk, at=AT)
    apart = {row.segment: row for row in Posterior.objects.filter(number=whole.number)}
    assert {segment: sum(row.trials) for segment, row in apart.items()} == {"": 100, "IN": 60, "BR": 40, "DE": 0}
    unseen, all_traffic = apart["DE"].beliefs, whole.beliefs
    assert unseen.mean == pytest.approx(all_traffic.mean)
    assert isinstance(unseen, Beta)
    assert (unseen.a + unseen.b).max() <= campaign.prior_strength_cap + 1e-9
    tables = {(t.segment, t.arm) for t in DrawTable.objects.all()}
    assert tables == {("", "learned"), ("", "uniform"), ("IN", "learned"), ("BR", "learned"), ("DE", "learned")}
    assert len(set(DrawTable.objects.values_list("seed", flat=True))) == 5


def test_a_new_merchant_makes_new_tables_of_every_segment(campaign: Campaign) -> None:
    Campaign.objects.update(segment_by="country", segments=["IN"])
    learning.learn(campaign.pk, at=AT)
    Item.objects.filter(key="sku-1").update(merchant=Merchant.objects.create(key="m-2"))
    learning.learn(campaign.pk, at=AT)
    newest = {t.segment: t.merchants[0] for t in DrawTable.objects.order_by("pk")}
    assert (Posterior.objects.count(), newest) == (2, {"": "m-2", "IN": "m-2"})


def test_campaigns_of_one_ledger_learn_each_its_own_reward(campaign: Campaign) -> None:
    other = Campaign.objects.create(
        key="other", name="Other", scenario=campaign.scenario, positions=[5], attribution_hours=24, reward="order"
    )
    recount.arrive(1, bought("sku-1", 60, 1, at=START))
    clicks, orders = (learning.learn(pk, at=AT) for pk in (campaign.pk, other.pk))
    assert Ledger.objects.count() == 1
    assert (sum(clicks.trials), sum(clicks.successes), sum(orders.trials), sum(orders.successes)) == (60, 0, 60, 30)


def test_old_data_fades_and_the_prior_does_not(campaign: Campaign) -> None:
    Campaign.objects.update(half_life_days=4.0)
    arrive(1, [Event("impression", START + timedelta(days=d), "sku-1", f"t-{d}") for d in range(3)])
    posterior = learning.learn(campaign.pk, at=AT)
    ages = [8 - d - 0.5 / 24 for d in range(3)]  # of the middle of its hour
    assert posterior.trials[0] == pytest.approx(sum(2 ** (-age / 4) for age in ages))
    assert posterior.numbers["impressions"][0] == 3
    later = learning.learn(campaign.pk, at=AT + timedelta(minutes=50))
    assert later == posterior  # too little time for a new one
    later = learning.learn(campaign.pk, at=AT + timedelta(hours=2))
    assert later.trials[0] == pytest.approx(posterior.trials[0] * 2 ** (-2 / 24 / 4))


def test_when_all_rewards_had_their_time_there_is_nothing_new_an_hour_later(campaign: Campaign) -> None:
    arrive(1, some_events(random.Random(1), 50))
    first = learning.learn(campaign.pk, at=AT)
    assert learning.learn(campaign.pk, at=AT + timedelta(days=1)) == first


def ours(n: int, at: datetime) -> list[recount.Event]:
    """Impressions in the campaign's own slot."""
    slot = {"position": 3, "campaign": "new", "table": 1, "row": 0, "propensity": 0.5, "source": "table"}
    made = []
    for i in range(n):
        name, item = f"{at:%H}-{i}", ITEMS[i % 3]
        decided = [slot | {"item_id": item}]
        made.append(recount.Event("decision", at, None, name, discovery=decided, id=f"d-{name}"))
        made.append(recount.Event("impression", at, item, name, id=f"i-{name}"))
    return made


def test_a_budget_begins_anew_at_midnight_and_counts_when_it_is_changed(campaign: Campaign) -> None:
    Campaign.objects.update(daily_budget=100)
    closed = []
    for hour in range(4):
        recount.arrive(hour + 1, ours(20, START + timedelta(hours=hour)))
        at = START + timedelta(hours=hour, minutes=50)
        posterior = learning.learn(campaign.pk, at=at)
        closed.append(bool(posterior.numbers["closed"].all()))
    assert closed == [False, False, False, True]
    assert DrawTable.objects.latest("id").depth == 0
    assert [(b["name"], b["binds"]) for b in posterior.told["budgets"]] == [("daily_budget", True)]
    Campaign.objects.update(daily_budget=500)
    assert not learning.learn(campaign.pk, at=at).numbers["closed"].any()
    Campaign.objects.update(daily_budget=100)
    assert learning.learn(campaign.pk, at=at).numbers["closed"].all()
    morning = learning.learn(campaign.pk, at=at + timedelta(minutes=11))
    assert not morning.numbers["closed"].any()
    assert morning.told["delivered"]["ever"] == 80


def test_a_new_item_is_believed_to_beat_an_incumbent_with_the_chance_asked_for(campaign: Campaign) -> None:
    Campaign.objects.update(prior="dynamic", prior_chance="0.3", least_impressions=100)
    old = [f"old-{n}" for n in range(6)]  # in the scenario, not in the pool
    events = [Event("impression", START, item, f"{item}-{i}") for item in old for i in range(200)]
    events += [Event("click", START, item, f"{item}-{i}") for n, item in enumerate(old) for i in range(4 * n)]
    arrive(1, events)
    posterior = learning.learn(campaign.pk, at=AT)
    new = posterior.beliefs
    assert isinstance(new, Beta)
    rng, prior = np.random.default_rng(5), posterior.prior_a + posterior.prior_b
    rate = (1 + 60) / (100 + 1200)  # of the scenario: its priors are centred there
    chosen = rng.integers(0, 6, 400_000)
    incumbents = rng.beta(prior * rate + 4 * chosen, prior * (1 - rate) + 200 - 4 * chosen)
    beaten = (rng.beta(new.a[0], new.b[0], len(chosen)) > incumbents).mean()
    assert abs(beaten - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(chosen)) + 2e-3  # the mixture is cut at 1e-12 of its mass


def test_rows_from_before_there_were_kinds_are_read_and_learned_on(campaign: Campaign) -> None:
    old = Posterior.objects.create(
        campaign=campaign,
        number=7,
        batch=3,
        prior_a=1,
        prior_b=99,
        items=list(ITEMS),
        trials=[10, 0, 0],
        successes=[2, 0, 0],
    )
    assert old.beliefs.mean.tolist() == pytest.approx([3 / 110, 0.01, 0.01])
    arrive(4, [Event("impression", START, "sku-1")])
    new = learning.learn(campaign.pk, at=AT)
    assert (new.number, counts(new)["sku-1"]) == (8, (1, 0))


@pytest.mark.django_db(transaction=True)
def test_two_do_not_learn_for_one_campaign_at_once(campaign: Campaign) -> None:
    arrive(1, some_events(random.Random(2), 30))

    def other() -> None:
        try:
            learning.learn(campaign.pk, at=AT)
        finally:
            connection.close()

    with locks.alone("learn", str(campaign.pk)), ThreadPoolExecutor(1) as threads, pytest.raises(locks.Busy):
        threads.submit(other).result()
    assert not Posterior.objects.exists()


def test_what_a_posterior_stands_on_is_told_beside_it(campaign: Campaign) -> None:
    Campaign.objects.update(reward="order", delay_aware=True, position_aware=True, item_guarantee=20)
    recount.arrive(1, bought("sku-1", 200, 1, at=START))
    told = learning.learn(campaign.pk, at=AT).told
    assert [(one["level"], one["items"], one["trials"]) for one in told["priors"]][:1] == [("scenario", 3, 200)]
    assert {one["level"] for one in told["priors"]} == {"scenario", "category", "merchant"}
    assert told["positions"] == {"withheld": "no data yet"}  # nobody says with which chance what stood where
    assert told["delays"]["n"] == 100
    assert [(one["days"], one["share"]) for one in told["delays"]["arrived"]] == [(0.25, 1), (0.5, 1), (1.0, 1)]
    assert [(one["name"], one["binds"]) for one in told["budgets"]] == [("guarantee", False)]


def test_a_guarantee_pushes_who_is_behind(campaign: Campaign) -> None:
    Campaign.objects.update(item_guarantee=20, guarantee_days=1)
    learning.learn(campaign.pk, at=START)
    recount.arrive(1, [event for event in ours(30, START) if event.type == "decision" or event.item != "sku-3"])
    pushed = learning.learn(campaign.pk, at=START + timedelta(hours=12))
    behind = dict(zip(pushed.items, pushed.numbers["guarantee"].tolist(), strict=True))
    assert behind["sku-3"] > behind["sku-1"] >= 0
    table = DrawTable.objects.latest("id")
    first = np.frombuffer(table.rows, "<u4").reshape(table.n_rows, table.depth)[:, 0]
    assert (first == pushed.items.index("sku-3")).mean() > 0.9


def test_the_task_leaves_when_there_is_nothing_to_learn_for(db: None) -> None:
    tasks.learn(campaign_id=0)
    assert not Posterior.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_learner_killed_at_any_moment_leaves_every_event_counted_once(campaign: Campaign, settings: Any) -> None:
    rng = random.Random(4)
    events, ended = some_events(rng, 400), []
    for batch in range(1, 9):
        arrive(batch, events[(batch - 1) * 50 : batch * 50])
        learner = _learner(campaign.pk, settings.LAKE_URL)
        assert learner.stdout is not None
        learner.stdout.readline()  # ready to begin
        time.sleep(rng.uniform(0, 0.8))
        learner.send_signal(signal.SIGKILL)
        ended.append(learner.wait())
        learner.stdout.close()
        newest = Posterior.objects.order_by("-number").first()
        assert newest is None or counts(newest) == recounted(events[: newest.batch * 50])
        assert newest is None or newest.drawtable_set.exists()
    assert -signal.SIGKILL in ended
    _until_free(campaign.pk)
    assert counts(learning.learn(campaign.pk, at=AT)) == recounted(events)


def _learner(campaign_id: int, lake_url: str) -> "subprocess.Popen[str]":
    """Another process that learns, again and again, until it is killed."""
    code = (
        "import django; django.setup()\n"
        "from datetime import datetime\n"
        "from bandits import learning\n"
        "from firstlight.postgres import locks\n"
        "print('ready', flush=True)\n"
        f"try: learning.learn({campaign_id}, at=datetime.fromisoformat('{AT.isoformat()}'))\n"
        "except locks.Busy: pass\n"
        "print('done', flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    address = django_settings.DATABASES["default"]
    root = django_settings.ROOT
    environment = {
        **os.environ,
        "PYTHONPATH": f"{root / 'platform'}:{root}",
        "DJANGO_SETTINGS_MODULE": "firstlight.settings",
        "LAKE_URL": lake_url,
        "DATABASE_URL": _url(address),
    }
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def _url(database: dict[str, Any]) -> str:
    """Of the tests' own database, for a process that is not one of theirs."""
    from urllib.parse import quote

    who = quote(database["USER"] or "") + (f":{quote(database['PASSWORD'])}" if database.get("PASSWORD") else "")
    at = "" if str(database["HOST"]).startswith("/") else f"{database['HOST']}:{database['PORT'] or 5432}"
    options = f"?host={quote(database['HOST'], safe='')}" if not at else ""
    return f"postgresql://{who}@{at}/{database['NAME']}{options}"


def _until_free(campaign_id: int) -> None:
    """The server notices a killed session when it next writes to it."""
    for _ in range(100):
        try:
            with locks.alone("learn", str(campaign_id)):
                return
        except locks.Busy:
            time.sleep(0.1)
    raise AssertionError("the lock of a killed process was never freed")
