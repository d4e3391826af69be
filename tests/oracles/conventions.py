"""As particular tools do it: which slope, which baseline, which variance, which side."""

from math import hypot, inf

import numpy as np

from firstlight.kernel.moments import Moments
from firstlight.stats import (
    covariates,
    impact,
    lifts,
    ratios,
    tails,
    welch,
)
from firstlight.stats.covariates import Adjusted, Pooling
from firstlight.stats.estimates import Estimate
from firstlight.stats.levels import Level
from firstlight.stats.lifts import Lift
from firstlight.stats.tails import Evidence
from tests.oracles.compared import watched_lift
from tests.oracles.sums import Answer, Case, Method, both, mean_level, sure, with_past


def growthbook(given: Case) -> Adjusted:
    return sure(covariates.adjust(*both(given, with_past), Pooling.TOTAL))


def growthbook_lift(given: Case) -> Lift:
    """Slope over all units, the gradient taken at the raw lift."""
    found = growthbook(given)
    df = welch.freedom(found.control, found.treatment)
    return sure(covariates.relative(found, df, 1 - given["alpha"], at_raw=True))


def growthbook_relative(given: Case) -> Answer:
    found = growthbook_lift(given)
    answer = {"lift": found.estimate.value, "se": found.se, "theta": growthbook(given).theta[0], "df": found.df}
    if "tuning_n_star" in given:
        reach, p = watched_lift(found.estimate.value, found.se, given)
        return answer | {"p_value": p, "ci_lower": answer["lift"] - reach, "ci_upper": answer["lift"] + reach}
    return answer | {"p_value": found.tail.p, "ci_lower": found.estimate.low, "ci_upper": found.estimate.high}


def tea_tasting_ratio(given: Case) -> Answer:
    found = sure(covariates.adjust_ratio(*both(given, with_past)))
    df = welch.freedom(found.control, found.treatment)
    gap = sure(lifts.around(found.effect, found.se, df, 1 - given["alpha"]))
    lift = log_lift(found.control, found.treatment, 1 - given["alpha"])
    return {
        "control": found.control.value,
        "treatment": found.treatment.value,
        "effect": found.effect,
        "ci_lower": gap.estimate.low,
        "ci_upper": gap.estimate.high,
        "lift": lift.value,
        "lift_ci_lower": lift.low,
        "lift_ci_upper": lift.high,
        "p_value": gap.tail.p,
        "statistic": found.effect / found.se,
    }


def log_lift(control: Level, treatment: Level, confidence: float) -> Estimate:
    """On the logarithm, with the degrees of freedom of the relative errors."""
    c, t = (Level(level.n, 1.0, level.variance / level.value**2) for level in (control, treatment))
    sides = (control.value, control.variance), (treatment.value, treatment.variance)
    return sure(ratios.log_lift(*sides, confidence, df=welch.freedom(c, t)))


def by_population(moments: Moments) -> Moments:
    """Whose covariates' (co)variances divide by n, as spotify-confidence has them."""
    products, share = moments.products.copy(), (moments.n - 1) / moments.n
    products[1:, :] *= share
    products[0, 1:] *= share
    return Moments(moments.n, moments.mean, products)


def spotify(control: Moments, treatment: Moments, alpha: float) -> Answer:
    theta = covariates.slopes(control, treatment, Pooling.TOTAL)
    found = sure(covariates.adjust_by(by_population(control), by_population(treatment), theta))
    gap = sure(lifts.around(found.effect, found.se, inf, 1 - alpha))
    ends = {"ci_lower": gap.estimate.low, "ci_upper": gap.estimate.high, "p_value": gap.tail.p}
    return ends | {"effect": found.effect, "se": found.se, "variance_reduction": found.saved}


def one_covariate(given: Case) -> Answer:
    return spotify(with_past(given["control"]), with_past(given["treatment"]), given["alpha"])


def two_covariates(given: Case) -> Answer:
    arms = both(given, lambda arm: Moments.of(np.column_stack([arm[name] for name in ("y", "x1", "x2")])))
    return spotify(*arms, given["alpha"])


def normal_difference(given: Case) -> Answer:
    c, t = both(given, mean_level)
    found = sure(lifts.around(t.value - c.value, hypot(c.standard_error, t.standard_error), inf, 1 - given["alpha"]))
    gap = found.estimate
    return {"effect": gap.value, "ci_lower": gap.low, "ci_upper": gap.high, "p_value": found.tail.p}


def normal_lift(given: Case) -> Answer:
    found = sure(lifts.of_known_control(*both(given, mean_level), 1 - given["alpha"], df=inf))
    lift = found.estimate
    return {"lift": lift.value, "ci_lower": lift.low, "ci_upper": lift.high, "p_value": found.tail.p}


def non_inferior(given: Case) -> Answer:
    """One-sided and normal, the margin a share of a control that is taken as known."""
    c, t = both(given, mean_level)
    null = -given["relative_margin"] * c.value
    evidence = Evidence(sure(welch.evidence(c, t, offset=null)).statistic, inf)
    reach = tails.quantile(1 - 2 * given["alpha"], inf) * hypot(c.standard_error, t.standard_error)
    return {"null_hypothesis": null, "p_value": evidence.above().p, "ci_lower": t.value - c.value - reach}


def stratified(given: Case) -> Answer:
    found = sure(
        covariates.stratified([(with_past(one["control"]), with_past(one["treatment"])) for one in given["strata"]])
    )
    if given["difference_type"] == "relative":
        return {"lift": found.lift, "se": found.lift_se}
    return {"lift": found.effect, "se": found.se}


def one_sided(given: Case) -> Answer:
    c, t = both(given, mean_level)
    found, alpha = sure(welch.evidence(c, t, offset=-given.get("absolute_margin", 0.0))), given.get("alpha", 0.05)
    reach = tails.quantile(1 - 2 * alpha, found.df) * hypot(c.standard_error, t.standard_error)
    lift = log_lift(c, t, 1 - 2 * alpha)
    return {
        "control": c.value,
        "treatment": t.value,
        "statistic": found.statistic,
        "p_value": found.above().p,
        "effect": t.value - c.value,
        "ci_lower": t.value - c.value - reach,
        "lift": lift.value,
        "lift_ci_lower": lift.low,
    }


def scaled(given: Case) -> Answer:
    gap = sure(welch.compare(*both(given, mean_level), 1 - given["alpha"]).difference)
    found = impact.per_day(gap, given["total_users"], given["traffic_percentage"], given["phase_length_days"])
    return {"impact_per_day": found.value, "ci_lower": found.low, "ci_upper": found.high}


ANSWERS: dict[str, Method] = {
    "cuped_mean_relative": growthbook_relative,
    "sequential_asymptotic_cs_cuped": growthbook_relative,
    "cuped_ratio": tea_tasting_ratio,
    "cuped_mean_absolute_pooled_slope": one_covariate,
    "cuped_mean_multi_covariate": two_covariates,
    "z_mean_absolute": normal_difference,
    "z_mean_relative_fixed_control": normal_lift,
    "non_inferiority_mean": non_inferior,
    "non_inferiority_mean_welch": one_sided,
    "welch_t_mean_one_sided": one_sided,
    "post_stratification_cuped": stratified,
    "scaled_impact": scaled,
}
