"""`python -m tests.oracles FILE`: every case of independent libraries' numbers, answered by our public functions.

Each method has an adapter from a case's inputs to the names of its expected answers. Prints passed, failed and not
offered by method, and exits with 1 when a case failed.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import exp, hypot, inf, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from experiments.stats import (
    bootstrap,
    clusters,
    dilution,
    heterogeneity,
    levels,
    mixtures,
    multiplicity,
    newcombe,
    power,
    preference,
    quantiles,
    ratios,
    sample_ratio,
    selection,
    spending,
    tails,
    welch,
)
from experiments.stats.bootstrap import Buckets
from experiments.stats.estimates import Comparison, Estimate
from experiments.stats.finish import (
    AlwaysValid,
    Design,
    Finished,
    Normal,
    Readings,
    Stack,
    finish,
    linearised,
    tightness,
)
from experiments.stats.levels import Level
from experiments.stats.newcombe import Share
from experiments.stats.tails import Evidence, Tail
from firstlight.kernel.moments import Moments

Case = Mapping[str, Any]
Answer = dict[str, Any]


# --- from raw sums to moments ---


def moments(sums: Mapping[str, Any]) -> Moments:
    """value[, denominator]; a share of ones needs no squares."""
    if "num_sum" in sums:
        return _of(
            sums,
            ("num_sum", "den_sum"),
            {(0, 0): "num_sum_squares", (1, 1): "den_sum_squares", (0, 1): "num_den_sum_of_products"},
        )
    return _of({"sum_squares": sums["sum"], **sums}, ("sum",), {(0, 0): "sum_squares"})


def with_past(sums: Mapping[str, Any]) -> Moments:
    """value[, denominator], and the same before exposure."""
    if "num_sum" in sums:
        products = {
            (0, 0): "num_sum_squares",
            (1, 1): "den_sum_squares",
            (2, 2): "num_pre_sum_squares",
            (3, 3): "den_pre_sum_squares",
            (0, 1): "num_den_sum_of_products",
            (0, 2): "num_numpre_sum_of_products",
            (0, 3): "num_denpre_sum_of_products",
            (1, 2): "numpre_den_sum_of_products",
            (1, 3): "den_denpre_sum_of_products",
            (2, 3): "numpre_denpre_sum_of_products",
        }
        return _of(sums, ("num_sum", "den_sum", "num_pre_sum", "den_pre_sum"), products)
    products = {(0, 0): "sum_squares", (1, 1): "pre_sum_squares", (0, 1): "post_pre_sum_of_products"}
    return _of(sums, ("sum", "pre_sum"), products)


def _of(sums: Mapping[str, Any], totals: Sequence[str], squares: Mapping[tuple[int, int], str]) -> Moments:
    n, total = int(sums["n"]), np.array([sums[name] for name in totals], dtype=float)
    raw = np.zeros((len(totals), len(totals)))
    for (i, j), name in squares.items():
        raw[i, j] = raw[j, i] = sums[name]
    return Moments(n, total / n, raw - np.outer(total, total) / n)


def population(sums: Mapping[str, Any]) -> Moments:
    """A share with the variance p(1 - p), as others take it; ours divides by n - 1, as of any mean."""
    found = moments(sums)
    return Moments(found.n, found.mean, found.products * (found.n - 1) / found.n)


# --- adapters ---


def plain(kind: Any) -> Callable[[Case], Answer]:
    of = population if kind == "proportion" else moments
    return lambda given: _told(_finished(kind, given, of), given)


def adjusted(kind: Any, **choices: Any) -> Callable[[Case], Answer]:
    return lambda given: _told(_finished(kind, given, with_past, **choices), given)


def _finished(kind: Any, given: Case, of: Callable[[Mapping[str, Any]], Moments], **choices: Any) -> Finished:
    c, t = (Stack.of([of(given[arm])]) for arm in ("control", "treatment"))
    if kind == "ratio" and c.mean.shape[1] == 4:
        kind, c, t = "mean", linearised(c), linearised(t)
    past = c.mean.shape[1] - (2 if kind == "ratio" else 1)
    sequence = AlwaysValid(given["tuning_n_star"]) if "tuning_n_star" in given else None
    prior = given.get("prior")
    normal = Normal(prior["mean"], sqrt(prior["variance"])) if prior and prior["proper"] else None
    design = Design(1 - given.get("alpha", 0.05), past, sequence, normal, **choices)
    return finish("mean" if kind == "proportion" else kind, c, t, design)


def _told(found: Finished, given: Case) -> Answer:
    best, name = found.best, given.get("difference_type", "both")
    answer: Answer = {
        "control": best.control[0],
        "treatment": best.treatment[0],
        "theta": None if found.theta is None else found.theta[0, 0],
        "df": best.df[0],
        "statistic": best.difference[0] / best.se[0],
        "p_value_absolute": best.p[0],
        "se_effect": best.se[0],
        "se_lift": best.lift_se[0],
        **_bayes(found, name),
    }
    if name == "relative":
        return answer | _relative(best, given)
    absolute = {"effect": best.difference[0], "se": best.se[0], "p_value": best.p[0]}
    interval = {"ci_lower": best.fixed.low[0], "ci_upper": best.fixed.high[0]}
    fieller = {"lift_ci_lower": best.lift_fixed.low[0], "lift_ci_upper": best.lift_fixed.high[0]}
    if best.sequence is not None and best.sequence_p is not None:
        interval = {"ci_lower": best.sequence.low[0], "ci_upper": best.sequence.high[0]}
        absolute["p_value"] = best.sequence_p[0]
    lift = {"lift": best.difference[0]} if name == "absolute" else {"lift": best.lift[0]}
    return answer | absolute | interval | fieller | lift


def _relative(best: Readings, given: Case) -> Answer:
    """The lift by the delta method, its p and interval that of the lift itself, as GrowthBook reads it."""
    lift, se, df = float(best.lift[0]), float(best.lift_se[0]), float(best.df[0])
    alpha, tail = given.get("alpha", 0.05), Evidence(lift / se, df).either()
    reach = tails.quantile(1 - alpha, df) * se
    p = tail.p
    if "tuning_n_star" in given:
        n = sum(given[arm]["n"] for arm in ("control", "treatment"))
        spread = n * tightness(given["tuning_n_star"], alpha)
        reach = se * sqrt(2 * (spread + 1) / spread * log(sqrt(spread + 1) / alpha))
        p = min(1.0, sqrt(spread + 1) * exp(-((lift / se) ** 2) * spread / (2 * (spread + 1))))
    return {"lift": lift, "se": se, "p_value": p, "ci_lower": lift - reach, "ci_upper": lift + reach}


def _bayes(found: Finished, name: str) -> Answer:
    if name != "relative":
        return {}
    belief = found.belief
    return {
        "chance_to_win": belief.chance_to_win[0],
        "expected": belief.mean[0],
        "posterior_sd": belief.sd[0],
        "risk_of_keeping_control": belief.loss_of_keeping[0],
        "risk_of_shipping_treatment": belief.loss_of_shipping[0],
    }


def bayesian(
    kind: Any, of: Callable[[Mapping[str, Any]], Moments] = moments, **choices: Any
) -> Callable[[Case], Answer]:
    def answer(given: Case) -> Answer:
        found = _finished(kind, given, of, **choices)
        return _told(found, given) | {"ci_lower": found.belief.low[0], "ci_upper": found.belief.high[0]}

    return answer


def on_the_log(kind: Any, of: Callable[[Mapping[str, Any]], Moments], **choices: Any) -> Callable[[Case], Answer]:
    """The lift by the logarithm of the ratio of the (adjusted) levels."""

    def answer(given: Case) -> Answer:
        found = _finished(kind, given, of, **choices)
        best = found.best
        sides = [
            (float(level[0]), float(variance[0]))
            for level, variance in ((best.control, best.control_variance), (best.treatment, best.treatment_variance))
        ]
        counts = (given["control"]["n"], given["treatment"]["n"])
        relative = [Level(n, 1.0, v / x**2) for n, (x, v) in zip(counts, sides, strict=True)]
        df = welch.freedom(relative[0], relative[1])
        lift = ratios.log_lift(sides[0], sides[1], 1 - given["alpha"], df=df)
        assert isinstance(lift, Estimate)
        return _told(found, given) | {"lift": lift.value, "lift_ci_lower": lift.low, "lift_ci_upper": lift.high}

    return answer


def fieller(of: Callable[[Mapping[str, Any]], Moments]) -> Callable[[Case], Answer]:
    def answer(given: Case) -> Answer:
        found = _finished("mean", given, of)
        best = found.best
        lift = {"lift": best.lift[0], "ci_lower": best.lift_fixed.low[0], "ci_upper": best.lift_fixed.high[0]}
        return _told(found, {**given, "difference_type": "both"}) | lift

    return answer


def exact_delta(kind: Any, of: Callable[[Mapping[str, Any]], Moments], **choices: Any) -> Callable[[Case], Answer]:
    def answer(given: Case) -> Answer:
        found = _finished(kind, given, of, **choices)
        best = found.best
        told = _told(found, given) | {"lift": best.lift[0], "se": best.lift_se[0]}
        c, t = float(best.control[0]), float(best.treatment[0])
        logs = sqrt(best.control_variance[0] / c**2 + best.treatment_variance[0] / t**2)
        return told | {"log_ratio": log(t / c) if t / c > 0 else None, "se_log_ratio": logs}

    return answer


def one_sided(given: Case) -> Answer:
    c, t = (_level("mean", given[arm]) for arm in ("control", "treatment"))
    found = welch.evidence(c, t, offset=-given.get("absolute_margin", 0.0))
    assert isinstance(found, Evidence)
    reach = tails.quantile(1 - 2 * given.get("alpha", 0.05), found.df) * hypot(c.standard_error, t.standard_error)
    p = found.above().p
    return {
        "statistic": found.statistic,
        "p_value": p,
        "effect": t.value - c.value,
        "ci_lower": t.value - c.value - reach,
    }


def _level(kind: str, sums: Mapping[str, Any]) -> Level:
    found = levels.ratio(moments(sums)) if kind == "ratio" else levels.mean(moments(sums))
    assert isinstance(found, Level)
    return found


def newcombes(given: Case) -> Answer:
    c, t = (Share(given[arm]["n"], given[arm]["sum"]) for arm in ("control", "treatment"))
    return _compared(newcombe.compare(c, t, 1 - given["alpha"]))


def _compared(found: Comparison) -> Answer:
    assert isinstance(found.difference, Estimate) and isinstance(found.tail, Tail)
    gap = found.difference
    return {"effect": gap.value, "ci_lower": gap.low, "ci_upper": gap.high, "p_value": found.tail.p}


def wilson(given: Case) -> Answer:
    reach = Share(given["n"], given["sum"]).reach(tails.quantile(1 - given["alpha"], inf))
    return {"wilson_lower": reach.value - reach.below, "wilson_upper": reach.value + reach.above}


def tail(given: Case) -> Answer:
    found = Evidence(given["t"], given["df"]).either()
    return {"p_value": found.p, "log10_p": found.log10_p}


def corrected(adjust: Callable[[Sequence[float]], list[float]]) -> Callable[[Case], Answer]:
    def answer(given: Case) -> Answer:
        found = adjust(given["p_values"])
        return {"adjusted": found, "reject": [p <= given.get("alpha", 0.05) for p in found]}

    return answer


def half_width(given: Case) -> Answer:
    n, alpha = given["n"], given["alpha"]
    r2 = tightness(given["tuning_n_star"], alpha)
    reach = sqrt(given["s2"] * 2 * (n * r2 + 1) / (n * r2) / n * log(sqrt(n * r2 + 1) / alpha))
    return {"halfwidth": reach, "rho": sqrt(r2)}


def sequential_bounds(given: Case) -> Answer:
    alpha = given.get("alpha", 2 * given.get("alpha_one_sided", 0.0))
    names = {"z_obrien_fleming": "obrien_fleming", "z_pocock": "pocock", "z_bounds": "power"}
    return {name: list(spending.bounds(given["information"], alpha, kind)) for name, kind in names.items()}


def clustered(given: Case) -> Answer:
    """Our variances divide by n - 1, the oracle's by n."""
    c, t = (_level("ratio", given[arm]) for arm in ("control", "treatment"))
    error = sum(level.variance * (level.n - 1) / level.n for level in (c, t)) ** 0.5
    return {"effect": t.value - c.value, "se_population": error}


def cluster_means(given: Case) -> Answer:
    arms: dict[int, dict[Any, list[float]]] = {0: {}, 1: {}}
    for row in given["rows"]:
        arms[row["treated"]].setdefault(row["cluster"], []).append(row["y"])
    means = [np.array([np.mean(values) for values in arms[arm].values()]) for arm in (0, 1)]
    return _compared(clusters.means(means[0], means[1], 0.95))


def quantile(given: Case) -> Answer:
    found = []
    for arm in ("control", "treatment"):
        g = given[arm]
        ends = g["quantile_hat"], g["quantile_lower"], g["quantile_upper"]
        if "n_clusters" in g:
            names = ("main_sum", "denominator_sum")
            squares = {
                (0, 0): "main_sum_squares",
                (1, 1): "denominator_sum_squares",
                (0, 1): "main_denominator_sum_product",
            }
            below = _of({**g, "n": g["n_clusters"]}, names, squares)
            found.append(quantiles.of_events(g["n"], *ends, at=g["nu"], below=below))
        else:
            found.append(quantiles.of_units(g["n"], *ends, n_read=g["n_star"]))
    c, t = found
    assert isinstance(c, Level) and isinstance(t, Level)
    evidence = welch.evidence(c, t)
    assert isinstance(evidence, Evidence)
    relative = given["difference_type"] == "relative"
    value = t.value / c.value - 1 if relative else t.value - c.value
    se = sqrt(t.variance + c.variance * ((t.value / c.value) ** 2 if relative else 1)) / (c.value if relative else 1)
    reach = tails.quantile(1 - given["alpha"], evidence.df) * se
    p = Evidence(value / se, evidence.df).either().p
    names_ = {"control_quantile": c.value, "treatment_quantile": t.value, "df": evidence.df}
    return names_ | {"lift": value, "se": se, "p_value": p, "ci_lower": value - reach, "ci_upper": value + reach}


def resampled(given: Case) -> Answer:
    arms = [np.array(given[arm])[:, None] for arm in ("control", "treatment")]
    c, t = (Buckets(np.ones(len(arm)), arm) for arm in arms)
    found = bootstrap.compare("mean", c, t, 1 - given["alpha"], np.random.default_rng(1), draws=40_000)
    assert isinstance(found, bootstrap.Resampled) and isinstance(found.difference, Estimate)
    return {"ci_lower": found.difference.low, "ci_upper": found.difference.high, "se": found.se}


def sequential_ratio(given: Case) -> Answer:
    """Batches add up; their factor is over 1 where the split looks sound."""
    sums = np.cumsum(given["batches"], axis=0).tolist()
    p = [exp(-sample_ratio.log_bayes_factor(one, given["weights"], given["dirichlet_concentration"])) for one in sums]
    return {"p_value_after_each_batch": p, "running_min_p": [min(1.0, *p[: i + 1]) for i in range(len(p))]}


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


def sized(normal: bool) -> Callable[[Case], Answer]:
    def answer(given: Case) -> Answer:
        test, ratio = power.Test(given["alpha"], normal), given.get("ratio", 1)
        if "nobs1" in given:
            return {"power": power.power(given["effect_size"], 1.0, given["nobs1"], given["nobs1"] * ratio, test)}
        if "n_control" in given:
            return {"mde": power.detectable(1.0, given["n_control"], given["n_control"] * ratio, given["power"], test)}
        return {"n_control": power.size(given["effect_size"], 1.0, given["power"], test, ratio=ratio)}

    return answer


def proportions(given: Case) -> Answer:
    p, n = (given["p_control"], given["p_treatment"]), given["n_per_arm"]
    return {"power": power.proportions(*p, n, n, given["alpha"])}


def arcsine(given: Case) -> Answer:
    h = power.cohen_h(given["p_control"], given["p_treatment"])
    return {"cohen_h": h, "n_per_arm": power.size(h, 1.0, given["power"], power.Test(given["alpha"], normal=True))}


def preferred(given: Case) -> Answer:
    found = preference.sign_test(given["wins"], given["decided"] - given["wins"], 0.95)
    assert isinstance(found, preference.Preference)
    return {"p_value": found.p, "wilson_lower": found.share.low, "wilson_upper": found.share.high}


def watched(given: Case) -> Answer:
    found = mixtures.msprt(given["effect"], given["se"], given["tau"], given["alpha"])
    gap = found.interval
    return {"log_lambda": found.log_ratio, "p_value": found.p, "ci_lower": gap.low, "ci_upper": gap.high}


def watched_on(given: Case) -> Answer:
    each = [mixtures.msprt(one["effect"], one["se"], given["tau"], 0.05).p for one in given["looks"]]
    return {"p_each": each, "p_running_min": [min(each[: i + 1]) for i in range(len(each))]}


def mixture_bound(given: Case) -> Answer:
    return {"bound": mixtures.normal_boundary(given["v"], given["alpha"], given["v_opt"])}


def betas(given: Case) -> Answer:
    arms = [(given[arm]["sum"], given[arm]["n"]) for arm in ("control", "treatment")]
    found = mixtures.beta_binomial(arms[0], arms[1], (given["prior"]["alpha"], given["prior"]["beta"]))
    means = {"control_posterior_mean": found.control, "treatment_posterior_mean": found.treatment}
    return means | {"chance_to_win": found.chance_to_win, "expected_loss_shipping_absolute": found.loss_of_shipping}


def normal_loss(given: Case) -> Answer:
    """A belief whose posterior is given: a flat prior over a lift with this mean and error."""
    mean, sd, n = given["posterior_mean"], given["posterior_sd"], 10**6
    control = Moments(10**9, np.array([1.0]), np.zeros((1, 1)))
    treatment = Moments(n, np.array([1 + mean]), np.array([[sd**2 * n * (n - 1)]]))
    belief = finish("mean", Stack.of([control]), Stack.of([treatment]), Design()).belief
    told = {"loss_shipping": belief.loss_of_shipping[0], "loss_keeping": belief.loss_of_keeping[0]}
    return told | {"chance_to_win": belief.chance_to_win[0]}


def shrunk(given: Case) -> Answer:
    prior = given["prior_mean"], sqrt(given["prior_variance"])
    found = selection.shrunken(given["estimate"], given["se"], *prior)
    return {"posterior_mean": found.mean, "posterior_sd": found.sd, "shrinkage_factor": found.factor}


def diluted(given: Case) -> Answer:
    share = dilution.share_of_metric(given["trigger_rate"], given["control_mean_triggered"], given["control_mean_all"])
    lift, se = given["triggered_lift"], given["triggered_se"]
    found = dilution.diluted(Estimate(lift, lift - se, lift + se), share)
    return {"site_wide_lift": found.value, "site_wide_se": found.high - found.value, "share_of_metric_triggered": share}


def winsorised(given: Case) -> Answer:
    """Capped at the pooled quantile, then as any mean."""
    pooled = np.concatenate([given["control"], given["treatment"]])
    cap = float(np.quantile(pooled, given["cap_quantile"]))
    c, t = (levels.mean(Moments.of(np.minimum(given[arm], cap))) for arm in ("control", "treatment"))
    assert isinstance(c, Level) and isinstance(t, Level)
    found = welch.evidence(c, t)
    assert isinstance(found, Evidence)
    means = {"threshold": cap, "control_mean": c.value, "treatment_mean": t.value}
    return means | {"statistic": found.statistic, "p_value": found.either().p}


def log_ratio(given: Case) -> Answer:
    """Of two risks: log-normal, with binomial variances."""
    c, t = (Share(given[arm]["n"], given[arm]["sum"]) for arm in ("control", "treatment"))
    found = ratios.log_lift(
        (c.value, c.value * (1 - c.value) / c.n), (t.value, t.value * (1 - t.value) / t.n), 1 - given["alpha"]
    )
    return {"ratio": found.value + 1, "ratio_ci_lower": found.low + 1, "ratio_ci_upper": found.high + 1}


def conditional(given: Case) -> Answer:
    return {
        "conditional_mle_z": selection.conditional(given["z"], float(str(given["selection"]).rsplit(maxsplit=1)[-1]))
    }


ANSWERS: dict[str, Callable[[Case], Answer]] = {
    "welch_t_mean": on_the_log("mean", moments),
    "welch_t_mean_absolute": plain("mean"),
    "welch_t_mean_relative": plain("mean"),
    "welch_t_mean_one_sided": one_sided,
    "non_inferiority_mean_welch": one_sided,
    "proportion_absolute": plain("proportion"),
    "proportion_relative": plain("proportion"),
    "two_proportion_ci_newcomb": newcombes,
    "one_proportion_ci": wilson,
    "two_proportion_ratio_log_ci": log_ratio,
    "ratio_delta": on_the_log("ratio", moments),
    "ratio_delta_absolute": plain("ratio"),
    "ratio_delta_relative": plain("ratio"),
    "ratio_exact_delta": exact_delta("ratio", moments),
    "ratio_log_delta": exact_delta("ratio", moments),
    "mean_relative_exact_delta": exact_delta("mean", moments),
    "fieller_lift_ci": fieller(moments),
    "fieller_lift_ci_cuped": fieller(with_past),
    "cuped_mean": on_the_log("mean", with_past, pooling="total"),
    "cuped_mean_absolute": adjusted("mean", pooling="total"),
    "cuped_mean_relative": adjusted("mean", pooling="total"),
    "cuped_mean_absolute_theta_within": adjusted("mean"),
    "cuped_mean_absolute_theta_total": adjusted("mean", pooling="total"),
    "cuped_mean_relative_exact_delta_theta_within": exact_delta("mean", with_past),
    "cuped_mean_relative_exact_delta_theta_total": exact_delta("mean", with_past, pooling="total"),
    "cuped_ratio_exact_delta": exact_delta("ratio", with_past, pooling="arms"),
    "cuped_ratio_absolute": adjusted("ratio", pooling="arms"),
    "cuped_ratio_relative": adjusted("ratio", pooling="arms"),
    "winsorised_upper_pooled_welch": winsorised,
    "quantile_unit": quantile,
    "quantile_clustered_delta": quantile,
    "bootstrap_percentile_mean_diff": resampled,
    "cluster_means_welch": cluster_means,
    "ratio_delta_absolute_cluster_robust": clustered,
    "student_t_two_sided_tail": tail,
    "sequential_asymptotic_cs": plain("mean"),
    "sequential_asymptotic_cs_cuped": adjusted("mean", pooling="total"),
    "asymptotic_cs_halfwidth": half_width,
    "msprt_normal_mixture": watched,
    "msprt_running_p": watched_on,
    "normal_mixture_boundary": mixture_bound,
    "group_sequential_lan_demets": sequential_bounds,
    "group_sequential_power_family": sequential_bounds,
    "bayes_mean_relative": bayesian("mean"),
    "bayes_proportion_relative": bayesian("proportion", population),
    "bayes_ratio_relative": bayesian("ratio"),
    "bayes_cuped_mean_relative": bayesian("mean", with_past, pooling="total"),
    "bayes_cuped_ratio_relative": bayesian("ratio", with_past, pooling="arms"),
    "bayes_normal_expected_loss": normal_loss,
    "bayes_beta_binomial": betas,
    "multiple_testing_holm": corrected(multiplicity.holm),
    "multiple_testing_holm_bonferroni": corrected(multiplicity.holm),
    "multiple_testing_holm_sidak": corrected(multiplicity.holm_sidak),
    "multiple_testing_bonferroni": corrected(multiplicity.bonferroni),
    "multiple_testing_simes_hochberg": corrected(multiplicity.hochberg),
    "multiple_testing_hochberg_bonferroni": corrected(multiplicity.hochberg),
    "multiple_testing_hommel": corrected(multiplicity.hommel),
    "multiple_testing_bh": corrected(multiplicity.benjamini_hochberg),
    "multiple_testing_fdr_bh": corrected(multiplicity.benjamini_hochberg),
    "multiple_testing_by": corrected(multiplicity.benjamini_hochberg),  # so its source names it: without dependence
    "multiple_testing_fdr_by": corrected(multiplicity.benjamini_yekutieli),
    "sample_size_t": sized(normal=False),
    "power_t": sized(normal=False),
    "mde_t": sized(normal=False),
    "power_z": sized(normal=True),
    "mde_z": sized(normal=True),
    "power_proportions": proportions,
    "sample_size_proportions_arcsine": arcsine,
    "winners_curse_normal_shrinkage": shrunk,
    "winners_curse_conditional_mle": conditional,
    "triggered_dilution": diluted,
    "srm_chi2": lambda given: {"p_value": sample_ratio.p_value(given["observed"], given["weights"])},
    "srm_sequential_multinomial": sequential_ratio,
    "segment_heterogeneity_cochran_q": segments,
    "interleaving_sign_test": preferred,
}


# --- the run ---


def differences(case: Case) -> Iterator[str]:
    """What of a case we answer otherwise; empty when it passes. At least one name must be answered."""
    answer = ANSWERS[case["method"]](case["inputs"])
    shared = [name for name in case["expected"] if answer.get(name) is not None]
    if not shared:
        yield "answers nothing that is expected"
    for name in shared:
        if not _alike(answer[name], case["expected"][name], case):
            yield f"{name}: {answer[name]} instead of {case['expected'][name]}"


def _alike(found: Any, wanted: Any, case: Case) -> bool:
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(_alike(a, b, case) for a, b in zip(found, wanted, strict=True))
    if isinstance(wanted, bool):
        return bool(found) == wanted
    if "bootstrap" in case["method"]:
        expected = case["expected"]
        return bool(abs(found - wanted) <= case["tolerance"] * (expected["ci_upper"] - expected["ci_lower"]))
    near = case["tolerance"] * abs(wanted) if abs(wanted) >= 1e-6 else 1e-9
    return bool(abs(found - wanted) <= near)


def main(path: str) -> int:
    counts: dict[str, Counter[str]] = {}
    for case in json.loads(Path(path).read_text())["cases"]:
        found = counts.setdefault(case["method"], Counter())
        if case["method"] not in ANSWERS:
            found["not offered"] += 1
            continue
        wrong = list(differences(case))
        found["failed" if wrong else "passed"] += 1
        for one in wrong:
            print(f"  {case['id']}: {one}")
    for method, found in sorted(counts.items()):
        print(f"{method:48}" + "  ".join(f"{n} {how}" for how, n in found.items()))
    total = sum(counts.values(), Counter())
    print(f"{total.total()} cases of {len(counts)} methods: " + ", ".join(f"{n} {how}" for how, n in total.items()))
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
