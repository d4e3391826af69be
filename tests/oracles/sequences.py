"""What may be looked at more than once, and questions asked at once."""

from collections.abc import Callable, Sequence
from math import log, sqrt

from firstlight.stats import (
    boundaries,
    mixtures,
    multiplicity,
    spending,
)
from firstlight.stats.finish import tightness
from firstlight.stats.tails import Evidence
from tests.oracles.sums import Answer, Case, Method


def sequential_bounds(given: Case) -> Answer:
    alpha = given.get("alpha", 2 * given.get("alpha_one_sided", 0.0))
    names = {"z_obrien_fleming": "obrien_fleming", "z_pocock": "pocock", "z_bounds": "power"}
    return {name: list(spending.bounds(given["information"], alpha, kind)) for name, kind in names.items()}


def watched(given: Case) -> Answer:
    found = mixtures.msprt(given["effect"], given["se"], given["tau"], given["alpha"])
    gap = found.interval
    return {"log_lambda": found.log_ratio, "p_value": found.p, "ci_lower": gap.low, "ci_upper": gap.high}


def watched_on(given: Case) -> Answer:
    each = [mixtures.msprt(one["effect"], one["se"], given["tau"], 0.05).p for one in given["looks"]]
    return {"p_each": each, "p_running_min": [min(each[: i + 1]) for i in range(len(each))]}


def corrected(adjust: Callable[[Sequence[float]], list[float]]) -> Method:
    def answer(given: Case) -> Answer:
        found = adjust(given["p_values"])
        return {"adjusted": found, "reject": [p <= given.get("alpha", 0.05) for p in found]}

    return answer


def tail(given: Case) -> Answer:
    found = Evidence(given["t"], given["df"]).either()
    return {"p_value": found.p, "log10_p": found.log10_p}


def half_width(given: Case) -> Answer:
    n, planned, alpha = given["n"], given["tuning_n_star"], given["alpha"]
    r2, error = tightness(planned, alpha), sqrt(given["s2"] / n)
    reach = error * sqrt(2 * (n * r2 + 1) / (n * r2) * log(sqrt(n * r2 + 1) / alpha))
    one = {"halfwidth_one_sided": error * boundaries.one_sided(n, planned, alpha)}
    return {
        "halfwidth": reach,
        "rho": sqrt(r2),
        "rho_one_sided": sqrt(boundaries.one_sided_tightness(planned, alpha)),
    } | one


def mixture_bound(given: Case) -> Answer:
    v, alpha, best_at = given["v"], given["alpha"], given["v_opt"]
    bound = mixtures.normal_boundary(v, alpha, best_at)
    return {
        "bound": bound,
        "log_mixture_at_bound": boundaries.normal_log_mixture(bound, v, mixtures.best_rho(best_at, alpha)),
    }


def exponential_bound(given: Case) -> Answer:
    return {"bound": boundaries.gamma_exponential(given["v"], given["alpha"], given["v_opt"], given["c"])}


def watched_share(given: Case) -> Answer:
    found = boundaries.bernoulli(given["successes"], given["n"], given["alpha"], given["t_opt"])
    return {"ci_lower": found.low, "ci_upper": found.high}


ANSWERS: dict[str, Method] = {
    "multiple_testing_holm": corrected(multiplicity.holm),
    "multiple_testing_holm_bonferroni": corrected(multiplicity.holm),
    "multiple_testing_holm_sidak": corrected(multiplicity.holm_sidak),
    "multiple_testing_bonferroni": corrected(multiplicity.bonferroni),
    "multiple_testing_simes_hochberg": corrected(multiplicity.hochberg),
    "multiple_testing_hochberg_bonferroni": corrected(multiplicity.hochberg),
    "multiple_testing_hommel": corrected(multiplicity.hommel),
    "multiple_testing_bh": corrected(multiplicity.benjamini_hochberg),
    "multiple_testing_fdr_bh": corrected(multiplicity.benjamini_hochberg),
    "multiple_testing_fdr_by": corrected(multiplicity.benjamini_yekutieli),
    "multiple_testing_by": corrected(multiplicity.benjamini_hochberg),  # so its source names it: without dependence
    "multiple_testing_fdr_tsbh": corrected(lambda p: multiplicity.two_stage(p, 0.05, careful=False)),
    "multiple_testing_fdr_tsbky": corrected(lambda p: multiplicity.two_stage(p, 0.05)),
    "student_t_two_sided_tail": tail,
    "group_sequential_lan_demets": sequential_bounds,
    "group_sequential_power_family": sequential_bounds,
    "asymptotic_cs_halfwidth": half_width,
    "normal_mixture_boundary": mixture_bound,
    "gamma_exponential_boundary": exponential_bound,
    "bernoulli_confidence_sequence": watched_share,
    "msprt_normal_mixture": watched,
    "msprt_running_p": watched_on,
}
