"""What other policies would have earned, from pages that real tables filled: known truths are found again."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandits import parts, slots, valued
from bandits.models import Campaign, DrawTable, Posterior, Reward, Status
from bandits.policies import beliefs, draws
from bandits.policies.beliefs import Beta
from bandits.policies.estimators import NAMES
from bandits.policies.policy import Policy
from bandits.policies.slates import KINDS, Slated
from bandits.served import Filter
from bandits.valued import Valued
from firstlight.catalog.models import Category, Item, Merchant, Scenario
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.objectives.models import Weights
from firstlight.stats.estimates import Estimate
from tests.bandits.recount import Event, arrive

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
NOW = START + timedelta(days=5)
ITEMS = tuple(f"i{n}" for n in range(8))
RATES = dict(zip(ITEMS, (0.05, 0.1, 0.15, 0.2, 0.3, 0.35, 0.4, 0.5), strict=True))
SHELVES = dict(zip(ITEMS, ("hat", "shoe") * 4, strict=True))
OWNERS = dict(zip(ITEMS, "aabbccdd", strict=True))
EXAMINED = (1.0, 0.6)  # of both slots
FIRST = np.array([3.0, 1, 4, 1, 5, 9, 2, 6]) / 100
SECOND = np.array(list(RATES.values()))


@pytest.fixture(autouse=True)
def home(db: None, settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    for item in ITEMS:
        category, _ = Category.objects.get_or_create(key=SHELVES[item], defaults={"name": SHELVES[item]})
        merchant, _ = Merchant.objects.get_or_create(key=OWNERS[item], defaults={"name": OWNERS[item]})
        Item.objects.create(key=item, category=category, merchant=merchant)


def make(**more: Any) -> Campaign:
    scenario, _ = Scenario.objects.get_or_create(key="home", defaults={"name": "Home"})
    plan = {"positions": [2, 5], "floor": "0.2", "pool_by_rule": False, "pool_items": list(ITEMS)} | more
    made = Campaign.objects.create(key="new", name="New", scenario=scenario, **plan)
    Campaign.objects.filter(pk=made.pk).update(status=Status.RUNNING, started_at=START)
    return Campaign.objects.get(pk=made.pk)


def drawn(campaign: Campaign, means: np.ndarray, items: tuple[str, ...] = ITEMS, strength: float = 30) -> DrawTable:
    """A table of Thompson sampling that believes these means."""
    number = campaign.posteriors.count() + 1
    believed = Beta(items, means * strength, (1 - means) * strength)
    about: Any = {"items": list(items), "trials": [0.0] * len(items), "successes": [0.0] * len(items)}
    packed = beliefs.pack(believed.arrays())
    row = Posterior.objects.create(
        campaign=campaign, number=number, batch=0, prior_a=1, prior_b=1, arrays=packed, **about
    )
    rows = draws.table(Policy(), believed, None, draws.generators(number, 256), len(items))
    return DrawTable.objects.create(
        campaign=campaign,
        posterior=row,
        seed=number,
        items=list(items),
        merchants=[OWNERS[item] for item in items],
        categories=[SHELVES[item] for item in items],
        n_rows=256,
        depth=len(items),
        rows=rows.astype("<u4").tobytes(),
    )


_numbers = count()


def served(
    campaign: Campaign,
    row: DrawTable,
    n: int,
    rng: np.random.Generator,
    *,
    shelf: str | None = None,
    off: float = 1.0,
    day: float = 1.0,
) -> list[Event]:
    """`n` pages of this table with what users did; `off` spoils the logged propensities."""
    table = next(iter(parts.of_tables(campaign, [row.pk]).tables.values()))
    limits = Filter({"category": frozenset({shelf})}) if shelf else None
    chances = slots.propensities(table, 2, limits)
    events: list[Event] = []
    for _ in range(n):
        number = next(_numbers)
        trace, user, at = f"t{number}", f"u{number // 2}", START + timedelta(days=day, seconds=number)
        place, picks = slots.choose(table, trace, 2, limits)
        discovery: list[dict[str, Any]] = [
            {
                "position": campaign.positions[slot],
                "item_id": table.items[pick.item],
                "campaign": campaign.key,
                "table": row.pk,
                "row": place,
                "propensity": float(chances[slot, pick.item]) * off,
                "source": pick.source,
            }
            for slot, pick in enumerate(picks)
        ]
        said = {"eligible": {"category": [shelf]} if shelf else {}, "exclude_items": [], "attributes": {}}
        events.append(
            Event("decision", at, trace=trace, user=user, discovery=discovery, properties=said, id=f"d{number}")
        )
        for slot, one in enumerate(discovery):
            item = one["item_id"]
            events.append(Event("impression", at, item, trace, user, id=f"v{number}-{slot}"))
            if rng.random() < RATES[item] * EXAMINED[slot]:
                events.append(Event("click", at + timedelta(minutes=1), item, trace, user, id=f"c{number}-{slot}"))
    return events


def told(campaign: Campaign, *, at: datetime = NOW) -> dict[str, Valued]:
    return {one.policy: one for one in valued.values(campaign, at=at)}


def value(found: Any) -> Estimate:
    assert isinstance(found, Estimate)
    return found


def uniform_truth(items: Mapping[str, float] = RATES) -> float:
    return float(np.mean(list(items.values())) * np.mean(EXAMINED))


@pytest.fixture
def two_tables() -> Campaign:
    """3,000 pages by a poor table and a good one, a third of them under a filter."""
    campaign, rng = make(), np.random.default_rng(2)
    rows = [drawn(campaign, FIRST), drawn(campaign, SECOND, strength=10)]
    events = [e for day, row in enumerate(rows) for e in served(campaign, row, 1_000, rng, day=day)]
    events += [e for day, row in enumerate(rows) for e in served(campaign, row, 500, rng, shelf="hat", day=day)]
    arrive(1, events)
    return campaign


def test_every_estimator_finds_the_truth_of_the_uniform_policy(two_tables: Campaign) -> None:
    """The truth within the 95 % interval widened to 4 standard errors. A third of the pages showed hats alone."""
    one = told(two_tables)["uniform"]
    hats = {item: rate for item, rate in RATES.items() if SHELVES[item] == "hat"}
    truth = (2 * uniform_truth() + uniform_truth(hats)) / 3
    assert one.n_choices == 6_000
    assert one.found.overlap.is_trusted
    for found in (*(one.found.of(name) for name in NAMES if name != "dm"), one.adaptive):
        estimate = value(found)
        assert abs(estimate.value - truth) < 4 * (estimate.high - estimate.low) / 3.92
    for kind in KINDS:
        slated = one.slates[kind]
        assert isinstance(slated, Slated)
        for found in (slated.ips, slated.snips):
            estimate = value(found)
            assert abs(estimate.value - 2 * truth) < 4 * (estimate.high - estimate.low) / 3.92
    assert one.n_pages == 3_000 and not one.left_out


def test_intervals_of_doubly_robust_estimates_are_narrower(two_tables: Campaign) -> None:
    one = told(two_tables)["uniform"]
    wide, narrow = (value(one.found.of(name)) for name in ("ips", "dr"))
    assert narrow.high - narrow.low < wide.high - wide.low


def test_all_policies_are_asked_about(two_tables: Campaign) -> None:
    found = told(two_tables)
    floors = {"floor 0%", "floor 1%", "floor 10%"}  # .2 is the campaign's own
    others = {"learned on orders", "learned on net value"}
    assert set(found) == {"present table", "uniform", "greedy", *floors, *others}
    assert value(found["floor 0%"].found.of("dr")).value > value(found["floor 10%"].found.of("dr")).value
    assert value(found["floor 10%"].found.of("dr")).value > value(found["present table"].found.of("dr")).value
    assert value(found["present table"].found.of("dr")).value > value(found["uniform"].found.of("dr")).value


def test_the_table_that_made_the_log_is_worth_what_it_earned() -> None:
    campaign, rng = make(merchant_cap=1), np.random.default_rng(3)
    row = drawn(campaign, FIRST, strength=10)
    arrive(1, served(campaign, row, 400, rng) + served(campaign, row, 200, rng, shelf="shoe"))
    one = told(campaign)["present table"]
    assert one.found.overlap.max_weight == pytest.approx(1)
    assert one.found.overlap.ess == pytest.approx(1_200)
    for name in ("ips", "snips"):
        assert value(one.found.of(name)).value == pytest.approx(one.found.logged, abs=1e-9)
    for kind in KINDS:
        slated = one.slates[kind]
        assert isinstance(slated, Slated)
        assert value(slated.ips).value == pytest.approx(value(slated.snips).value, abs=1e-9)
        assert value(slated.snips).value == pytest.approx(one.logged_per_page, abs=1e-9)
    assert one.supported == pytest.approx(1)


def test_wrong_propensities_are_said_to_be_wrong() -> None:
    campaign, rng = make(), np.random.default_rng(4)
    arrive(1, served(campaign, drawn(campaign, FIRST, strength=10), 600, rng, off=1.3))
    one = told(campaign)["uniform"]
    assert one.withheld == Reason.WRONG_PROPENSITIES.value
    assert one.estimate is None and one.adaptive == Withheld(Reason.WRONG_PROPENSITIES)
    assert one.n_pages == 0 and sum(one.left_out.values()) == 600  # whole slates do not come out as they were logged


def test_an_item_that_came_later_was_no_answer_then() -> None:
    """The first table knew six items; a uniform policy is valued on those alone in its pages."""
    campaign, rng = make(), np.random.default_rng(5)
    row = drawn(campaign, FIRST[:6], ITEMS[:6], strength=10)
    drawn(campaign, SECOND)
    arrive(1, served(campaign, row, 1_000, rng))
    one = told(campaign)["uniform"]
    assert one.found.overlap.is_trusted and one.supported == pytest.approx(1)
    estimate = value(one.found.of("snips"))
    truth = uniform_truth({item: RATES[item] for item in ITEMS[:6]})
    assert abs(estimate.value - truth) < 4 * (estimate.high - estimate.low) / 3.92


def test_what_could_not_be_shown_is_told() -> None:
    """Without a floor a sure table never shows most items: a uniform policy has no support there."""
    campaign, rng = make(floor="0"), np.random.default_rng(6)
    arrive(1, served(campaign, drawn(campaign, SECOND, strength=1_000), 300, rng))
    one = told(campaign)["uniform"]
    assert 0 < one.supported < 0.8
    assert one.n_unsupported == pytest.approx(600 * (1 - one.supported), abs=0.5)


def test_choices_whose_reward_may_still_come_wait() -> None:
    campaign, rng = make(), np.random.default_rng(7)
    arrive(1, served(campaign, drawn(campaign, FIRST), 30, rng))
    one = told(campaign, at=START + timedelta(days=1, hours=12))["uniform"]
    assert one.n_choices == 0 and one.withheld == Reason.NO_DATA.value
    assert one.left_out["reward may still come"] == 60


def test_the_reward_is_what_the_campaign_says() -> None:
    """Two impressions: one clicked and bought for 30 of a cap of 50, one clicked."""
    campaign = make(reward=Reward.WEIGHTED, value_cap="50")
    Weights.objects.create(scenario=campaign.scenario, version=1, user="0.5", merchant="0.3", platform="0.2")
    row = drawn(campaign, FIRST, strength=10)
    events = [e for e in served(campaign, row, 60, np.random.default_rng(8)) if e.type != "click"]
    shown = [e for e in events if e.type == "impression"][:2]
    later = timedelta(minutes=5)
    events += [Event("click", e.at + later, e.item, e.trace, e.user, id=f"k{e.id}") for e in shown]
    bought = shown[0]
    events.append(
        Event("order", bought.at + 2 * later, bought.item, bought.trace, bought.user, value=30.0, order="o", id="o1")
    )
    arrive(1, events)
    one = told(campaign)["present table"]
    assert one.found.logged == pytest.approx((0.5 + 0.3 + 0.2 * 30 / 50 + 0.5) / 120)


def test_choices_of_a_sender_with_propensities_of_its_own_count_too() -> None:
    campaign, rng = make(), np.random.default_rng(9)
    drawn(campaign, FIRST)
    events = []
    for number in range(800):
        item, at = ITEMS[rng.integers(8)], START + timedelta(seconds=number)
        shown = Event("impression", at, item, f"s{number}", position=2, propensity=1 / 8, id=f"s{number}")
        clicked = [Event("click", at, item, f"s{number}", id=f"sc{number}")] if rng.random() < RATES[item] else []
        events += [shown, *clicked]
    arrive(1, events)
    one = told(campaign)["uniform"]
    assert one.n_choices == 800
    estimate = value(one.found.of("snips"))
    assert estimate.value == pytest.approx(one.found.logged)
    assert estimate.low < np.mean(list(RATES.values())) < estimate.high


def test_before_its_first_table_there_is_nothing_to_compare() -> None:
    assert valued.values(make(), at=NOW) == []


def test_the_same_log_gives_the_same_answer(two_tables: Campaign) -> None:
    one, again = (told(two_tables)["uniform"].estimate for _ in range(2))
    assert one == again
    assert json.dumps(one.snips if one else None)
