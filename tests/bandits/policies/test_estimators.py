"""All estimators together: the figures worked out by hand, what is withheld, and a policy valued on its own log."""

import numpy as np
import pytest

from bandits.policies import estimators, evaluation, forms, tuning
from bandits.policies.estimators import NAMES
from bandits.policies.evaluation import Log
from bandits.policies.tuning import Tuned
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

# Four rows, actions 0, 1, 1, 0 (docs/methods.md, off-policy evaluation).
LOG = Log(np.array([1.0, 0, 1, 1]), np.array([0.5, 0.25, 0.25, 0.5]), np.array([0.25, 0.5, 0.5, 0.25]))
Q, EXPECTED = np.array([0.2, 0.4, 0.5, 0.1]), np.array([0.3, 0.3, 0.5, 0.2])
RATES, PI_B, PI_E = np.array([0.1, 0.2, 0.4]), np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])


def simulated(rng: np.random.Generator, n: int) -> tuple[Log, np.ndarray]:
    action = rng.choice(3, size=n, p=PI_B)
    return Log((rng.random(n) < RATES[action]).astype(float), PI_B[action], PI_E[action]), action


def test_each_gives_what_is_worked_out_by_hand() -> None:
    found = {name: forms.value(form) for name, form in estimators.of(LOG, Q, EXPECTED, Tuned(1.0, 1.0)).items()}
    assert found == pytest.approx(
        {"ips": 0.75, "snips": 0.6, "dm": 0.325, "dr": 0.5875, "sndr": 0.535, "switch_dr": 0.5375, "dros": 0.505}
    )


def test_a_policy_valued_on_its_own_log_is_worth_the_logged_mean() -> None:
    rng = np.random.default_rng(1)
    reward, p = rng.binomial(1, 0.1, 500).astype(float), rng.uniform(0.1, 1, 500)
    q = rng.random(500)
    found = estimators.evaluated(Log(reward, p, p), q, q, np.arange(500), rng)
    assert found.overlap.is_trusted
    for name in ("ips", "snips", "dr", "sndr"):  # whatever the model, where it expects what it says of the choice
        one = found.of(name)
        assert isinstance(one, Estimate)
        assert one.value == pytest.approx(reward.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (Log(*(np.empty(0),) * 3), Reason.NO_DATA),
        (Log(np.ones(90), np.full(90, 0.5), np.zeros(90)), Reason.NO_SUPPORT),
        (Log(np.ones(90), np.full(90, 0.5), np.r_[1.0, np.full(89, 1e-4)]), Reason.LOW_ESS),
        (Log(np.ones(90), np.full(90, 0.5), np.full(90, 0.7)), Reason.WRONG_PROPENSITIES),
        # The shop's own logs of Thompson sampling for women have one such row among 10,000.
        (Log(np.zeros(10_000), np.r_[1e-6, np.full(9_999, 1 / 46)], np.full(10_000, 1 / 46)), Reason.LOW_ESS),
    ],
)
def test_all_are_withheld_together_where_the_weights_tell_nothing(log: Log, reason: Reason) -> None:
    n = len(log.reward)
    found = estimators.evaluated(log, np.zeros(n), np.zeros(n), np.arange(n), np.random.default_rng(1))
    assert {found.of(name) for name in NAMES} == {Withheld(reason)}


def test_what_the_log_could_not_show_is_expected_to_be_missing() -> None:
    """A third of the policy asked about is on an item that was never shown: the mean weight is two thirds, rightly."""
    rng = np.random.default_rng(3)
    log = Log(np.ones(3_000), np.full(3_000, 0.5), np.where(rng.random(3_000) < 0.5, 0.4, 0.8 / 3))
    units = np.arange(3_000)
    assert not evaluation.overlap_of(log.weight, units).is_trusted
    assert evaluation.overlap_of(log.weight, units, supported=2 / 3).is_trusted


def test_weights_that_go_together_within_a_unit_make_its_mean_less_sure() -> None:
    weight = np.repeat(np.random.default_rng(1).exponential(size=500), 4)
    alone, together = (evaluation.overlap_of(weight, units) for units in (np.arange(2_000), np.repeat(range(500), 4)))
    assert together.mean_weight_error == pytest.approx(2 * alone.mean_weight_error, rel=0.01)


def test_a_resample_of_units_is_the_raw_bootstrap_of_units() -> None:
    """Against units drawn one by one: the ends within the noise of 1,000 resamples (some 8 % of the half-width)."""
    rng = np.random.default_rng(8)
    log, _ = simulated(rng, 900)
    units = np.repeat(np.arange(300), 3)
    ends = forms.estimates({"snips": (forms.Ratio(log.weight * log.reward, log.weight),)}, units, rng)["snips"]
    rows = np.arange(900).reshape(300, 3)
    drawn = []
    for _ in range(1_000):
        take = rows[rng.integers(0, 300, 300)].ravel()
        drawn.append((log.weight * log.reward)[take].sum() / log.weight[take].sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert [ends.low, ends.high] == pytest.approx([low, high], abs=0.3 * (high - low) / 2)


def test_every_interval_covers_the_truth_as_often_as_it_says() -> None:
    """200 logs of 300 choices: 95 % within 4 standard errors; Switch-DR and DRos trade a bias in, up to a tenth off."""
    rng = np.random.default_rng(5)
    truth, hits = float(PI_E @ RATES), dict.fromkeys(NAMES, 0)
    for _ in range(200):
        log, action = simulated(rng, 300)
        q = RATES[action] * 0.8
        expected = np.full(300, 0.8 * truth)
        found = estimators.evaluated(log, q, expected, np.arange(300), rng, n_resamples=300)
        for name in NAMES:
            one = found.of(name)
            hits[name] += not isinstance(one, Withheld) and one.low <= truth <= one.high
    for name in ("ips", "snips", "dr", "sndr"):
        assert abs(hits[name] / 200 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200), name
    assert min(hits["switch_dr"], hits["dros"]) > 200 * 0.85
    assert hits["dm"] == 0  # the model is off by a fifth, and the direct method cannot know


def test_weights_are_changed_only_where_that_pays() -> None:
    """With even weights nothing is cut or shrunk; with a residual that is noise and weights far apart, much is."""
    rng = np.random.default_rng(2)
    log, _ = simulated(rng, 2_000)
    even = Log(log.reward, log.logged, log.logged)
    best = tuning.tuned(even, np.zeros(2_000), np.zeros(2_000))
    assert evaluation.shrunk(even.weight, best.strength) == pytest.approx(even.weight, rel=1e-3)
    assert best.most >= 1

    weight = rng.pareto(1.2, 2_000) + 0.1
    wild = Log(rng.normal(0, 0.01, 2_000), 1 / weight, np.ones(2_000))
    found = tuning.tuned(wild, np.zeros(2_000), np.zeros(2_000))
    plain = tuning.mse_bound(wild, np.zeros(2_000), np.zeros(2_000), weight)
    assert tuning.mse_bound(wild, np.zeros(2_000), np.zeros(2_000), evaluation.shrunk(weight, found.strength)) < plain


def test_the_bound_on_a_bias_holds_as_often_as_it_says() -> None:
    """Bounded noise about .1, 2,000 samples of 50: missed in at most 5 % (within 4 standard errors)."""
    values = np.random.default_rng(4).choice([0.0, 1.0], p=[0.9, 0.1], size=(2_000, 50))
    missed = np.mean([tuning.bernstein(row) < 0.1 for row in values if np.ptp(row)])
    assert missed < tuning.DELTA + 4 * np.sqrt(0.05 * 0.95 / 2_000)
