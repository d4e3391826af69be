"""Off-policy evaluation against figures worked out by hand, the shop's real logs, and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest

from bandits.policies import evaluation
from bandits.policies.evaluation import Log
from bandits.policies.quadrature import slot_propensities
from firstlight.kernel.withheld import Reason, Withheld

SHOP = json.loads(Path(__file__).with_name("open_bandit.json").read_text())

# Four rows, actions 0, 1, 1, 0 (docs/methods.md, off-policy evaluation).
LOG = Log(np.array([1.0, 0, 1, 1]), np.array([0.5, 0.25, 0.25, 0.5]), np.array([0.25, 0.5, 0.5, 0.25]))
Q, EXPECTED = np.array([0.2, 0.4, 0.5, 0.1]), np.array([0.3, 0.3, 0.5, 0.2])


def test_every_estimator_gives_what_is_worked_out_by_hand() -> None:
    assert evaluation.ips(LOG) == pytest.approx(0.75)
    assert evaluation.snips(LOG) == pytest.approx(0.6)
    assert evaluation.direct(EXPECTED) == pytest.approx(0.325)
    assert evaluation.doubly_robust(LOG, Q, EXPECTED) == pytest.approx(0.5875)
    assert evaluation.self_normalised_doubly_robust(LOG, Q, EXPECTED) == pytest.approx(0.535)
    assert evaluation.switch_doubly_robust(LOG, Q, EXPECTED, most=1) == pytest.approx(0.5375)
    assert evaluation.shrunken_doubly_robust(LOG, Q, EXPECTED, strength=1) == pytest.approx(0.505)
    assert evaluation.overlap(LOG).ess == pytest.approx(2.9411765, abs=1e-7)


def shop_log(campaign: str) -> tuple[Log, np.ndarray, np.ndarray]:
    """The random logs unrolled from counts; item and slot of each row."""
    known = SHOP[campaign]
    seen, clicked = np.array(known["seen"]), np.array(known["clicked"])
    exact = slot_propensities(np.array(known["a"]), np.array(known["b"]), 3)
    item, slot = (axis.ravel() for axis in np.indices(seen.shape))
    times = seen.ravel()
    rewards = np.concatenate([np.arange(n) < c for n, c in zip(times, clicked.ravel(), strict=True)]).astype(float)
    item, slot = np.repeat(item, times), np.repeat(slot, times)
    return Log(rewards, np.full(len(item), 1 / len(seen)), exact[item, slot]), item, slot


def test_the_shops_thompson_sampling_is_worth_what_independent_code_found() -> None:
    log, item, slot = shop_log("all")
    assert len(log.reward) == 10_000
    assert evaluation.ips(log) == pytest.approx(0.00456274, abs=5e-9)
    assert evaluation.snips(log) == pytest.approx(0.00478603, abs=5e-9)
    assert evaluation.overlap(log).ess == pytest.approx(1643.2, abs=0.05)

    exact = slot_propensities(np.array(SHOP["all"]["a"]), np.array(SHOP["all"]["b"]), 3)
    mean = np.bincount(item, log.reward) / np.bincount(item)
    found = evaluation.doubly_robust(log, mean[item], (mean @ exact)[slot])
    assert found == pytest.approx(0.00487795, abs=5e-9)


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_real_propensities_are_found_sound(campaign: str) -> None:
    assert evaluation.overlap(shop_log(campaign)[0]).is_trusted


def test_wrong_propensities_are_found_out() -> None:
    log, _, _ = shop_log("men")
    assert not evaluation.overlap(Log(log.reward, log.logged * 1.2, log.target)).is_trusted


def test_a_policy_valued_on_its_own_log_is_worth_what_it_earned() -> None:
    rng = np.random.default_rng(1)
    reward, p = rng.binomial(1, 0.1, 500).astype(float), rng.uniform(0.1, 1, 500)
    found = evaluation.value(Log(reward, p, p), np.arange(500), rng)
    assert not isinstance(found, Withheld)
    assert found.ips == found.snips == pytest.approx(reward.mean())
    assert found.overlap.ess == pytest.approx(500)
    assert found.low < reward.mean() < found.high


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (Log(*(np.empty(0),) * 3), Reason.NO_DATA),
        (Log(np.ones(90), np.full(90, 0.5), np.zeros(90)), Reason.NO_SUPPORT),
        (Log(np.ones(90), np.full(90, 0.5), np.r_[1.0, np.full(89, 1e-4)]), Reason.LOW_ESS),
    ],
)
def test_what_a_log_cannot_tell_is_withheld(log: Log, reason: Reason) -> None:
    assert evaluation.value(log, np.arange(len(log.reward)), np.random.default_rng(1)) == Withheld(reason)


def test_one_row_of_propensity_one_in_a_million_leaves_nothing_to_say() -> None:
    """As in the shop's own logs of Thompson sampling for women: the uniform policy has an effective sample of 2."""
    logged = np.r_[1e-6, np.full(9_999, 1 / 46)]
    log = Log(np.zeros(10_000), logged, np.full(10_000, 1 / 46))
    assert evaluation.overlap(log).ess < 3
    assert evaluation.value(log, np.arange(10_000), np.random.default_rng(1)) == Withheld(Reason.LOW_ESS)


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """400 logs of 400 views with 3 choices each that share the view's taste: 95 %, within 4 standard errors.

    The test of the propensities, at three standard errors, lets some .3 % of sound logs say nothing.
    """
    rng = np.random.default_rng(5)
    rates, pi_b, pi_e = np.array([0.1, 0.2, 0.4]), np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    truth, runs, hits = float(pi_e @ rates), 0, 0
    for _ in range(400):
        action = rng.choice(3, size=(400, 3), p=pi_b)
        taste = rng.choice([0.5, 1.5], size=(400, 1))
        reward = (rng.random((400, 3)) < rates[action] * taste).astype(float)
        log = Log(reward.ravel(), pi_b[action].ravel(), pi_e[action].ravel())
        found = evaluation.value(log, np.repeat(np.arange(400), 3), rng, n_resamples=300)
        if isinstance(found, Withheld):
            assert found.reason is Reason.WRONG_PROPENSITIES
            continue
        runs, hits = runs + 1, hits + (found.low <= truth <= found.high)
    assert runs > 390
    assert abs(hits / runs - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs)
