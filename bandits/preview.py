"""What a plan would mean, while it is being written: who would take part, and what is in the way of a start."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from bandits import checklist, pool
from bandits.models import Campaign
from firstlight.console import words

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Campaign]
else:
    Base = object

SHOWN = 5  # items by name


class PreviewPages(Base):
    """Of an admin of campaigns."""

    def preview_pages(self) -> list[URLPattern]:
        seen = self.admin_site.admin_view
        return [
            path("pool/", seen(self.pool), name="bandits_campaign_pool"),
            path("add/preview/", seen(self.preview), name="bandits_campaign_preview_add"),
            path("<int:pk>/preview/", seen(self.preview), name="bandits_campaign_preview"),
        ]

    def pool(self, request: HttpRequest) -> HttpResponse:
        """How many items would take part, in words, whatever else of the form is not filled in yet."""
        form = self._bound(request, None)
        form.is_valid()
        faults = [str(form.fields[name].label) for name in form.errors if name.startswith("pool_")]
        context = _counted(pool.Rule.given(form.cleaned_data)) if not faults else {"faults": faults}
        return TemplateResponse(request, "bandits/pool.html", context)

    def preview(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """The checklist as a piece of HTML; what is still missing instead, as long as the form is not whole."""
        form = self._bound(request, get_object_or_404(Campaign, pk=pk) if pk else None)
        listed = items(form) if form.is_valid() else []
        missing = [str(form.fields[name].label or name).lower() for name in form.errors if name in form.fields]
        return TemplateResponse(request, "bandits/preview.html", {"items": listed, "missing": missing})

    def _bound(self, request: HttpRequest, row: Campaign | None) -> ModelForm[Campaign]:
        """The form as it was sent, of who may save it."""
        if request.method != "POST" or not (
            self.has_change_permission(request, row) if row else self.has_add_permission(request)
        ):
            raise PermissionDenied
        return self.get_form(request, row, change=row is not None)(request.POST, instance=row)


def _counted(asked: pool.Rule) -> dict[str, Any]:
    found = pool.matching(asked, timezone.now())
    return {"n": found.count(), "first": words.listing([str(item) for item in found.order_by("-listed_at")[:SHOWN]])}


def items(form: ModelForm[Campaign]) -> list[checklist.Check]:
    """As the row would be, then nothing of it: the same checklist as before the start reads the same tables."""
    with transaction.atomic():
        listed = checklist.of(form.save())
        transaction.set_rollback(True)
    return listed
