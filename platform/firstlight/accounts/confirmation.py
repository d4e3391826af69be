"""Steps that change what runs: asked once more on a page of their own, done by POST, refused in words."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse


@dataclass(frozen=True, slots=True)
class Step:
    question: str  # Start “Ranker DIN”?
    consequence: str  # what happens then, in a sentence
    button: str
    done: str  # what is said afterwards
    act: Callable[[], object]
    refusals: tuple[type[Exception], ...] = ()
    stops: bool = False  # shown as a warning


def confirmed(request: HttpRequest, row: Model, step: Step, *, back: str) -> HttpResponse:
    """GET asks, POST acts and goes back; a refusal is shown where it was asked, with status 409."""
    refusal = ""
    if request.method == "POST":
        try:
            step.act()
        except step.refusals as error:
            refusal = str(error)
        else:
            messages.success(request, step.done)
            return HttpResponseRedirect(back)
    context = {
        **admin.site.each_context(request),
        "title": step.question,
        "step": step,
        "refusal": refusal,
        "back": back,
        "opts": row._meta,
        "object": row,
    }
    return TemplateResponse(request, "console/confirm.html", context, status=409 if refusal else 200)
