"""What stands on top: the sentence, what it rests on, whether the data is in order."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.page.stored import Json, n_units
from firstlight.console import words

VERDICT_TONES = {"ship": "better", "keep running": "info", "end": "neutral", "abort": "worse", "cannot tell": "warn"}
ANALYSES = {
    "group_sequential": "group sequential",
    "always_valid": "always valid",
    "fixed": "fixed horizon",
}
# Failing these holds some verdicts back; failing any other leaves nothing to be believed.
CAUTIONS = frozenset({"low_power", "outliers", "immature", "overlap", "covariates"})
CHECKS = {
    "sample_ratio": "Split",
    "sample_ratio_watched": "Split, watched",
    "sample_ratio_segments": "Split in segments",
    "several_arms": "One arm each",
    "exposures": "Exposures",
    "pre_exposure": "Before exposure",
    "covariates": "Adjustment",
    "immature": "Maturity",
    "low_power": "Power",
    "outliers": "Outliers",
    "overlap": "Overlap",
}
ICONS = {"ok": "check_circle", "warn": "warning", "fail": "error", "open": "help"}


@dataclass(frozen=True, slots=True)
class Health:
    name: str
    state: str  # ok, warn, fail or open
    sentence: str

    @property
    def icon(self) -> str:
        return ICONS[self.state]


def verdict_tone(kind: str) -> str:
    return VERDICT_TONES.get(kind, "neutral")


def health(results: Json) -> Sequence[Health]:
    """What is wrong comes first."""
    order = {"fail": 0, "warn": 1, "open": 2, "ok": 3}
    found = [Health(_named(str(c["check"])), _state(c), str(c["sentence"])) for c in results["health"]]
    return sorted(found, key=lambda one: order[one.state])


def health_sentence(checks: Sequence[Health]) -> str:
    failed, warned = (sum(c.state == state for c in checks) for state in ("fail", "warn"))
    if failed:
        return f"{words.plural(failed, 'check fails', 'checks fail')}: no lift below can be trusted."
    if warned:
        return f"{words.plural(warned, 'check calls', 'checks call')} for care; the others are in order."
    unmade = sum(c.state == "open" for c in checks)
    if unmade:
        return f"{words.plural(len(checks) - unmade, 'check is', 'checks are')} in order; {unmade} could not be made."
    return f"All {words.plural(len(checks), 'check')} are in order." if checks else ""


def _state(check: Json) -> str:
    if check["passed"] is None:
        return "open"
    if check["passed"]:
        return "ok"
    return "warn" if check["check"] in CAUTIONS else "fail"


def _named(check: str) -> str:
    return CHECKS.get(check, check.replace("_", " ").capitalize())


def _left_out(mixed: int, earlier: int) -> str:
    said = [f"{words.plural(mixed, 'unit')} in two arms left out"] if mixed else ["each in one arm"]
    return ", ".join([*said, f"{words.plural(earlier, 'unit')} of earlier phases left out"] if earlier else said)


def figures(results: Json) -> list[tuple[str, str, str]]:
    """(label, value, small print) of what the look rests on."""
    arms, plan = results["arms"], results["plan"]
    unit = str(results["unit"]).removesuffix("_id")
    mixed = results.get("mixed_units") or 0
    split = " · ".join(words.percent(float(a["weight"]), 3) for a in arms)
    analysis = str(plan.get("analysis") or results.get("analysis", ""))
    found = [
        (
            f"{unit.capitalize()}s",
            words.count(n_units(arms)),
            _left_out(mixed, results.get("earlier_units") or 0),
        ),
        ("Arms", str(len(arms)), split),
        ("Confidence", words.percent(float(results["confidence"])), ANALYSES.get(analysis, analysis)),
    ]
    seen = [one for one in results["sequence"] if one.get("statistic") is not None]
    if seen:
        share = min(float(seen[-1]["information"]), 1.0)
        planned = f"of {words.plural(int(plan['planned_days']), 'planned day')}" if plan.get("planned_days") else ""
        found.append(("Data in", words.percent(share, 2), planned or "of what was planned"))
    return found
