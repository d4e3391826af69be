"""The form of `Look.results`, version 2: pages, API and exports read it, and old looks keep it for ever."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np

from experiments.reading import Given, read
from firstlight.kernel.moments import Moments
from firstlight.metrics.read import Cells
from tests.experiments.reading.plans import PLAN, START
from tests.experiments.reading.test_looks import cells, given, raw

INTERVAL = {"value": float, "low": float, "high": float}
BOTH = {"difference": INTERVAL, "lift": INTERVAL}
READING = {**BOTH, "p": float}
WAYS = {"fixed": READING, "sequential": READING}
POSTERIOR = {"chance_to_win": float, "expected_loss": float, "mean": float, "low": float, "high": float}
PRIOR = {"kind": str, "mean": float, "sd": None, "past": int}
ESTIMATE = {
    "arm": str,
    **READING,
    "log10_p": float,
    "p_adjusted": float,
    "method": str,
    "guardrail": None,
    "readings": {"raw": WAYS, "adjusted": WAYS},
    "in_force": str,
    "adjusted_off": str,
    "variance_reduction": float,
    "simultaneous": BOTH,
    "bayes": {**POSTERIOR, "prior": PRIOR, "flat": POSTERIOR},
    "others": {
        "delta": INTERVAL,
        "log_ratio": INTERVAL,
        "equivalence": (float, type(None)),
        "counts": None,
        "conditional": (float, type(None)),
    },
    "shrunken": None,
    "detectable": float,
    "site_wide": INTERVAL,
    "uncapped": READING,
    "without_top": READING,
    "immature": {"control": int, "new": int},
}
ARM = {"arm": str, "units": int, "mean": float, "numerator": float, "denominator": None, "standard_error": float}
ABOUT = {"metric": str, "name": str, "role": str, "kind": str, "direction": str, "objective": str, "margin": float}
PLANNED = {
    "analysis": str,
    "spending": str,
    "planned_days": int,
    "planned_units": None,
    "planned_n": None,
    "alpha": float,
    "correction": str,
    "prior": str,
    "cuped": bool,
    "type": str,
    "phase": int,
    "shipped_arm": str,
}
RESULTS = {
    "version": int,
    "unit": str,
    "control": str,
    "arms": [{"key": str, "name": str, "weight": float, "units": int}],
    "window": {"start": str, "end": str},
    "mixed_units": int,
    "confidence": float,
    "analysis": str,
    "plan": PLANNED,
    "health": [{"check": str, "passed": (bool, type(None)), "p": (float, type(None)), "sentence": str}],
    "metrics": [{**ABOUT, "cap": float, "arms": [ARM], "estimates": [ESTIMATE]}],
    "daily": [{"day": str, "metric": str, "arm": str, "units": int, **BOTH, "sequential": BOTH}],
    "segments": [
        {
            "slice": str,
            "segment": str,
            "metric": str,
            "arm": str,
            "units": {"control": int, "treatment": int},
            **BOTH,
            "shrunken": INTERVAL,
            "levels": {"control": float, "treatment": float},
        }
    ],
    "heterogeneity": [
        {"slice": str, "metric": str, "arm": str, "q": float, "p": float, "p_adjusted": float, "sentence": str}
    ],
    "scenarios": [{"scenario": str, "metric": str, "arm": str, **BOTH}],
    "spill_over": [{"metric": str, "arm": str, "local": INTERVAL, "global": INTERVAL, "spill_over": INTERVAL}],
    "growth": [{"arm": str, "total": INTERVAL, "factors": [{"factor": str, **INTERVAL}]}],
    "objectives": [
        {
            "arm": str,
            "interests": {"user": {"withheld": str}, "merchant": {"withheld": str}, "platform": INTERVAL},
            "criterion": INTERVAL,
            "pareto": bool,
        }
    ],
    "ages": [{"metric": str, "arm": str, "age": int, **BOTH}],
    "trends": [{"metric": str, "arm": str, "slope": float, "p": float, "kind": str, "sentence": str}],
    "interactions": [
        {
            "experiment": str,
            "metric": str,
            "arm": str,
            "other_arm": str,
            "p": float,
            "p_adjusted": float,
            "sentence": str,
        }
    ],
    "sequence": [
        {"number": int, "at": str, "information": float, "z": float, "metric": str, "arm": str, "statistic": float}
    ],
    "verdict": {"kind": str, "sentence": str, "reasons": [str]},
}


def whole() -> dict[str, Any]:
    """Everything that can be read, of one metric."""
    units = raw()
    bare = {arm: Moments.of(rows[:, 0]) for arm, rows in units.items()}
    five = np.random.default_rng(1).uniform(1, 2, (50, 5))
    read_ = cells(
        units,
        by_segment={("country", s, arm): m for s in ("IN", "BR") for arm, m in bare.items()},
        by_scenario={("home", arm): m for arm, m in bare.items()},
        joint={arm: Moments.of(rows[:, :2]) for arm, rows in units.items()},
        by_age={(age, arm): m for age in range(5) for arm, m in bare.items()},
        immature={"control": 3, "new": 4},
        uncapped=bare,
        top=bare,
        cap=99.0,
    )
    asked = given(
        units,
        growth={arm: Moments.of(five) for arm in units},
        weights={"platform": 1.0},
        site_shares={"value": 0.5},
        crossed={"prices": {"value": {(arm, other): m for arm, m in bare.items() for other in ("off", "on")}}},
        other_arms={"prices": ("off", "on")},
    )
    plan = PLAN.__class__(**{**_fields(PLAN), "metrics": PLAN.metrics[:1]})
    changed = Given(**{**_fields(asked), "metrics": {"value": read_}})
    return read(plan, changed, at=START + timedelta(days=7))


def _fields(of: Any) -> dict[str, Any]:
    return {name: getattr(of, name) for name in of.__dataclass_fields__}


def test_every_field_is_there_with_its_type_and_no_other() -> None:
    assert _faults(whole(), RESULTS, "") == []


def test_a_look_without_any_unit_has_the_same_fields() -> None:
    nobody = read(PLAN, Given({}, 0, {"value": Cells(("value",), {})}), at=START + timedelta(days=1))
    assert nobody.keys() == RESULTS.keys()
    for metric in nobody["metrics"]:
        assert metric.keys() == RESULTS["metrics"][0].keys()  # type: ignore[index]
        assert all(one.keys() == ESTIMATE.keys() for one in metric["estimates"])


def _faults(found: Any, wanted: Any, at: str) -> list[str]:
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping) or found.keys() != wanted.keys():
            return [f"{at}: {sorted(found) if isinstance(found, Mapping) else found}"]
        return [fault for key in wanted for fault in _faults(found[key], wanted[key], f"{at}.{key}")]
    if isinstance(wanted, list):
        if not isinstance(found, list) or not found:
            return [f"{at}: {found}"]
        return [fault for one in found for fault in _faults(one, wanted[0], f"{at}[]")]
    if wanted is None:
        return [] if found is None else [f"{at}: {found}"]
    return [] if isinstance(found, wanted) else [f"{at}: {found}"]
