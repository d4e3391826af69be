"""How much a slot is looked at is told by one set of items, and each reward by its own columns."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bandits import viewing
from bandits.models import Campaign
from firstlight.catalog.models import Scenario
from firstlight.kernel.withheld import Withheld
from firstlight.objectives import weights

LOOKED_AT = {1: 1.0, 3: 0.8, 8: 0.4}


def cells(rates: Mapping[str, float], slots: Mapping[str, tuple[int, ...]], n: int = 200_000) -> pa.Table:
    """Impressions of two items per campaign, of this rate where they are looked at, alike in all its slots."""
    rng, rows = np.random.default_rng(7), []
    for campaign, rate in rates.items():
        for position in slots[campaign]:
            for item, share in (("a", 0.25), ("b", 0.75)):
                trials = round(n * share)
                clicks = rng.binomial(trials, rate * LOOKED_AT[position])
                sums = {
                    "trials": trials,
                    "clicks": int(clicks),
                    "inverse": trials / share,
                    "inverse_clicks": clicks / share,
                }
                within = dict.fromkeys(viewing.WITHIN, "") | {"item_id": f"{campaign}-{item}"}
                rows.append({"campaign": campaign, "position": position} | within | sums)
    return pa.Table.from_pylist(rows)


def kappas(found: Any) -> dict[int, float]:
    assert not isinstance(found, Withheld)
    return {slot: one.value for slot, one in found.items()}


def test_better_items_in_other_slots_do_not_make_ours_look_hidden() -> None:
    """Incumbents earn three times as much, in a slot of their own."""
    shown = cells({"": 0.09, "new": 0.03}, {"": (1,), "new": (3, 8)})
    found = viewing.examined(shown, "new")
    assert not isinstance(found, Withheld)
    assert set(found) == {3, 8}
    assert abs(found[8].value - 0.4 / 0.8) < 4 * found[8].se


def test_before_it_has_shown_enough_the_slots_of_the_sender_tell() -> None:
    shown = cells({"": 0.09, "other": 0.02}, {"": (1, 8), "other": (3,)})
    assert kappas(viewing.examined(shown, "new")) == pytest.approx({1: 1, 8: 0.4}, rel=0.1)
    assert isinstance(viewing.examined(shown.slice(4), "new"), Withheld)  # what another campaign showed is not ours


@pytest.mark.parametrize(
    ("reward", "mix"),
    [
        ("click", {"clicks": 1}),
        ("cart", {"carts": 1}),
        ("order", {"orders": 1}),
        ("net_value", {"net": 1}),
        ("weighted", {"clicks": 0.5, "orders": 0.2, "share": 0.3}),
    ],
)
def test_a_reward_is_worth_what_the_objectives_in_force_say(db: None, reward: str, mix: dict[str, float]) -> None:
    scenario = Scenario.objects.create(key="home", name="Home")
    share = {"user": Decimal("0.5"), "merchant": Decimal("0.2"), "platform": Decimal("0.3")}
    weights.publish_version(scenario, "", share, "as agreed", "pm")
    campaign = Campaign(key="new", name="New", scenario=scenario, positions=[1], reward=reward)
    assert viewing.mix(campaign) == mix
