"""Stored looks with made-up but plausible numbers, as the reading of version 2 stores them and as the first did."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

METRICS = (  # key, name, role, kind, direction, objective, level of the control, spread per unit
    ("click-rate", "Click rate", "primary", "ratio", "increase", "user", 0.084, 0.9),
    ("value", "Value per user", "primary", "mean", "increase", "platform", 41.2, 160.0),
    ("refunds", "Refunds per user", "guardrail", "mean", "decrease", "user", 1.31, 9.0),
    ("merchant-reach", "Merchants reached", "guardrail", "mean", "increase", "merchant", 6.4, 5.1),
    ("carts", "Added to cart", "secondary", "proportion", "increase", "user", 0.231, 0.42),
    ("orders", "Orders per user", "secondary", "mean", "increase", "platform", 0.187, 0.55),
    ("buyers", "Buyers", "secondary", "proportion", "increase", "platform", 0.124, 0.33),
    ("return-7", "Came back within 7 days", "secondary", "retention", "increase", "user", 0.37, 0.48),
    ("search-exits", "Searches left without a click", "secondary", "ratio", "decrease", "user", 0.27, 0.8),
    ("visits", "Visits per user", "secondary", "mean", "increase", "user", 4.9, 4.2),
)
ARMS = (("control", "Control"), ("din", "Ranker DIN"), ("dien", "Ranker DIEN"))
SLICES = {
    "country": 22,
    "category": 16,
    "platform": 3,
    "visitor": 2,
    "recall_source": 7,
}  # 50 segments
NAMES = {"platform": ("android", "ios", "web"), "visitor": ("new", "returning")}
SCENARIOS = ("home_feed", "search", "cart", "product_page")
STARTED = datetime(2026, 11, 2, tzinfo=UTC)
SQL = "WITH firsts AS (SELECT user_id, MIN(arm) AS arm FROM events)\nSELECT arm, COUNT(*) FROM firsts GROUP BY 1"
UNITS = 240_000
TRUE = {"din": 0.012, "dien": -0.004}  # lifts; each metric moves by a share of it


def results(*, seed: int = 3, n_metrics: int = 10, arms: int = 3, days: int = 14, **changes: Any) -> dict[str, Any]:
    """What `Look.results` holds; `changes` replace whole entries."""
    return {**_Maker(np.random.default_rng(seed), METRICS[:n_metrics], ARMS[:arms], days).whole(), **changes}


def segments_of(kind: str) -> list[str]:
    return list(NAMES.get(kind, [f"{kind}-{i + 1:02d}" for i in range(SLICES[kind])]))


class _Maker:
    def __init__(self, rng: np.random.Generator, metrics: Any, arms: Any, days: int) -> None:
        self.rng, self.metrics, self.arms, self.days = rng, metrics, arms, days
        self.n = UNITS // len(arms)

    def whole(self) -> dict[str, Any]:
        treated = [key for key, _ in self.arms[1:]]
        pairs, days = [(m, arm) for m in self.metrics for arm in treated], self.days
        metrics = [self.metric(m) for m in self.metrics]
        return {
            "version": 2,
            "unit": "user_id",
            "control": "control",
            "arms": [{"key": k, "name": n, "weight": 1 / len(self.arms), "units": self.n} for k, n in self.arms],
            "window": {"start": STARTED.isoformat(), "end": (STARTED + timedelta(days=self.days)).isoformat()},
            "mixed_units": 412,
            "confidence": 0.95,
            "analysis": "group sequential",
            "plan": {
                "analysis": "group_sequential", "spending": "obrien_fleming", "planned_days": 28,
                "planned_units": 480_000, "alpha": 0.05, "correction": "holm", "prior": "history", "cuped": True,
            },
            "definitions": {m[0]: _definition(m) for m in self.metrics},
            "health": _health(),
            "metrics": metrics,
            "daily": [d for m, arm in pairs if m[2] == "primary" for d in self.daily(m, arm)],
            "segments": [self.segment(s, name, m, arm) for s in SLICES for name in segments_of(s) for m, arm in pairs],
            "heterogeneity": [self.heterogeneity(s, m, arm) for s in SLICES for m, arm in pairs],
            "scenarios": [self.scenario(s, m, arm) for s in SCENARIOS for m, arm in pairs],
            "spill_over": [self.spilled(m, arm) for m, arm in pairs if m[2] == "primary"],
            "growth": [self.growth(arm) for arm in treated],
            "objectives": [self.objective(arm, arm == "din" or len(treated) == 1) for arm in treated],
            "ages": [self.age(m, arm, age) for m, arm in pairs if m[2] == "primary" for age in range(self.days - 1)],
            "trends": [_trend(m, arm) for m, arm in pairs if m[2] == "primary"],
            "interactions": [_interaction(m, arm) for m, arm in pairs if m[2] == "primary"],
            "sequence": [self.look(i, m, arm) for i in range(1, days + 1) for m, arm in pairs if m[2] == "primary"],
            "verdict": {
                "kind": "keep running",
                "sentence": "Keep running, about 14 days left. So far “Click rate” in Ranker DIN: +1.3 %.",
                "reasons": ["No bound of the plan has been crossed yet.", "“Refunds per user”: not worse than +2.0 %."],
            },
            "sql": SQL,
        }  # fmt: skip

    def metric(self, m: Any) -> dict[str, Any]:
        key, name, role, kind, direction, objective, mean, _ = m
        arms = [
            {"arm": arm, "units": self.n, "mean": mean * (1 + self.truth(m, arm)), "numerator": mean * self.n,
             "denominator": float(self.n * 6) if kind == "ratio" else None, "standard_error": mean * self.error(m)}
            for arm, _ in self.arms
        ]  # fmt: skip
        estimates = [self.estimate(m, arm) for arm, _ in self.arms[1:]]
        margin = 0.02 if role == "guardrail" else None
        about = {"metric": key, "name": name, "role": role, "kind": kind, "direction": direction}
        return {**about, "objective": objective, "margin": margin, "arms": arms, "estimates": estimates}

    def truth(self, m: Any, arm: str) -> float:
        return TRUE.get(arm, 0.0) * (1 if m[4] == "increase" else -0.4)

    def error(self, m: Any, share: float = 1.0) -> float:
        """Of a lift, from so much of the units."""
        return float(m[7] / m[6] * np.sqrt(2 / (self.n * share)) / 2)

    def estimate(self, m: Any, arm: str) -> dict[str, Any]:
        error, raw = self.error(m), self.truth(m, arm) + self.rng.normal(0, self.error(m))
        adjusted = raw + self.rng.normal(0, 0.3 * error)
        readings = {
            "raw": _readings(m[6], raw, error),
            "adjusted": None if m[3] == "retention" else _readings(m[6], adjusted, 0.75 * error),
        }
        kept = "raw.sequential" if m[3] == "retention" else "adjusted.sequential"
        side, horizon = kept.split(".")
        force: Any = readings[side]
        now = force[horizon]
        one_off = {"difference": _interval(raw * m[6], 1.4 * error * m[6]), "lift": _interval(raw, 1.4 * error)}
        both = {"difference": _interval(adjusted * m[6], error * m[6], 2.9), "lift": _interval(adjusted, error, 2.9)}
        return {
            "arm": arm, **now, "log10_p": float(np.log10(now["p"])), "p_adjusted": min(1.0, 2 * now["p"]),
            "method": "welch", "guardrail": _guarded(m, now["lift"]), "readings": readings, "in_force": kept,
            "variance_reduction": None if m[3] == "retention" else 0.44,
            "simultaneous": both, "adjusted_off": "",
            "bayes": _bayes(adjusted, error), "shrunken": _interval(0.7 * adjusted, 0.6 * error),
            "others": {
                "delta": _interval(adjusted, error), "log_ratio": {"withheld": "too little data for a percentage"},
                "equivalence": 0.03, "counts": None, "conditional": 0.8 * adjusted,
            },
            "detectable": 2.8 * error, "site_wide": _interval(0.4 * adjusted, 0.4 * error),
            "uncapped": one_off if m[3] == "mean" else None, "without_top": one_off if m[3] == "mean" else None,
            "immature": {a: 1200 for a, _ in self.arms} if m[3] == "retention" else {},
        }  # fmt: skip

    def daily(self, m: Any, arm: str) -> list[dict[str, Any]]:
        found = []
        for day in range(self.days):
            share = (day + 1) / self.days
            at, error = self.truth(m, arm) + self.rng.normal(0, 0.3 * self.error(m)), self.error(m, share)
            fixed, wide = (_interval(at, error, z) for z in (1.96, 2.3 / np.sqrt(share)))
            found.append(
                {"day": date(2026, 11, 2 + day).isoformat(), "metric": m[0], "arm": arm, "units": int(self.n * share),
                 "lift": fixed, "difference": _interval(at * m[6], error * m[6]),
                 "sequential": {"lift": wide, "difference": wide}}
            )  # fmt: skip
        return found

    def segment(self, kind: str, name: str, m: Any, arm: str) -> dict[str, Any]:
        share = 1 / SLICES[kind]
        error, whole = self.error(m, share), self.truth(m, arm)
        at = whole + self.rng.normal(0, error)
        n = int(self.n * share)
        return {
            "slice": kind, "segment": name, "metric": m[0], "arm": arm, "units": {"control": n, "treatment": n},
            "difference": _interval(at * m[6], error * m[6]), "lift": _interval(at, error),
            "shrunken": _interval(whole + 0.25 * (at - whole), 0.4 * error),
            "levels": {"control": m[6], "treatment": m[6] * (1 + at)},
        }  # fmt: skip

    def heterogeneity(self, kind: str, m: Any, arm: str) -> dict[str, Any]:
        p = float(self.rng.uniform(0.02, 1))
        told = f"No sign that the lift of “{m[1]}” differs by {kind}."
        return {"slice": kind, "metric": m[0], "arm": arm, "q": float(self.rng.gamma(SLICES[kind])), "p": p,
                "p_adjusted": min(1.0, 10 * p), "sentence": told}  # fmt: skip

    def scenario(self, name: str, m: Any, arm: str) -> dict[str, Any]:
        home = 3.0 if name == "home_feed" else 0.3
        error = self.error(m, 0.6)
        at = home * self.truth(m, arm) + self.rng.normal(0, error)
        if name == "cart" and m[0] == "search-exits":
            withheld = {"withheld": "no data yet"}
            return {"scenario": name, "metric": m[0], "arm": arm, "difference": withheld, "lift": withheld}
        return {"scenario": name, "metric": m[0], "arm": arm, "difference": _interval(at * m[6], error * m[6]),
                "lift": _interval(at, error)}  # fmt: skip

    def spilled(self, m: Any, arm: str) -> dict[str, Any]:
        error, truth = self.error(m), self.truth(m, arm)
        return {"metric": m[0], "arm": arm, "local": _interval(1.4 * truth, error), "global": _interval(truth, error),
                "spill_over": _interval(-0.4 * truth, 0.5 * error)}  # fmt: skip

    def growth(self, arm: str) -> dict[str, Any]:
        shares = {"visits": 0.3, "conversion": 0.9, "orders per buyer": -0.25, "value per order": 0.1, "kept": -0.05}
        sizes = {name: share * TRUE[arm] for name, share in shares.items()}
        factors = [{"factor": name, **_interval(size, 0.004)} for name, size in sizes.items()]
        return {"arm": arm, "total": _interval(sum(sizes.values()), 0.007), "factors": factors}

    def objective(self, arm: str, pareto: bool) -> dict[str, Any]:
        gains = {"user": TRUE[arm], "merchant": 0.4 * TRUE[arm] - 0.003, "platform": 1.5 * TRUE[arm]}
        interests = {name: _interval(gain, 0.005) for name, gain in gains.items()}
        return {"arm": arm, "interests": interests, "criterion": _interval(TRUE[arm], 0.004), "pareto": pareto}

    def age(self, m: Any, arm: str, age: int) -> dict[str, Any]:
        at, error = self.truth(m, arm) * (1 + 2 / (age + 1)), self.error(m, (self.days - age) / self.days)
        return {"metric": m[0], "arm": arm, "age": age, "difference": _interval(at * m[6], error * m[6]),
                "lift": _interval(at, error)}  # fmt: skip

    def look(self, number: int, m: Any, arm: str) -> dict[str, Any]:
        information = number / 28
        at = (STARTED + timedelta(days=number)).isoformat()
        seen = float(np.sign(TRUE[arm]) * 1.4 * np.sqrt(information) + self.rng.normal(0, 0.2))
        return {"number": number, "at": at, "information": information, "z": float(2.02 / np.sqrt(information)),
                "metric": m[0], "arm": arm, "statistic": seen}  # fmt: skip


def _interval(at: float, error: float, z: float = 1.96) -> dict[str, float]:
    return {"value": float(at), "low": float(at - z * error), "high": float(at + z * error)}


def _readings(mean: float, at: float, error: float) -> dict[str, Any]:
    from scipy.special import ndtr

    p = float(2 * ndtr(-abs(at / error)))
    return {
        name: {"difference": _interval(at * mean, error * mean, z), "lift": _interval(at, error, z), "p": found}
        for name, z, found in (("fixed", 1.96, p), ("sequential", 2.9, min(1.0, 3 * p)))
    }


def _bayes(at: float, error: float) -> dict[str, Any]:
    from scipy.special import ndtr

    kept = 0.8 * at
    ends = {"mean": kept, "low": kept - 1.8 * error, "high": kept + 1.8 * error}
    flat = {"chance_to_win": float(ndtr(at / error)), "mean": at, "low": at - 1.96 * error, "high": at + 1.96 * error}
    return {"chance_to_win": float(ndtr(kept / error)), "expected_loss": float(0.2 * error), **ends,
            "prior": {"kind": "history", "mean": 0.0, "sd": 0.02}, "flat": flat}  # fmt: skip


def _definition(m: Any) -> dict[str, Any]:
    source: dict[str, Any] = {"event": "click", "adds": "value" if m[3] == "mean" else "count", "filters": {}}
    below = {"event": "impression", "adds": "count", "filters": {}} if m[3] == "ratio" else None
    return {"key": m[0], "kind": m[3], "numerator": source, "denominator": below, "version": 2}


def _guarded(m: Any, lift: dict[str, float]) -> dict[str, Any] | None:
    """By where the interval lies from the margin of 2 %."""
    if m[2] != "guardrail":
        return None
    worst, best = (-lift["high"], -lift["low"]) if m[4] == "decrease" else (lift["low"], lift["high"])
    state = "not worse" if worst > -0.02 else "worse" if best < -0.02 else "not settled"
    bound = "+2.0 %" if m[4] == "decrease" else "−2.0 %"
    told = {"not worse": "not worse than", "worse": "worse than", "not settled": "may be worse than"}[state]
    return {"state": state, "p": 0.001 if state == "not worse" else 0.4, "sentence": f"{told} {bound}"}


def _health() -> list[dict[str, Any]]:
    found = [
        ("sample_ratio", True, 0.42, "The split of units is as planned (p = 0.420)."),
        ("sample_ratio_watched", True, 0.9, "Watched since the start, the split is in order (p = 0.900)."),
        ("several_arms", True, 1.0, "412 units met several arms and are left out."),
        ("exposures", True, None, "New units came to the end."),
        ("pre_exposure", True, 0.3, "Before exposure the arms were alike (p = 0.300)."),
        ("immature", True, None, "3,600 units (1.5 %) have not had their whole time yet."),
        ("outliers", False, None, "A few units carry “Value per user” in Ranker DIN: +0.7 % with, 0.0 % without."),
    ]
    return [dict(zip(("check", "passed", "p", "sentence"), one, strict=True)) for one in found]


def _trend(m: Any, arm: str) -> dict[str, Any]:
    kind = "novelty" if arm == "din" else "none"
    told = {"novelty": f"The lift of “{m[1]}” in {arm} fades: novelty.", "none": f"“{m[1]}” in {arm} has no trend."}
    return {"metric": m[0], "arm": arm, "slope": -0.001, "p": 0.004, "kind": kind, "sentence": told[kind]}


def _interaction(m: Any, arm: str) -> dict[str, Any]:
    told = f"“{m[1]}” in {arm} does not hang on cart-upsell."
    about = {"experiment": "cart-upsell", "metric": m[0], "arm": arm, "other_arm": "bundle"}
    return {**about, "p": 0.31, "p_adjusted": 1.0, "sentence": told}


def old() -> dict[str, Any]:
    """As the first reading stored it: two arms, two metrics, a fixed horizon, nothing adjusted."""
    arms = [{"key": key, "name": key, "weight": 0.5, "units": 7_200} for key in ("control", "din")]
    sides = [{"arm": a["key"], "units": 7_200, "mean": 0.1, "numerator": 1.0, "denominator": None} for a in arms]
    held = {"state": "not settled", "p": None, "sentence": "may be worse than +5.0 %: not settled"}
    goal = {
        "metric": "shop-click-rate", "name": "Click rate", "role": "primary", "kind": "ratio", "direction": "increase",
        "objective": "user", "margin": 0.02, "arms": sides, "estimates": [_first(_interval(0.2, 0.02), None)],
    }  # fmt: skip
    guard = {**goal, "metric": "shop-refunds", "name": "Refunded", "role": "guardrail", "kind": "mean"}
    withheld = {"withheld": "too little data for a percentage"}
    guard |= {"direction": "decrease", "margin": 0.05, "estimates": [_first(withheld, held)]}
    days = [date(2026, 11, 2 + i).isoformat() for i in range(9)]
    return {
        "unit": "user_id", "control": "control", "arms": arms, "mixed_units": 3, "confidence": 0.95,
        "window": {"start": STARTED.isoformat(), "end": (STARTED + timedelta(days=9)).isoformat()},
        "analysis": "fixed horizon", "health": _health()[:4], "metrics": [goal, guard],
        "daily": [
            {"day": day, "metric": "shop-click-rate", "arm": "din", "units": 800 * (i + 1),
             "lift": _interval(0.2, 0.06 / (i + 1)), "difference": _interval(0.02, 0.006 / (i + 1))}
            for i, day in enumerate(days)
        ],
        "verdict": {"kind": "keep running", "sentence": "Keep running, about 5 days left.", "reasons": ["Too early."]},
        "sql": "SELECT 1 -- <b>",
    }  # fmt: skip


def _first(lift: dict[str, Any], guardrail: dict[str, Any] | None) -> dict[str, Any]:
    return {"arm": "din", "difference": _interval(0.02, 0.002), "lift": lift, "p": 1e-9, "log10_p": -9.0,
            "p_adjusted": 1e-9, "method": "delta", "guardrail": guardrail}  # fmt: skip
