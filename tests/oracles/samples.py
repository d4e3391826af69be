"""Raw samples: quantiles, clusters, ranks, outliers, regression, resampling."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np

from firstlight.kernel.moments import Moments
from firstlight.stats import (
    bootstrap,
    clusters,
    levels,
    outliers,
    quantiles,
    ranks,
    regression,
    resampling,
    tails,
    welch,
)
from firstlight.stats.bootstrap import Buckets
from firstlight.stats.estimates import Estimate
from firstlight.stats.levels import Level
from firstlight.stats.tails import Evidence
from tests.oracles.sums import ARMS, Answer, Case, Method, arrays, both, given_level, of_sums, sure


def clustered(given: Case) -> Answer:
    """Our variances divide by n - 1, the oracle's by n."""
    c, t = (given_level("ratio", given[arm]) for arm in ARMS)
    error = sum(level.variance * (level.n - 1) / level.n for level in (c, t)) ** 0.5
    return {"effect": t.value - c.value, "se_population": error}


def quantile(given: Case) -> Answer:
    found = []
    for arm in ARMS:
        g = given[arm]
        ends = g["quantile_hat"], g["quantile_lower"], g["quantile_upper"]
        if "n_clusters" in g:
            names = ("main_sum", "denominator_sum")
            squares = {
                (0, 0): "main_sum_squares",
                (1, 1): "denominator_sum_squares",
                (0, 1): "main_denominator_sum_product",
            }
            below = of_sums({**g, "n": g["n_clusters"]}, names, squares)
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
    # Of one event, as the oracle gives it: ours is that of the quantile.
    names_ |= {f"{arm}_variance": level.variance * level.n for arm, level in zip(ARMS, (c, t), strict=True)}
    return names_ | {"lift": value, "se": se, "p_value": p, "ci_lower": value - reach, "ci_upper": value + reach}


def resampled(given: Case) -> Answer:
    arms = [np.array(given[arm])[:, None] for arm in ARMS]
    c, t = (Buckets(np.ones(len(arm)), arm) for arm in arms)
    found = bootstrap.compare("mean", c, t, 1 - given["alpha"], np.random.default_rng(1), draws=40_000)
    assert isinstance(found, bootstrap.Resampled) and isinstance(found.difference, Estimate)
    return {"ci_lower": found.difference.low, "ci_upper": found.difference.high, "se": found.se}


def cluster_means(given: Case) -> Answer:
    arms: dict[int, dict[Any, list[float]]] = {0: {}, 1: {}}
    for row in given["rows"]:
        arms[row["treated"]].setdefault(row["cluster"], []).append(row["y"])
    means = [np.array([np.mean(values) for values in arms[arm].values()]) for arm in (0, 1)]
    found = clusters.means(means[0], means[1], 0.95)
    evidence = sure(welch.evidence(*(sure(levels.mean(Moments.of(arm))) for arm in means)))
    answer = {"effect": sure(found.difference).value, "p_value": sure(found.tail).p}
    return answer | {"statistic": evidence.statistic, "df": evidence.df}


def winsorised(given: Case) -> Answer:
    """Capped at the pooled quantile, then as any mean."""
    capped = sure(outliers.cap(*arrays(given), given["cap_quantile"]))
    c, t = (sure(levels.mean(Moments.of(arm))) for arm in (capped.control, capped.treatment))
    found = sure(welch.evidence(c, t))
    means = {"threshold": capped.at, "control_mean": c.value, "treatment_mean": t.value}
    return means | {"statistic": found.statistic, "p_value": found.either().p}


def trimmed(given: Case) -> Answer:
    found = sure(ranks.yuen_evidence(*arrays(given), given["trim"]))
    gap = sure(ranks.yuen(*arrays(given), given["trim"], 1 - given["alpha"]).difference)
    ends = {"ci_lower": gap.low, "ci_upper": gap.high}
    return ends | {"statistic": found.statistic, "df": found.df, "p_value": found.either().p}


def ranked(given: Case) -> Answer:
    """SciPy asks whether the first is the greater; ours whether the treatment is."""
    found = sure(ranks.brunner_munzel(*arrays(given)))
    return {"statistic": -found.statistic, "p_value": found.either().p}


def regressed(given: Case) -> Answer:
    found = sure(regression.ancova(*raw_arms(given), given["covariance"]))
    return {"effect": found.effect, "se": found.se, "theta": list(found.theta)}


def interacted(given: Case) -> Answer:
    found = sure(regression.lin(*raw_arms(given), given["covariance"]))
    return {"effect": found.effect, "se": found.se}


def raw_arms(given: Case) -> tuple[regression.Arm, regression.Arm]:
    return both(given, raw_arm)


def raw_arm(columns: Mapping[str, Any]) -> regression.Arm:
    past = np.column_stack([values for name, values in columns.items() if name != "y"])
    return regression.Arm(np.array(columns["y"], dtype=float), past.astype(float))


def permuted(given: Case) -> Answer:
    return {"p_value": resampling.permutation(*arrays(given), np.random.default_rng(1))}


def corrected(given: Case) -> Answer:
    rng = np.random.default_rng(1)
    found, _ = sure(resampling.difference(*arrays(given), 1 - given["alpha"], rng, draws=60_000, kind="bca"))
    return {"ci_lower": found.low, "ci_upper": found.high}


def between(given: Case) -> Answer:
    found = sure(quantiles.exact(np.array(given["values"]), given["nu"], 1 - given["alpha"]))
    return {"ci_lower": found.low, "ci_upper": found.high}


ANSWERS: dict[str, Method] = {
    "ratio_delta_absolute_cluster_robust": clustered,
    "cluster_means_welch": cluster_means,
    "quantile_unit": quantile,
    "quantile_clustered_delta": quantile,
    "quantile_exact_binomial_ci": between,
    "winsorised_upper_pooled_welch": winsorised,
    "yuen_trimmed_t": trimmed,
    "brunner_munzel": ranked,
    "regression_adjustment_ancova": regressed,
    "regression_adjustment_lin_interacted": interacted,
    "permutation_exact": permuted,
    "bootstrap_percentile_mean_diff": resampled,
    "bootstrap_bca_mean_diff": corrected,
}
