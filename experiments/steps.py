"""The steps of an experiment as pages of the admin: each asks once more, tells what to know, and makes one call."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone

from experiments import lifecycle
from experiments import step_forms as forms
from experiments.lifecycle import checklist, ramps, rules
from experiments.lifecycle.items import REVIEW
from experiments.models import PLANNED, Experiment, RampStage
from firstlight.accounts.audited import actor
from firstlight.accounts.confirmation import Step, SteppedAdmin, confirmed


@dataclass(frozen=True, slots=True)
class Asked:
    """One command, as people meet it. `{name}` is the experiment's."""

    label: str  # of the button that leads here
    icon: str
    question: str
    consequence: str
    done: str
    form: type[forms.StepForm] | None = None
    stops: bool = False  # shown as a warning
    checked: bool = False  # shows the checklist


STEPS: dict[str, Asked] = {
    "submit": Asked(
        "Submit",
        "rate_review",
        "Submit “{name}” for review?",
        "Somebody else reads the plan, which stands still until it is approved or returned.",
        "“{name}” is in review.",
        checked=True,
    ),
    "approve": Asked(
        "Approve",
        "task_alt",
        "Approve “{name}”?",
        "It may then start, now or at a set time.",
        "“{name}” is approved.",
        forms.NoteForm,
        checked=True,
    ),
    "return_to_draft": Asked(
        "Return to draft",
        "undo",
        "Return “{name}” to draft?",
        "Its plan can be changed again; buckets that were held for it are free.",
        "“{name}” is a draft again.",
        forms.NoteForm,
    ),
    "schedule": Asked(
        "Schedule",
        "schedule",
        "Schedule “{name}”?",
        "It starts by itself at that time, if nothing has come in its way.",
        "“{name}” is scheduled.",
        forms.ScheduleForm,
        checked=True,
    ),
    "start": Asked(
        "Start",
        "play_arrow",
        "Start “{name}”?",
        "From now on the allocation API puts units into its arms, and the plan cannot change any more.",
        "“{name}” runs. Within two seconds every web process knows it.",
        checked=True,
    ),
    "pause": Asked(
        "Pause",
        "pause",
        "Pause “{name}”?",
        "Nobody meets its arms until it is resumed. Its buckets stay its own.",
        "“{name}” is paused.",
        stops=True,
    ),
    "resume": Asked(
        "Resume",
        "play_arrow",
        "Resume “{name}”?",
        "Units meet its arms again, each the one it had.",
        "“{name}” runs again.",
    ),
    "stop": Asked(
        "Stop",
        "stop",
        "Stop “{name}”?",
        "No unit is put into its arms any more. What was measured stays; it cannot be started again.",
        "“{name}” is stopped.",
        stops=True,
    ),
    "advance": Asked(
        "Advance the ramp",
        "moving",
        "Go on to the next stage of the ramp of “{name}”?",
        "More units meet its arms at once, without waiting for the gate.",
        "“{name}” went on.",
    ),
    "ramp_to": Asked(
        "Cover more",
        "trending_up",
        "Let more units into “{name}”?",
        "Units that take part stay in their arms; new ones come in.",
        "“{name}” covers more.",
        forms.CoverageForm,
    ),
    "roll_back": Asked(
        "Roll back",
        "trending_down",
        "Roll back the ramp of “{name}”?",
        "It goes back to the coverage of the stage before; from the first stage it is paused.",
        "“{name}” was rolled back.",
        forms.ReasonForm,
        stops=True,
    ),
    "change_weights": Asked(
        "Change the shares",
        "balance",
        "Change the shares of the arms of “{name}”?",
        "A new phase begins: every unit is dealt anew, and what was measured so far stays with the old one.",
        "A new phase of “{name}” has begun.",
        forms.WeightsForm,
    ),
    "remove_arm": Asked(
        "Remove an arm",
        "remove_circle",
        "Remove an arm of “{name}”?",
        "A new phase begins with the others: every unit is dealt anew.",
        "A new phase of “{name}” has begun.",
        forms.RemoveArmForm,
        stops=True,
    ),
    "decide": Asked(
        "Decide",
        "gavel",
        "What was decided on “{name}”?",
        "The decision is kept with the newest look it rests on.",
        "The decision on “{name}” is kept.",
        forms.DecideForm,
    ),
    "archive": Asked(
        "Archive",
        "inventory_2",
        "Archive “{name}”?",
        "It leaves the lists of what is going on. Nothing of it is lost.",
        "“{name}” is archived.",
    ),
    "copy": Asked(
        "Copy",
        "content_copy",
        "Copy the plan of “{name}”?",
        "A new draft has the same arms, metrics and settings.",
        "The copy is a draft.",
        forms.CopyForm,
    ),
}


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
        case "remove_arm":
            return row.arms.count() > 2
    return True


def _button(row: Experiment, name: str, *, leads: bool) -> Button:
    asked = STEPS[name]
    tone = "main" if leads else "stop" if asked.stops else ""
    return Button(f"{asked.label}…", asked.icon, _address(row, name), tone)


def _address(row: Experiment, name: str) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=[row.pk])


class SteppedExperiments(SteppedAdmin[Experiment]):
    """Every step of `STEPS` at its address."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Experiment | None:
        """For a form that is saved, locked first: a step taken meanwhile must not be overwritten by it."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST" or not connection.in_atomic_block:
            return found
        Experiment.objects.select_for_update().get(pk=found.pk)
        return super().get_object(request, object_id, from_field)

    def step_pages(self) -> list[URLPattern]:
        return [
            self.page_of(f"{name.replace('_', '-')}/", self._view(name, asked), name) for name, asked in STEPS.items()
        ]

    def _view(self, name: str, asked: Asked) -> Callable[..., HttpResponse]:
        return partial(self._taken, name=name, asked=asked)

    def _taken(self, request: HttpRequest, pk: int, *, name: str, asked: Asked) -> HttpResponse:
        row = self.to_change(request, pk)
        back = _address(row, "change" if row.status in PLANNED and request.method != "POST" else "results")
        return confirmed(request, row, _step(request, row, name, asked), back=back)


def _step(request: HttpRequest, row: Experiment, name: str, asked: Asked) -> Step:
    form = asked.form(row, request.POST if request.method == "POST" else None) if asked.form else None

    def act() -> Any:
        more = form.answers() if form else {}
        return getattr(lifecycle, name)(row.pk, actor=actor(request.user), at=timezone.now(), **more)

    return Step(
        question=asked.question.format(name=row.name),
        consequence=asked.consequence,
        button=asked.label,
        done=asked.done.format(name=row.name),
        act=act,
        refusals=(lifecycle.Unable,),
        stops=asked.stops,
        form=form,
        notes=_notes(row, name, asked) if request.method == "GET" else (),
        lands=_landing,
    )


def _notes(row: Experiment, name: str, asked: Asked) -> tuple[tuple[str, str], ...]:
    """The checklist; a review that is missing offers no start, and needs no words on the way to it."""
    if name == "archive" and row.shipped_arm:
        return (("warn", f"The allocation API gives out “{row.shipped_arm}” until then: build it in first."),)
    if not asked.checked:
        return ()
    listed = checklist.of(row, timezone.now())
    return tuple((item.state.value, item.sentence) for item in listed if item.key != REVIEW)


def _landing(row: Experiment) -> str:
    """Of what is planned the plan, of what has run the result."""
    return _address(row, "change" if row.status in PLANNED else "results")
