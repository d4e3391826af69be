"""Every shipped method against the figures of independent libraries, which each case names as its source."""

import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

from experiments.stats import comparison, levels, tails, welch
from experiments.stats.estimates import Comparison, Estimate
from experiments.stats.levels import Level
from experiments.stats.multiplicity import holm
from experiments.stats.newcombe import Share
from experiments.stats.newcombe import compare as newcombe
from experiments.stats.sample_ratio import p_value
from experiments.stats.tails import Evidence, Tail
from tests.experiments.conftest import from_sums

CASES = json.loads((Path(__file__).parent / "oracles.json").read_text())
Inputs = dict[str, Any]


def _compared(kind: str) -> Callable[[Inputs], Inputs]:
    def answer(given: Inputs) -> Inputs:
        control, treatment = from_sums(given["control"]), from_sums(given["treatment"])
        found = comparison.compare(kind, control, treatment, 1 - given.get("alpha", 0.05))
        c, t = comparison.level(kind, control), comparison.level(kind, treatment)
        assert isinstance(c, Level) and isinstance(t, Level)
        evidence = comparison.evidence(kind, control, treatment, factor=1)
        assert isinstance(evidence, Evidence)
        error = (c.variance + t.variance) ** 0.5
        names = {"control": c.value, "treatment": t.value, "statistic": evidence.statistic, "df": evidence.df}
        return {**names, "se": error, "se_effect": error, **_told(found)}

    return answer


def _told(found: Comparison) -> Inputs:
    assert isinstance(found.difference, Estimate) and isinstance(found.tail, Tail)
    gap = found.difference
    return {"effect": gap.value, "ci_lower": gap.low, "ci_upper": gap.high, "p_value": found.tail.p}


def _relative(given: Inputs) -> Inputs:
    found = comparison.compare("mean", from_sums(given["control"]), from_sums(given["treatment"]), 1 - given["alpha"])
    assert isinstance(found.lift, Estimate)
    return {"lift": found.lift.value, "ci_lower": found.lift.low, "ci_upper": found.lift.high}


def _one_sided(given: Inputs) -> Inputs:
    c, t = levels.mean(from_sums(given["control"])), levels.mean(from_sums(given["treatment"]))
    assert isinstance(c, Level) and isinstance(t, Level)
    found = welch.evidence(c, t, offset=-given.get("absolute_margin", 0.0))
    assert isinstance(found, Evidence)
    return {"statistic": found.statistic, "p_value": found.above().p, "effect": t.value - c.value}


def _tail(given: Inputs) -> Inputs:
    found = Evidence(given["t"], given["df"]).either()
    return {"p_value": found.p, "log10_p": found.log10_p}


def _newcombe(given: Inputs) -> Inputs:
    c, t = (Share(given[arm]["n"], given[arm]["sum"]) for arm in ("control", "treatment"))
    return _told(newcombe(c, t, 1 - given["alpha"]))


def _wilson(given: Inputs) -> Inputs:
    reach = Share(given["n"], given["sum"]).reach(tails.quantile(1 - given["alpha"], inf))
    return {"wilson_lower": reach.value - reach.below, "wilson_upper": reach.value + reach.above}


def _holm(given: Inputs) -> Inputs:
    adjusted = holm(given["p_values"])
    return {"adjusted": adjusted, "reject": [p <= given["alpha"] for p in adjusted]}


def _clustered(given: Inputs) -> Inputs:
    """Our variances divide by n - 1, the oracle's by n."""
    c, t = levels.ratio(from_sums(given["control"])), levels.ratio(from_sums(given["treatment"]))
    assert isinstance(c, Level) and isinstance(t, Level)
    error = sum(level.variance * (level.n - 1) / level.n for level in (c, t)) ** 0.5
    return {"effect": t.value - c.value, "se_population": error}


ANSWERS: dict[str, Callable[[Inputs], Inputs]] = {
    "welch_t_mean": _compared("mean"),
    "welch_t_mean_absolute": _compared("mean"),
    "welch_t_mean_one_sided": _one_sided,
    "non_inferiority_mean_welch": _one_sided,
    "student_t_two_sided_tail": _tail,
    "two_proportion_ci_newcomb": _newcombe,
    "one_proportion_ci": _wilson,
    "ratio_delta": _compared("ratio"),
    "ratio_delta_absolute": _compared("ratio"),
    "ratio_exact_delta": _compared("ratio"),
    "ratio_delta_absolute_cluster_robust": _clustered,
    "fieller_lift_ci": _relative,
    "srm_chi2": lambda given: {"p_value": p_value(given["observed"], given["weights"])},
    "multiple_testing_holm": _holm,
    "multiple_testing_holm_bonferroni": _holm,
}
ABSOLUTE = {"welch_t_mean_absolute", "ratio_delta_absolute"}  # there the oracle calls the difference “lift”


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_agrees_with(case: Inputs) -> None:
    answer = ANSWERS[case["method"]](case["inputs"])
    expected = dict(case["expected"])
    if case["method"] in ABSOLUTE and "lift" in expected:
        expected["effect"] = expected.pop("lift")
    shared = expected.keys() & answer.keys()
    assert shared
    for name in shared:
        tolerance = case["tolerance"]
        assert answer[name] == pytest.approx(expected[name], rel=tolerance, abs=1e-9 * tolerance), name


def test_every_method_is_asked() -> None:
    assert {case["method"] for case in CASES} == set(ANSWERS)
