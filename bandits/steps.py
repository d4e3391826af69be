"""The steps of a campaign as pages of the admin: each asks once more, tells what to know, and makes one call."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from bandits import checklist, lifecycle
from bandits.models import Campaign, Status
from firstlight.accounts.audited import actor
from firstlight.accounts.confirmation import Step, SteppedAdmin, confirmed
from firstlight.console import words


class WhyForm(forms.Form):
    """Why a campaign is paused, for those who find it so."""

    because = forms.CharField(
        label="Why",
        required=False,
        max_length=1_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Stands on its page until it is resumed.",
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A step in words."""

    label: str
    icon: str
    consequence: str  # {slots}, {scenario}
    done: str  # {name}
    sources: tuple[Status, ...]  # states in which it is offered
    tone: str = ""  # main, stop
    form: type[forms.Form] | None = None


STEPS = {
    "start": Asked(
        "Start",
        "play_arrow",
        "It fills {slots} of “{scenario}” and learns from what people do. Its plan is fixed from then on.",
        "“{name}” runs. Within two seconds every web process knows it.",
        (Status.DRAFT,),
        "main",
    ),
    "resume": Asked(
        "Resume",
        "play_arrow",
        "It fills {slots} of “{scenario}” again, with what it had learned.",
        "“{name}” runs again.",
        (Status.PAUSED,),
        "main",
    ),
    "pause": Asked(
        "Pause",
        "pause",
        "Its slots go to the recommender until somebody resumes it. They stay its own, and what it learned stays.",
        "“{name}” is paused.",
        (Status.RUNNING,),
        form=WhyForm,
    ),
    "stop": Asked(
        "Stop",
        "stop",
        "Its slots go back to the recommender. What it learned stays; it cannot be started again.",
        "“{name}” is stopped.",
        (Status.RUNNING, Status.PAUSED),
        "stop",
    ),
}


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    icon: str
    address: str
    tone: str


def buttons(row: Campaign) -> list[Button]:
    """To the steps that it can take."""
    return [
        Button(f"{asked.label}…", asked.icon, reverse(f"admin:bandits_campaign_{name}", args=[row.pk]), asked.tone)
        for name, asked in STEPS.items()
        if row.status in asked.sources
    ]


class SteppedCampaigns(SteppedAdmin[Campaign]):
    """Every step of `STEPS` at its address."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Campaign | None:
        """For a form that is saved, locked first: a step taken meanwhile must not be overwritten by it."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST" or not connection.in_atomic_block:
            return found
        Campaign.objects.select_for_update().get(pk=found.pk)
        return super().get_object(request, object_id, from_field)

    def step_pages(self) -> list[URLPattern]:
        return [self.page_of(f"{name}/", self._view(name, asked), name) for name, asked in STEPS.items()]

    def _view(self, name: str, asked: Asked) -> Callable[..., HttpResponse]:
        return partial(self._taken, name=name, asked=asked)

    def _taken(self, request: HttpRequest, pk: int, *, name: str, asked: Asked) -> HttpResponse:
        row = self.to_change(request, pk)
        return confirmed(request, row, _step(request, row, name, asked), back=_landing(row))


def _step(request: HttpRequest, row: Campaign, name: str, asked: Asked) -> Step:
    form = asked.form(request.POST if request.method == "POST" else None) if asked.form else None

    def act() -> Any:
        more = form.cleaned_data if form else {}
        return getattr(lifecycle, name)(row.pk, actor=actor(request.user), at=timezone.now(), **more)

    notes = _notes(row, name) if request.method == "GET" else ()
    slots = words.listing([str(position) for position in sorted(row.positions)])
    return Step(
        question=f"{asked.label} “{row.name}”?",
        consequence=asked.consequence.format(
            slots=f"slot{'s' * (len(row.positions) > 1)} {slots}", scenario=row.scenario
        ),
        button=asked.label,
        done=asked.done.format(name=row.name),
        act=act,
        refusals=(lifecycle.Unable,),
        stops=asked.tone == "stop",
        form=form,
        notes=notes,
        is_barred=name == "start" and any(state == "fail" for state, _ in notes),
        lands=_landing,
    )


def _notes(row: Campaign, name: str) -> tuple[tuple[str, str], ...]:
    """What to know before: the checklist of a start, why it was paused."""
    if name == "start":
        return tuple((check.state, check.sentence) for check in checklist.of(row))
    if name == "resume" and row.paused_because:
        return (("warn", f"Why it is paused: {row.paused_because}"),)
    return ()


def _landing(row: Campaign) -> str:
    """Of what is planned the plan, of what has run the result."""
    name = "change" if row.status == Status.DRAFT else "results"
    return reverse(f"admin:bandits_campaign_{name}", args=[row.pk])
