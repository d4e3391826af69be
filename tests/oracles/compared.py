"""Two arms by moments through `finish`: absolute and relative, raw and adjusted, once and in sequence."""

from collections.abc import Callable, Mapping
from math import exp, log, sqrt
from typing import Any

from firstlight.kernel.moments import Moments
from firstlight.stats import (
    ratios,
    tails,
    welch,
)
from firstlight.stats.estimates import Estimate
from firstlight.stats.finish import (
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
from firstlight.stats.levels import Level
from firstlight.stats.tails import Evidence
from tests.oracles.sums import ARMS, Answer, Case, Method, moments, with_past


def population(sums: Mapping[str, Any]) -> Moments:
    """A share with the variance p(1 - p), as others take it; ours divides by n - 1, as of any mean."""
    found = moments(sums)
    return Moments(found.n, found.mean, found.products * (found.n - 1) / found.n)


def plain(kind: Any) -> Method:
    of = population if kind == "proportion" else moments
    return lambda given: told_of(finished(kind, given, of), given)


def adjusted(kind: Any, **choices: Any) -> Method:
    return lambda given: told_of(finished(kind, given, with_past, **choices), given)


def finished(kind: Any, given: Case, of: Callable[[Mapping[str, Any]], Moments], **choices: Any) -> Finished:
    c, t = (Stack.of([of(given[arm])]) for arm in ARMS)
    if kind == "ratio" and c.mean.shape[1] == 4:
        kind, c, t = "mean", linearised(c), linearised(t)
    past = c.mean.shape[1] - (2 if kind == "ratio" else 1)
    sequence = AlwaysValid(given["tuning_n_star"]) if "tuning_n_star" in given else None
    prior = given.get("prior")
    normal = Normal(prior["mean"], sqrt(prior["variance"])) if prior and prior["proper"] else None
    design = Design(1 - given.get("alpha", 0.05), past, sequence, normal, **choices)
    return finish("mean" if kind == "proportion" else kind, c, t, design)


def told_of(found: Finished, given: Case) -> Answer:
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
        reach, p = watched_lift(lift, se, given)
    return {"lift": lift, "se": se, "p_value": p, "ci_lower": lift - reach, "ci_upper": lift + reach}


def watched_lift(lift: float, se: float, given: Case) -> tuple[float, float]:
    """How far the always-valid interval of a lift reaches, and its p."""
    n, alpha = sum(given[arm]["n"] for arm in ARMS), given["alpha"]
    spread = n * tightness(given["tuning_n_star"], alpha)
    reach = se * sqrt(2 * (spread + 1) / spread * log(sqrt(spread + 1) / alpha))
    return reach, min(1.0, sqrt(spread + 1) * exp(-((lift / se) ** 2) * spread / (2 * (spread + 1))))


def on_the_log(kind: Any, of: Callable[[Mapping[str, Any]], Moments], **choices: Any) -> Method:
    """The lift by the logarithm of the ratio of the (adjusted) levels."""

    def answer(given: Case) -> Answer:
        found = finished(kind, given, of, **choices)
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
        return told_of(found, given) | {"lift": lift.value, "lift_ci_lower": lift.low, "lift_ci_upper": lift.high}

    return answer


def fieller(of: Callable[[Mapping[str, Any]], Moments]) -> Method:
    def answer(given: Case) -> Answer:
        found = finished("mean", given, of)
        best = found.best
        lift = {"lift": best.lift[0], "ci_lower": best.lift_fixed.low[0], "ci_upper": best.lift_fixed.high[0]}
        return told_of(found, {**given, "difference_type": "both"}) | lift

    return answer


def exact_delta(kind: Any, of: Callable[[Mapping[str, Any]], Moments], **choices: Any) -> Method:
    def answer(given: Case) -> Answer:
        found = finished(kind, given, of, **choices)
        best = found.best
        told = told_of(found, given) | {"lift": best.lift[0], "se": best.lift_se[0]}
        c, t = float(best.control[0]), float(best.treatment[0])
        logs = sqrt(best.control_variance[0] / c**2 + best.treatment_variance[0] / t**2)
        return told | {"log_ratio": log(t / c) if t / c > 0 else None, "se_log_ratio": logs}

    return answer


ANSWERS: dict[str, Method] = {
    "welch_t_mean": on_the_log("mean", moments),
    "welch_t_mean_absolute": plain("mean"),
    "welch_t_mean_relative": plain("mean"),
    "proportion_absolute": plain("proportion"),
    "proportion_relative": plain("proportion"),
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
    "cuped_mean_absolute_theta_within": adjusted("mean"),
    "cuped_mean_absolute_theta_total": adjusted("mean", pooling="total"),
    "cuped_mean_relative_exact_delta_theta_within": exact_delta("mean", with_past),
    "cuped_mean_relative_exact_delta_theta_total": exact_delta("mean", with_past, pooling="total"),
    "cuped_ratio_exact_delta": exact_delta("ratio", with_past, pooling="arms"),
    "cuped_ratio_absolute": adjusted("ratio", pooling="arms"),
    "cuped_ratio_relative": adjusted("ratio", pooling="arms"),
    "sequential_asymptotic_cs": plain("mean"),
}
