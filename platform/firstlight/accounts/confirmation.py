"""Steps that change what runs: asked once more on a page of their own, done by POST, refused in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
else:
    from unfold.admin import ModelAdmin

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Step:
    question: str  # Start “Ranker DIN”?
    consequence: str  # what happens then, in a sentence
    button: str
    done: str  # what is said afterwards
    act: Callable[[], object]
    refusals: tuple[type[Exception], ...] = ()
    stops: bool = False  # shown as a warning
    form: forms.Form | None = None  # what must be known besides; bound where the request is a POST
    notes: tuple[tuple[str, str], ...] = ()  # (ok, warn or fail, sentence): what to know before
    is_barred: bool = False  # by what failed: the button is not offered
    lands: Callable[[Any], str] | None = None  # where to go with what `act` gave; None: back


def confirmed(request: HttpRequest, row: Model, step: Step, *, back: str) -> HttpResponse:
    """GET asks, POST acts and goes back; a refusal is shown where it was asked, with status 409, a fault with 422."""
    refusal, faulty = "", request.method == "POST" and step.form is not None and not step.form.is_valid()
    if request.method == "POST" and not faulty:
        try:
            given = step.act()
        except step.refusals as error:
            refusal = str(error)
        else:
            messages.success(request, step.done)
            return HttpResponseRedirect(step.lands(given) if step.lands else back)
    context = {
        **admin.site.each_context(request),
        "title": step.question,
        "step": step,
        "refusal": refusal,
        "back": back,
        "opts": row._meta,
        "object": row,
    }
    status = 409 if refusal else 422 if faulty else 200
    return TemplateResponse(request, "console/confirm.html", context, status=status)


class SteppedAdmin(ModelAdmin[Row], Generic[Row]):
    """An admin whose rows have pages of their own: `<pk>/start/`, `<pk>/results/`, named `app_model_start`."""

    def page_of(self, tail: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        return path(f"<int:pk>/{tail}", self.admin_site.admin_view(view), name=self._named(name))

    def address(self, row: Row, name: str) -> str:
        return reverse(f"admin:{self._named(name)}", args=[row.pk])

    def _named(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def to_see(self, request: HttpRequest, pk: int) -> Row:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._found(request, pk)

    def to_change(self, request: HttpRequest, pk: int) -> Row:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self._found(request, pk)

    def _found(self, request: HttpRequest, pk: int) -> Row:
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return row
