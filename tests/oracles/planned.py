"""Size and power, and what is read after the fact: segments, selection, dilution."""

from math import ceil, sqrt

from firstlight.stats import (
    dilution,
    heterogeneity,
    lifts,
    power,
    selection,
)
from firstlight.stats.estimates import Estimate
from tests.oracles.sums import (
    Answer,
    Case,
    Method,
    both,
    mean_level,
    sure,
)


def sized(normal: bool) -> Method:
    def answer(given: Case) -> Answer:
        test, ratio = power.Test(given["alpha"], normal), given.get("ratio", 1)
        if "nobs1" in given:
            return {"power": power.power(given["effect_size"], 1.0, given["nobs1"], given["nobs1"] * ratio, test)}
        if "n_control" in given:
            return {"mde": power.detectable(1.0, given["n_control"], given["n_control"] * ratio, given["power"], test)}
        return {"n_control": power.size(given["effect_size"], 1.0, given["power"], test, ratio=ratio)}

    return answer


def two_shares(given: Case) -> Answer:
    p, n = (given["p_control"], given["p_treatment"]), given["n_per_arm"]
    return {"power": power.proportions(*p, n, n, given["alpha"])}


def arcsine(given: Case) -> Answer:
    h = power.cohen_h(given["p_control"], given["p_treatment"])
    return {"cohen_h": h, "n_per_arm": power.size(h, 1.0, given["power"], power.Test(given["alpha"], normal=True))}


def segments(given: Case) -> Answer:
    found = heterogeneity.test(given["effects"], given["variances"])
    assert isinstance(found, heterogeneity.Heterogeneity)
    names = {"q": found.q, "p_value": found.p, "i2": found.i2, "tau2": found.tau2}
    return names | {
        "fixed_effect": found.whole,
        "fixed_se": found.whole_se,
        "random_effect": found.random,
        "random_se": found.random_se,
    }


def shrunk(given: Case) -> Answer:
    prior = given["prior_mean"], sqrt(given["prior_variance"])
    found = selection.shrunken(given["estimate"], given["se"], *prior)
    return {"posterior_mean": found.mean, "posterior_sd": found.sd, "shrinkage_factor": found.factor}


def diluted(given: Case) -> Answer:
    share = dilution.share_of_metric(given["trigger_rate"], given["control_mean_triggered"], given["control_mean_all"])
    lift, se = given["triggered_lift"], given["triggered_se"]
    found = dilution.diluted(Estimate(lift, lift - se, lift + se), share)
    return {"site_wide_lift": found.value, "site_wide_se": found.high - found.value, "share_of_metric_triggered": share}


def conditional(given: Case) -> Answer:
    return {
        "conditional_mle_z": selection.conditional(given["z"], float(str(given["selection"]).rsplit(maxsplit=1)[-1]))
    }


def powered(given: Case) -> Answer:
    """Both arms vary alike, the test does not know it; units are of both arms and rounded up."""
    sd, ratio, target = sqrt(given["variance"]), given["ratio"], given["power"]
    saved = given.get("covariance", 0.0) ** 2 / given["variance"] / given.get("covariate_variance", 1.0)
    test, kept = power.Test(given["alpha"], welch=True), sd * sqrt(1 - saved)
    effect, n = given["mean"] * given.get("rel_effect_size", 0.0), given.get("n_obs", 0)
    match given["solve_for"]:
        case "n_obs":
            n = ceil(power.size(effect, sd, target, test, ratio=ratio, saved=saved) * (1 + ratio))
        case "effect_size":
            effect = power.detectable(sd, n / (1 + ratio), n * ratio / (1 + ratio), target, test, saved=saved)
        case "power":
            target = power.power(effect, kept, n / (1 + ratio), n * ratio / (1 + ratio), test)
    return {"power": target, "effect_size": effect, "rel_effect_size": effect / given["mean"], "n_obs": n}


def rounded(given: Case) -> Answer:
    test = power.Test(given["alpha"], normal=True)
    n = ceil(power.size(given["absolute_mde"], sqrt(given["variance"]), given["power"], test))
    return {"total_n": given["arms"] * n}


def midway(given: Case) -> Answer:
    """With the error of the lift as it is now, and as it is with twice the units."""
    found = sure(lifts.delta(*both(given, mean_level), 1 - given["alpha"]))
    test = power.Test(given["alpha"], normal=True)
    now, then = (power.power(given["target_mde"], found.se, n, n, test) for n in (2, 4))
    return {"current_power": now, "power_at_2x": then}


ANSWERS: dict[str, Method] = {
    "sample_size_t": sized(normal=False),
    "power_t": sized(normal=False),
    "mde_t": sized(normal=False),
    "power_z": sized(normal=True),
    "mde_z": sized(normal=True),
    "power_proportions": two_shares,
    "sample_size_proportions_arcsine": arcsine,
    "winners_curse_normal_shrinkage": shrunk,
    "winners_curse_conditional_mle": conditional,
    "triggered_dilution": diluted,
    "segment_heterogeneity_cochran_q": segments,
    "power_mean": powered,
    "sample_size_z": rounded,
    "mid_experiment_power": midway,
}
