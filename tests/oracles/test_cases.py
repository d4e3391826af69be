"""Every method against the numbers of independent libraries, which each case names as its source."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import xlogy

from firstlight.stats import proportions
from firstlight.stats.newcombe import Share
from firstlight.stats.tails import Evidence
from tests.oracles.run import ERRORS, Outcome, known, outcome
from tests.oracles.sums import Case

CASES = json.loads((Path(__file__).parent / "cases.json").read_text())["cases"]


@pytest.mark.parametrize("case", [one for one in CASES if not known(one)], ids=lambda one: one["id"])
def test_the_case_is_met(case: Case) -> None:
    assert outcome(case) == (Outcome.PASSED, [])


def test_what_errs_is_known_by_name() -> None:
    assert {one["id"] for one in CASES if known(one)} == set(ERRORS)
    assert all(outcome(one)[0] is Outcome.FAILED for one in CASES if known(one))


@pytest.mark.parametrize(
    ("t", "df", "log10_p"), [(25, 500_000, -137.12869408394042), (38, 1_000_000, -315.0122734202140)]
)
def test_tails_that_a_source_has_wrong(t: float, df: float, log10_p: float) -> None:
    """mpmath's betainc at 60 and 120 digits; a quadrature of the density agrees to 1e-11."""
    assert Evidence(t, df).either().log10_p == pytest.approx(log10_p, rel=1e-12)


@pytest.mark.parametrize("gap", [-0.02, -0.003, 0.001, 0.015])
def test_the_score_test_has_the_likeliest_pair(gap: float) -> None:
    """By searching for it: the score cases of statsmodels stand on a cubic with a slip in it."""
    c, t = Share(2_000, 90.0), Share(2_400, 131.0)

    def unlikely(p: float) -> float:
        parts = [xlogy(s.successes, q) + xlogy(s.n - s.successes, 1 - q) for s, q in ((c, p), (t, p + gap))]
        return -float(np.sum(parts))

    ends = max(0.0, -gap) + 1e-9, min(1.0, 1 - gap) - 1e-9
    p = float(minimize_scalar(unlikely, bounds=ends, method="bounded", options={"xatol": 1e-12}).x)
    n = c.n + t.n
    se = np.sqrt((p * (1 - p) / c.n + (p + gap) * (1 - p - gap) / t.n) * n / (n - 1))
    assert proportions.score_z(c, t, gap) == pytest.approx((t.value - c.value - gap) / se, rel=1e-6)
