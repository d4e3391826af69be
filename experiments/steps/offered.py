"""Which steps are offered: what the state allows and this plan gives a reason for, what leads on first."""

from dataclasses import dataclass

from django.urls import reverse

from experiments import lifecycle
from experiments.lifecycle import prerequisites, ramps, rules
from experiments.models import Experiment, RampStage
from experiments.steps.words import STEPS

LEADING = ("start", "submit", "approve", "resume", "decide")  # the first that can be taken stands out


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    icon: str
    address: str
    tone: str  # main, stop or nothing


def buttons(row: Experiment) -> list[Button]:
    """What can be done with it now, what leads on first."""
    open_now = lifecycle.possible(row)
    names = [name for name in STEPS if name == "copy" or (name in open_now and _makes_sense(row, name))]
    leading = next((name for name in LEADING if name in names), "")
    ordered = sorted(names, key=lambda name: name != leading)
    return [_button(row, name, leads=name == leading) for name in ordered]


def _makes_sense(row: Experiment, name: str) -> bool:
    """Of what the state allows, what this plan gives a reason for."""
    match name:
        case "submit":
            return not row.is_template
        case "approve":
            return not row.reviewed_by
        case "start" | "schedule":
            return not row.is_template and not list(rules.misses_review(row))
        case "advance":
            return row.ramp.exclude(outcome=RampStage.Outcome.ADVANCED).exists()
        case "roll_back":
            return ramps.in_force(list(row.ramp.order_by("position"))) is not None
        case "ramp_to":
            return row.coverage < 1
        case "force":
            return prerequisites.can_force(row) and not row.is_template
        case "remove_arm":
            return row.arms.count() > 2
    return True


def _button(row: Experiment, name: str, *, leads: bool) -> Button:
    asked = STEPS[name]
    tone = "main" if leads else "stop" if asked.stops else ""
    return Button(f"{asked.label}…", asked.icon, address(row, name), tone)


def address(row: Experiment, name: str) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=[row.pk])
