"""After each look: what its people should hear of, each once per experiment, phase and state."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.health import SPLIT
from experiments.models import Look
from experiments.verdict import Kind
from firstlight.notices.announcing import announce
from firstlight.stats.guardrails import State

READY = frozenset({Kind.SHIP, Kind.END, Kind.ABORT})  # nothing more is to be waited for


@dataclass(frozen=True, slots=True)
class Alert:
    kind: str  # experiment.sample_ratio, experiment.guardrail, experiment.exposures or experiment.ready
    state: str  # what is told once
    sentence: str
    evidence: Mapping[str, Any]


def after(look: Look) -> None:
    """Announce what this look is the first to say, to whoever asked for it and to the owner. In its transaction."""
    experiment = look.experiment
    people = [experiment.owner] if experiment.owner else []
    for alert in alerts(look.results):
        evidence = {"look": look.number, "verdict": look.verdict, **alert.evidence}
        sentence = f"“{experiment.name}”: {alert.sentence}"
        announce(
            alert.kind,
            experiment.key,
            sentence,
            evidence=evidence,
            at=look.computed_at,
            once=f"phase {_phase(look)}: {alert.state}"[:300],
            people=people,
        )


def alerts(results: Mapping[str, Any]) -> Iterator[Alert]:
    """All that is wrong or ready in these results. Pure."""
    failed = {check["check"]: check for check in results["health"] if check["passed"] is False}
    if split := next((check for name, check in failed.items() if name in SPLIT), None):
        units = {arm["key"]: arm["units"] for arm in results["arms"]}
        yield Alert(
            "experiment.sample_ratio",
            "the split",
            split["sentence"],
            {"check": split["check"], "p": split["p"], "units": units},
        )
    if ended := failed.get("exposures"):
        yield Alert("experiment.exposures", ended["sentence"], ended["sentence"], {"check": "exposures"})
    yield from _guardrails(results)
    verdict = results["verdict"]
    if verdict["kind"] in READY:
        yield Alert("experiment.ready", verdict["kind"], verdict["sentence"], {"reasons": verdict["reasons"]})


def _guardrails(results: Mapping[str, Any]) -> Iterator[Alert]:
    for metric in results["metrics"]:
        for estimate in metric["estimates"]:
            found = estimate["guardrail"]
            if found and found["state"] == State.WORSE:
                evidence = {
                    "metric": metric["metric"],
                    "arm": estimate["arm"],
                    "p": found["p"],
                    "lift": estimate["lift"],
                }
                sentence = f"“{metric['name']}” is {found['sentence']} in {estimate['arm']}."
                yield Alert("experiment.guardrail", f"{metric['metric']} in {estimate['arm']}", sentence, evidence)


def _phase(look: Look) -> int:
    """Of the experiment at that look."""
    return int(look.results.get("basis", {}).get("phase", look.experiment.phase))
