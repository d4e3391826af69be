"""Published versions: the list, what differs between two, and back to an earlier one."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextareaWidget

from firstlight.accounts.audited import ShownAdmin, actor
from firstlight.accounts.confirmation import Step, confirmed
from firstlight.snapshots import diffs, returning
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.models import Version


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Why", max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))


@admin.register(Version)
class VersionAdmin(ShownAdmin[Version]):
    list_display = ["number", "created_at", "says", "compare"]
    list_per_page = 50
    show_full_result_count = False
    list_before_template = "snapshots/hold.html"

    @admin.display(description="Says")
    def says(self, version: Version) -> str:
        return f"what snapshot {version.returns_to} said" if version.returns_to else "the present state"

    @admin.display(description="")
    def compare(self, version: Version) -> str:
        """With the one before it."""
        return format_html(
            '<a href="{}">What changed</a>', reverse("admin:snapshots_version_change", args=[version.pk])
        )

    def get_urls(self) -> list[URLPattern]:
        seen = self.admin_site.admin_view
        return [
            path("lift/", seen(self.lift), name="snapshots_version_lift"),
            path("<int:pk>/roll-back/", seen(self.roll_back), name="snapshots_version_roll_back"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        more = {"hold": returning.standing(), "may_lift": request.user.has_perm("snapshots.change_hold")}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A version is shown by what it changed: against the one before it, or the one that `to` names."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        version = self._version(object_id)
        other = request.GET.get("from", "")
        before = self._version(other) if other else Version.objects.filter(number__lt=version.number).first()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Snapshot {version.number}",
            "opts": self.opts,
            "version": version,
            "before": before,
            "hold": returning.standing(),
            "may_return": request.user.has_perm("snapshots.add_hold"),
            "may_lift": request.user.has_perm("snapshots.change_hold"),
            "is_newest": version == Version.objects.first(),
            **_told(before, version),
        }
        return TemplateResponse(request, "snapshots/version.html", context)

    def roll_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("snapshots.add_hold"):
            raise PermissionDenied
        version = self._version(str(pk))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        step = Step(
            question=f"Serve by snapshot {pk} again?",
            consequence="Every web process decides by it within two seconds. What is changed from now on is not "
            "served until somebody lifts this; keys that are made or revoked count all the same.",
            button="Roll back",
            done=f"Serving decides by snapshot {pk} again.",
            act=lambda: returning.roll_back(
                pk, actor=actor(request.user), at=timezone.now(), reason=form.cleaned_data["reason"]
            ),
            refusals=(returning.UnableToReturn,),
            stops=True,
            form=form,
        )
        return confirmed(request, version, step, back=reverse("admin:snapshots_version_changelist"))

    def lift(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("snapshots.change_hold"):
            raise PermissionDenied
        step = Step(
            question="Publish the present state again?",
            consequence="Everything that was changed meanwhile is served within two seconds.",
            button="Lift the hold",
            done="Serving follows every change again.",
            act=lambda: returning.lift(actor=actor(request.user), at=timezone.now()),
            refusals=(returning.UnableToReturn,),
        )
        newest = Version.objects.first()
        if newest is None:
            raise Http404
        return confirmed(request, newest, step, back=reverse("admin:snapshots_version_changelist"))

    def _version(self, number: str) -> Version:
        found = Version.objects.filter(number=int(number)).first() if number.isdecimal() and len(number) < 19 else None
        if found is None:
            raise Http404("There is no such snapshot.")
        return found


def _told(before: Version | None, version: Version) -> dict[str, Any]:
    """What the page says of the difference."""
    if before is None:
        return {"sentence": "There is no earlier one to compare it with."}
    try:
        found = diffs.between(before, version)
    except Damaged as error:
        return {"sentence": f"One of the two is damaged: {error}. No web process takes it over."}
    return {"sentence": f"Since snapshot {before.number}: {found.sentence}.", "changes": found.changes}
