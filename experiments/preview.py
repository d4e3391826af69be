"""What a plan would promise, while it is being written: the checklist of a form that nobody has saved."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from experiments.lifecycle import checklist
from experiments.models import Experiment

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Experiment]
else:
    Base = object


class PreviewPages(Base):
    """Of an admin of experiments."""

    def preview_pages(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview)
        return [
            path("add/preview/", view, name="experiments_experiment_preview_add"),
            path("<int:pk>/preview/", view, name="experiments_experiment_preview"),
        ]

    def preview(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """The checklist as a piece of HTML; what is still missing instead, as long as the form is not whole."""
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        row = get_object_or_404(Experiment, pk=pk) if pk else None
        if not (self.has_change_permission(request, row) if row else self.has_add_permission(request)):
            raise PermissionDenied
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row)
        form_is_whole = form.is_valid()
        plan = form.save(commit=False) if form_is_whole else form.instance
        formsets, _ = self._create_formsets(request, plan, change=row is not None)  # type: ignore[attr-defined]
        sets_are_whole = [one.is_valid() for one in formsets]
        whole = form_is_whole and all(sets_are_whole)
        listed = items(form, formsets, timezone.now()) if whole else []
        context = {"items": listed, "missing": [] if whole else missing(form, formsets)}
        return TemplateResponse(request, "experiments/preview.html", context)


def items(form: ModelForm[Experiment], formsets: Sequence[BaseInlineFormSet[Any, Any, Any]], at: datetime) -> list[Any]:
    """As the rows would be, then nothing of it: the same checklist as before the start reads the same tables."""
    with transaction.atomic():
        plan = form.save()
        for one in formsets:
            one.instance = plan
            one.save()
        listed = checklist.of(plan, at)
        transaction.set_rollback(True)
    return listed


def missing(form: ModelForm[Experiment], formsets: Sequence[BaseInlineFormSet[Any, Any, Any]]) -> list[str]:
    """Labels of what is not right yet, each once."""
    fields = [str(form.fields[name].label or name) for name in form.errors if name in form.fields]
    models = [one.model for one in formsets if one.model and not one.is_valid()]
    lines = [str(model._meta.verbose_name_plural) for model in models]
    return list(dict.fromkeys(text.replace("_", " ").lower() for text in (*fields, *lines)))
