"""Segments of a contextual campaign: learned together, each with beliefs and a table of its own."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from bandits import believing, contexts, learning, parts, slots
from bandits.believing import Shelf
from bandits.evidence import Evidence
from bandits.models import Campaign, DrawTable
from bandits.policies import draws, stored
from bandits.policies.policy import Policy
from bandits.policies.values import LogValues
from firstlight.catalog.models import Category, Item, Merchant, Scenario

AT = datetime(2026, 11, 23, tzinfo=UTC)
N = 12
SHELF = Shelf(
    tuple(f"sku-{i:02}" for i in range(N)),
    tuple(("dress", "shoe")[i % 2] for i in range(N)),
    tuple(f"m-{i % 3}" for i in range(N)),
)
TRAITS = contexts.traits(SHELF.categories, SHELF.merchants, [(10.0 + i, "EUR") for i in range(N)])


def evidence(trials: Any, rewards: Any) -> Evidence:
    n, won = np.broadcast_to(np.asarray(trials, float), N), np.broadcast_to(np.asarray(rewards, float), N)
    return Evidence(SHELF.items, n, won, won, LogValues(*np.zeros((3, N))), n, won)


def stand(whole: Evidence) -> believing.Stand:
    return believing.stand(SHELF, whole, rate=0.05, cap=50.0, value_cap=None, against=None)


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_what_a_segment_likes_is_believed_of_items_it_has_not_seen(kind: str) -> None:
    """In DE dresses are clicked, in FR shoes; the last pair was shown in neither."""
    shown, dress = np.where(np.arange(N) < 10, 2000.0, 0.0), np.arange(N) % 2 == 0
    seen = {
        "DE": evidence(shown, shown * np.where(dress, 0.08, 0.02)),
        "FR": evidence(shown, shown * np.where(dress, 0.02, 0.08)),
    }
    whole = evidence(2 * shown, shown * 0.1)
    found = contexts.learned(kind, "country", traits=TRAITS, stand=stand(whole), parts=seen, whole=whole)
    for segment, liked, other in (("DE", 10, 11), ("FR", 11, 10)):
        mean = found.beliefs[segment].mean
        assert mean[liked] > 1.8 * mean[other]
        assert mean[:10] == pytest.approx(np.where((np.arange(10) % 2 == 0) == (segment == "DE"), 0.08, 0.02), rel=0.15)


def test_traffic_of_no_segment_tells_of_the_items_and_of_no_segment() -> None:
    shown = np.full(N, 300.0)
    seen = {"DE": evidence(shown, shown * 0.05), "FR": evidence(shown, shown * 0.05)}
    lucky = shown * np.where(np.arange(N) == 4, 0.4, 0.05)
    whole = evidence(4 * shown, shown * 0.1 + 2 * lucky)
    found = contexts.learned("logistic", "country", traits=TRAITS, stand=stand(whole), parts=seen, whole=whole)
    assert {int(found.beliefs[segment].mean.argmax()) for segment in ("DE", "FR")} == {4}
    assert found.beliefs["DE"].mean == pytest.approx(found.beliefs["FR"].mean, rel=1e-6)
    model, by = stored.unpack(found.model)
    assert by.attributes == (("country", ("DE", "FR")),)
    assert (model.kind, model.z.shape) == ("logistic", (N, by.n_item))


def test_more_rewards_than_trials_do_not_break_the_odds() -> None:
    """Under delays a trial may still be part of one when its reward has come."""
    seen = {"DE": evidence(2.0, 3.0)}
    found = contexts.learned(
        "logistic", "country", traits=TRAITS, stand=stand(evidence(2.0, 2.0)), parts=seen, whole=evidence(2.0, 3.0)
    )
    assert np.isfinite(found.beliefs["DE"].mean).all()


def test_prices_of_another_currency_are_as_if_not_known() -> None:
    assert contexts.traits(["a"] * 4, ["b"] * 4, [(1.0, "EUR"), (2.0, "EUR"), (9.0, "USD"), None]).prices == [
        1.0,
        2.0,
        None,
        None,
    ]


@pytest.fixture
def campaign(db: None, settings: Any, tmp_path: Any) -> Campaign:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    scenario, merchant = Scenario.objects.create(key="home", name="Home"), Merchant.objects.create(key="m-1")
    categories = [Category.objects.create(key=key, name=key) for key in ("dress", "shoe")]
    for i in range(8):
        Item.objects.create(key=f"sku-{i}", merchant=merchant, category=categories[i % 2], price=i, currency="EUR")
    return Campaign.objects.create(
        key="new",
        name="New",
        scenario=scenario,
        positions=[1, 2],
        policy="logistic",
        segment_by="country",
        segments=["DE", "FR"],
    )


def test_each_segment_has_a_table_of_the_model_and_all_traffic_one_of_the_items_alone(campaign: Campaign) -> None:
    learning.begin(campaign, at=AT)
    rows = {row.segment: row for row in campaign.posteriors.all()}
    assert {segment: row.kind for segment, row in rows.items()} == {"": "beta", "DE": "logistic", "FR": "logistic"}
    assert stored.unpack(bytes(rows[""].context))[1].attributes == (("country", ("DE", "FR")),)
    assert not rows["DE"].context
    for table in DrawTable.objects.exclude(segment="").select_related("posterior"):
        rngs = draws.generators(table.seed, table.n_rows)
        again = draws.table(Policy(), table.posterior.beliefs, None, rngs, table.depth)
        assert again.astype("<u4").tobytes() == bytes(table.rows)
    learning.learn(campaign.pk, at=AT)
    assert campaign.posteriors.count() == 3


def test_a_segment_is_served_from_its_table_with_propensities_and_any_row_is_drawn_again(campaign: Campaign) -> None:
    learning.begin(campaign, at=AT)
    running = parts.present(campaign)
    assert running is not None
    table = running.table_of("learned", "DE")
    assert table is not None
    assert (table.segment, table.beliefs.kind) == ("DE", "logistic")
    _, picks = slots.choose(table, "t-1", 2)
    chances = slots.propensities(table, 2)
    assert chances.sum(axis=1) == pytest.approx(np.ones(2), abs=1e-12)
    assert [pick.propensity for pick in picks] == [chances[slot, pick.item] for slot, pick in enumerate(picks)]
    for row in (0, 1023):
        again = draws.ranking(table.policy, table.beliefs, table.pace, draws.generator(table.seed, row))
        assert again[: table.rows.shape[1]].tolist() == table.rows[row].tolist()


def test_a_contextual_campaign_without_items_begins_empty(campaign: Campaign) -> None:
    Item.objects.all().delete()
    learning.begin(campaign, at=AT)
    assert [(table.segment, bytes(table.rows)) for table in DrawTable.objects.order_by("segment")] == [
        ("", b""),
        ("DE", b""),
        ("FR", b""),
    ]
