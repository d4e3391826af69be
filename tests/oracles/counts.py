"""Shares and counts."""

from collections.abc import Callable, Sequence
from math import exp, inf

import numpy as np

from firstlight.kernel.withheld import Withheld
from firstlight.stats import (
    newcombe,
    preference,
    proportions,
    ratios,
    sample_ratio,
    tails,
)
from firstlight.stats.estimates import Comparison
from firstlight.stats.newcombe import Share
from tests.oracles.sums import Answer, Case, Method, shares, sure


def sequential_ratio(given: Case) -> Answer:
    """Batches add up; their factor is over 1 where the split looks sound."""
    sums = np.cumsum(given["batches"], axis=0).tolist()
    p = [exp(-sample_ratio.log_bayes_factor(one, given["weights"], given["dirichlet_concentration"])) for one in sums]
    return {"p_value_after_each_batch": p, "running_min_p": [min(1.0, *p[: i + 1]) for i in range(len(p))]}


def preferred(given: Case) -> Answer:
    found = preference.sign_test(given["wins"], given["decided"] - given["wins"], 0.95)
    assert isinstance(found, preference.Preference)
    return {"p_value": found.p, "wilson_lower": found.share.low, "wilson_upper": found.share.high}


def tested(rule: Callable[[Share, Share, float], Comparison | Withheld]) -> Method:
    def answer(given: Case) -> Answer:
        found = sure(rule(*shares(given), 1 - given["alpha"]))
        gap, tail = sure(found.difference), sure(found.tail)
        reach = (gap.high - gap.low) / 2
        z = gap.value / reach * tails.quantile(1 - given["alpha"], inf)
        return lifted(found) | {
            "z": z,
            "effect": gap.value,
            "ci_lower": gap.low,
            "ci_upper": gap.high,
            "p_value": tail.p,
        }

    return answer


def lifted(found: Comparison) -> Answer:
    lift = sure(found.lift)
    return {"lift": lift.value, "lift_ci_lower": lift.low, "lift_ci_upper": lift.high}


def fitted(rule: Callable[[Sequence[Share]], proportions.Fit | Withheld]) -> Method:
    def answer(given: Case) -> Answer:
        c, t = shares(given)
        return {"effect": t.value - c.value, "lift": t.value / c.value - 1, "p_value": sure(rule([c, t])).p}

    return answer


def exactly(rule: Callable[[Share, Share], float]) -> Method:
    return lambda given: {"p_value": rule(*shares(given))}


def several(given: Case) -> Answer:
    pairs = zip(given["counts"], given["n"], strict=True)
    found = sure(proportions.pearson([Share(n, float(successes)) for successes, n in pairs]))
    return {"chi2": found.statistic, "p_value": found.p}


def score(given: Case) -> Answer:
    found = proportions.score_interval(*shares(given), 1 - given["alpha"])
    return {"ci_lower": found.low, "ci_upper": found.high}


def not_worse(*, by_score: bool) -> Method:
    def answer(given: Case) -> Answer:
        found = proportions.not_worse(*shares(given), given["absolute_margin"], score=by_score)
        return {"statistic": found.statistic, "p_value": found.above().p}

    return answer


def newcombes(given: Case) -> Answer:
    gap = sure(newcombe.compare(*shares(given), 1 - given["alpha"]).difference)
    return {"ci_lower": gap.low, "ci_upper": gap.high}


def one_share(given: Case) -> Answer:
    share, confidence = Share(given["n"], float(given["sum"])), 1 - given["alpha"]
    reach, exact = share.reach(tails.quantile(confidence, inf)), proportions.clopper_pearson(share, confidence)
    wilson = {"wilson_lower": reach.value - reach.below, "wilson_upper": reach.value + reach.above}
    return wilson | {"clopper_pearson_lower": exact.low, "clopper_pearson_upper": exact.high}


def log_risk(given: Case) -> Answer:
    sides = [(level.value, level.variance) for level in map(proportions.level, shares(given))]
    found = sure(ratios.log_lift(sides[0], sides[1], 1 - given["alpha"]))
    return {"ratio": found.value + 1, "ratio_ci_lower": found.low + 1, "ratio_ci_upper": found.high + 1}


def split(given: Case) -> Answer:
    counts, weights = given["observed"], given["weights"]
    found, likely = (sample_ratio.uneven(counts, weights, by_likelihood=by) for by in (False, True))
    told = {"chi2": found.square, "log10_p": found.tail.log10_p, "p_value": sure(sample_ratio.p_value(counts, weights))}
    return told | {"g_statistic": likely.square, "g_p_value": likely.tail.p}


ANSWERS: dict[str, Method] = {
    "two_proportion_norm_pooled": tested(proportions.pooled),
    "two_proportion_norm_unpooled": tested(proportions.unpooled),
    "two_proportion_z_pooled": tested(proportions.pooled),
    "two_proportion_z_unpooled": tested(proportions.unpooled),
    "two_proportion_pearson": fitted(proportions.pearson),
    "two_proportion_g_test": fitted(proportions.g_test),
    "two_proportion_fisher": exactly(proportions.fisher),
    "two_proportion_barnard": exactly(proportions.barnard),
    "k_proportions_chisquare": several,
    "two_proportion_ci_score": score,
    "two_proportion_ci_newcomb": newcombes,
    "two_proportion_ratio_log_ci": log_risk,
    "one_proportion_ci": one_share,
    "non_inferiority_proportion_wald": not_worse(by_score=False),
    "non_inferiority_proportion_score": not_worse(by_score=True),
    "srm_chi2": split,
    "srm_sequential_multinomial": sequential_ratio,
    "interleaving_sign_test": preferred,
}
