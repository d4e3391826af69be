"""A look as it was stored, whatever version of the reading stored it, and what of it is asked for again and again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from firstlight.console import words

Json = Mapping[str, Any]

GUARDRAIL_TONES = {"not worse": "better", "not settled": "unsettled", "worse": "worse"}
ROLES = {"primary": "goal", "secondary": "shown", "guardrail": "guardrail"}
LISTS = (
    "segments", "heterogeneity", "scenarios", "spill_over", "growth", "objectives", "ages", "trends", "interactions",
    "sequence", "daily", "health", "metrics", "arms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """Which reading decides."""

    covariates: str  # adjusted or raw
    horizon: str  # sequential or fixed


def whole(results: Json, shares: frozenset[str] = frozenset()) -> Json:
    """With every list there, for the first looks knew fewer, and each metric told whether its mean is a percentage.

    `shares` names those of a look that did not keep its definitions.
    """
    lists: Json = {name: [] for name in LISTS}
    blank = {**lists, "version": 1, "plan": {}, "definitions": {}, "sql": "", "read_on_from": None}
    kept = results.get("definitions") or {}
    metrics = [
        {**m, "share": m["metric"] in shares or _is_share(m, kept.get(m["metric"]))} for m in results.get("metrics", [])
    ]
    return {**blank, **results, "metrics": metrics}


def is_old(results: Json) -> bool:
    """Stored before segments, scenarios and the like were read."""
    return int(results.get("version") or 1) < 2


def in_force(estimate: Json) -> Kept:
    covariates, _, horizon = str(estimate.get("in_force") or "raw.fixed").partition(".")
    return Kept(covariates, horizon or "fixed")


def reading(estimate: Json, covariates: str = "", horizon: str = "") -> Json:
    """The reading asked for, else the one in force: difference, lift, p."""
    kept = in_force(estimate)
    asked = (estimate.get("readings") or {}).get(covariates or kept.covariates) or {}
    found: Json | None = asked.get(horizon or kept.horizon)
    return found or estimate


def decides(estimate: Json, covariates: str = "", horizon: str = "") -> bool:
    """Whether what is shown of it is the reading in force."""
    kept = in_force(estimate)
    return reading(estimate, covariates, horizon) == reading(estimate, kept.covariates, kept.horizon)


def estimates(results: Json) -> Iterator[tuple[Json, Json]]:
    """(metric, estimate), goals first, then guardrails."""
    order = {"primary": 0, "guardrail": 1}
    ranked = sorted(results["metrics"], key=lambda m: order.get(m["role"], 2))
    return ((m, e) for m in ranked for e in m["estimates"])


def arm_name(results: Json, key: str) -> str:
    return next((a["name"] or a["key"] for a in results["arms"] if a["key"] == key), key)


def metric_name(results: Json, key: str) -> str:
    return next((str(m["name"]) for m in results["metrics"] if m["metric"] == key), key)


def direction(results: Json, key: str) -> str:
    return next((str(m["direction"]) for m in results["metrics"] if m["metric"] == key), "increase")


def n_units(arms: Iterable[Json]) -> int:
    return sum(int(arm.get("units") or 0) for arm in arms)


def tone(metric: Json, estimate: Json, read: Json | None = None) -> str:
    """better, worse, unsettled or withheld; a guardrail's state outweighs the bare interval."""
    if estimate["guardrail"]:
        return GUARDRAIL_TONES.get(estimate["guardrail"]["state"], "unsettled")
    shown = read or estimate
    change = shown["lift"] if "value" in shown["lift"] else shown["difference"]
    return clear(change, str(metric["direction"]))


def clear(change: Json | None, wanted: str = "increase") -> str:
    """Where an interval lies, seen from what is wanted."""
    if not is_given(change):
        return "withheld"
    assert change is not None
    if change["low"] <= 0 <= change["high"]:
        return "unsettled"
    return "better" if (change["value"] > 0) == (wanted == "increase") else "worse"


def is_given(change: Json | None) -> bool:
    return bool(change) and change.get("value") is not None and change.get("low") is not None  # type: ignore[union-attr]


def lift(change: Json | None) -> str:
    """+1.2 % (−0.3 % to +2.7 %); the reason where it is withheld."""
    if not is_given(change):
        return withheld(change)
    assert change is not None
    return f"{words.lift(change['value'])} ({words.lift_interval(change['low'], change['high'])})"


def withheld(change: Json | None) -> str:
    reason = (change or {}).get("withheld")
    return f"withheld: {reason}" if reason else words.BLANK


def flat(name: str, change: Json | None) -> dict[str, Any]:
    """An interval as columns of a CSV."""
    found = change or {}
    values = {name: found.get("value"), f"{name}_low": found.get("low"), f"{name}_high": found.get("high")}
    return {**values, f"{name}_withheld": found.get("withheld", "")}


def _is_share(metric: Json, definition: Json | None) -> bool:
    """Whether its mean is a percentage: a share of units, or a ratio of like to like."""
    if metric["kind"] in ("proportion", "retention", "funnel"):
        return True
    numerator, denominator = ((definition or {}).get(name) or {} for name in ("numerator", "denominator"))
    counted = ("count", "distinct")
    return metric["kind"] == "ratio" and numerator.get("adds") in counted and denominator.get("adds") in counted


def level(x: float | None, *, share: bool) -> str:
    return words.percent(x) if share else words.number(x)


def difference(change: Json | None, *, share: bool) -> str:
    """A difference of percentages is in percentage points, not in per cent."""
    if not change or change.get("value") is None:
        return words.BLANK
    return signed(change["value"], share=share)


def signed(x: float, *, share: bool) -> str:
    text = f"{words.number(x * 100, 3)} pp" if share else words.number(x)
    return f"+{text}" if x > 0 else text


def spread(change: Json | None, *, share: bool) -> str:
    """The ends of the interval of a difference."""
    if not is_given(change):
        return ""
    assert change is not None
    return f"{signed(change['low'], share=share)} to {signed(change['high'], share=share)}"


def p(value: float | None, log10_p: float | None = None) -> str:
    """Without the letter, for a column that has it in its head."""
    return words.p_value(value, log10_p).removeprefix("p = ").removeprefix("p ")
