"""The steps of an experiment as pages of the admin: each asks once more, tells what to know, and makes one call."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone

from experiments import lifecycle, preview_links
from experiments.lifecycle import checklist, prerequisites
from experiments.lifecycle.items import REVIEW
from experiments.models import PLANNED, Experiment
from experiments.steps.offered import address
from experiments.steps.words import STEPS, Asked
from firstlight.accounts.audited import actor
from firstlight.accounts.confirmation import Step, SteppedAdmin, confirmed

BARRED = frozenset({"schedule", "start"})  # by what failed in the checklist; a submission may still be talked about


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
        return confirmed(request, row, _step(request, row, name, asked), back=_landing(row))


def _step(request: HttpRequest, row: Experiment, name: str, asked: Asked) -> Step:
    form = asked.form(row, request.POST if request.method == "POST" else None) if asked.form else None

    def act() -> Any:
        more = form.answers() if form else {}
        return getattr(lifecycle, name)(row.pk, actor=actor(request.user), at=timezone.now(), **more)

    notes = (*_notes(row, name, asked), *_links(request, row, name)) if request.method == "GET" else ()
    return Step(
        question=asked.question.format(name=row.name),
        consequence=asked.consequence,
        button=asked.label,
        done=asked.done.format(name=row.name),
        act=act,
        refusals=(lifecycle.Unable,),
        stops=asked.stops,
        form=form,
        notes=notes,
        is_barred=name in BARRED and any(state == "fail" for state, _ in notes),
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


def _links(request: HttpRequest, row: Experiment, name: str) -> list[tuple[str, str]]:
    """One for each arm, for who shall see it once and is on no list."""
    if name != "force" or not prerequisites.can_force(row):
        return []
    arms = row.arms.order_by("position").values_list("key", flat=True)
    made = {arm: preview_links.make(row, arm, timezone.now(), preview_links.USUAL) for arm in arms}
    return [
        (
            "ok",
            f"Preview link of “{arm}”, good until {one.until:%d %B}: {request.build_absolute_uri(one.address)}",
        )
        for arm, one in made.items()
    ]


def _landing(row: Experiment) -> str:
    """Of what is planned the plan, of what has run the result."""
    return address(row, "change" if row.status in PLANNED else "results")
