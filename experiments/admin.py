"""Admin of experiments: plan, start, stop, read the result."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments import calendar, forms, groups, past, planning
from experiments.models import Experiment, Layer, Look, SavedGroup, Status
from experiments.page import n_units, verdict_tone
from experiments.preview import PreviewPages
from experiments.result_pages import ResultPages
from experiments.steps import SteppedExperiments
from firstlight.accounts.audited import AuditedAdmin
from firstlight.console import words
from firstlight.console.pictures import exported

STATUS_TONES = dict.fromkeys(Status, "neutral") | {Status.RUNNING: "info", Status.PAUSED: "warn"}


@admin.register(Layer)
class LayerAdmin(AuditedAdmin[Layer]):
    says_when_empty = (
        "A layer keeps experiments apart: no unit is in two of the same. Two that set one parameter need one."
    )
    list_display = ["name", "key", "description"]
    search_fields = ["key", "name"]
    fields = [("name", "key"), "description"]
    change_form_outer_after_template = "experiments/map.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Layer | None = None) -> list[str]:
        return ["key"] if obj else []  # it seeds the hash of every experiment in it

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.map)
        return [
            path("<int:pk>/<slug:picture>.<slug:form>", view, name="experiments_layer_map"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        layer = self.get_object(request, object_id)
        found = calendar.settings_of(layer) if layer else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **found})

    def map(self, request: HttpRequest, pk: int, picture: str, form: str) -> HttpResponse:
        """Who holds which buckets, as a file."""
        layer = get_object_or_404(Layer, pk=pk)
        if not self.has_view_permission(request, layer):
            raise PermissionDenied
        found = calendar.allocation(layer, timezone.now())
        return exported([found] if found else [], picture, form, name=layer.key)


@admin.register(SavedGroup)
class SavedGroupAdmin(AuditedAdmin[SavedGroup]):
    says_when_empty = "A saved group is a long list with a name: conditions say {“user_id”: {“$inGroup”: “testers”}}."
    form = forms.SavedGroupForm
    list_display = ["name", "key", "attribute", "size", "named_by"]
    search_fields = ["key", "name"]
    fields = [("name", "key"), "description", ("attribute", "are_numbers"), "values"]

    def get_readonly_fields(self, request: HttpRequest, obj: SavedGroup | None = None) -> list[str]:
        return ["key"] if obj else []  # conditions name it

    @admin.display(description="Values")
    def size(self, row: SavedGroup) -> str:
        return words.count(len(row.values))

    @admin.display(description="Named by")
    def named_by(self, row: SavedGroup) -> str:
        return ", ".join(groups.users(row)) or "–"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Those that a condition names are shown as what stands in the way."""
        found, counts, missing, kept = super().get_deleted_objects(objs, request)
        return found, counts, missing, [*kept, *filter(None, map(groups.why_kept, objs))]

    def delete_model(self, request: HttpRequest, obj: SavedGroup) -> None:
        with transaction.atomic():
            groups.hold()
            if groups.why_kept(obj):  # since the page was asked for
                raise PermissionDenied(groups.why_kept(obj))
            super().delete_model(request, obj)


@admin.register(Experiment)
class ExperimentAdmin(ResultPages, SteppedExperiments, PreviewPages, AuditedAdmin[Experiment]):
    says_when_empty = "Plan the first: who, which arms, what is measured. The form says what it could find."
    form = forms.ExperimentForm
    inlines = [
        planning.ArmInline,
        planning.MeasuredInline,
        planning.RampInline,
        planning.FurtherLayerInline,
        planning.PrerequisiteInline,
    ]
    audited_children = ("arms", "measured", "ramp", "further_layers", "requires")
    list_display = ["titled", "state", "verdict", "health", "units", "time"]
    list_display_links = None
    list_filter = ["status", "scenarios", "owner"]
    search_fields = ["key", "name", "hypothesis"]
    list_before_template = "experiments/help.html"
    change_form_outer_before_template = "experiments/strip.html"
    change_form_after_template = "experiments/live.html"
    fieldsets = planning.STEPS

    # --- list ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Experiment]:
        newest = Look.objects.filter(experiment=OuterRef("pk")).order_by("-number")
        return (
            super()
            .get_queryset(request)
            .annotate(
                newest_verdict=Subquery(newest.values("verdict")[:1]),
                newest_sentence=Subquery(newest.values("sentence")[:1]),
                newest_arms=Subquery(newest.values("results__arms")[:1]),
                newest_health=Subquery(newest.values("results__health")[:1]),
            )
        )

    @admin.display(description="Experiment", ordering="name")
    def titled(self, row: Experiment) -> SafeString:
        page = "change" if row.status == Status.DRAFT else "results"
        link = reverse(f"admin:experiments_experiment_{page}", args=[row.pk])
        return format_html(
            '<a class="fl-named" href="{}">{}</a><span class="fl-key">{}</span>', link, row.name, row.key
        )

    @admin.display(description="Status", ordering="status")
    def state(self, row: Experiment) -> SafeString:
        tone, said = STATUS_TONES[Status(row.status)], row.get_status_display().lower()
        return format_html('<span class="fl-badge fl-{}">{}</span>', tone, said)

    @admin.display(description="Verdict")
    def verdict(self, row: Any) -> SafeString | str:
        if not row.newest_verdict:
            return "not analysed yet" if row.status != Status.DRAFT else "–"
        badge = format_html(
            '<span class="fl-badge fl-{}">{}</span> ', verdict_tone(row.newest_verdict), row.newest_verdict
        )
        return format_html('<span class="fl-short">{}{}</span>', badge, row.newest_sentence)

    @admin.display(description="Health")
    def health(self, row: Any) -> SafeString | str:
        if row.newest_health is None:
            return "–"
        failed = [check["sentence"] for check in row.newest_health if check["passed"] is False]
        tone, text = ("worse", words.plural(len(failed), "alarm")) if failed else ("better", "in order")
        return format_html('<span class="fl-badge fl-{}" title="{}">{}</span>', tone, " ".join(failed), text)

    @admin.display(description="Units")
    def units(self, row: Any) -> str:
        return words.count(n_units(row.newest_arms)) if row.newest_arms else "–"

    @admin.display(description="Time", ordering="started_at")
    def time(self, row: Experiment) -> str:
        return time_left(row)

    # --- form ---

    def get_readonly_fields(self, request: HttpRequest, obj: Experiment | None = None) -> list[str]:
        if obj is None:
            return []
        return ["key"] if planning.is_draft(obj) else ["key", *planning.FIXED]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Experiment | None = None) -> dict[str, Any]:
        return {} if obj else {"key": ["name"]}

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return planning.is_draft(obj) and super().has_delete_permission(request, obj)

    # --- steps and pages ---

    def get_urls(self) -> list[URLPattern]:
        return [
            *self.step_pages(),
            *self.result_pages(),
            *self.preview_pages(),
            *self._pages("calendar", calendar),
            *self._pages("past", past),
            *super().get_urls(),
        ]

    def _pages(self, name: str, pages: Any) -> list[URLPattern]:
        """A page over all experiments, and its pictures beside it."""
        seen = self.admin_site.admin_view
        return [
            path(f"{name}/", seen(pages.page), name=f"experiments_experiment_{name}"),
            path(
                f"{name}/<slug:picture>.<slug:form>", seen(pages.export), name=f"experiments_experiment_{name}_picture"
            ),
        ]


def time_left(row: Experiment) -> str:
    """Days of the plan that are left while it runs; when it ended afterwards."""
    if row.stopped_at:
        return f"ended {row.stopped_at:%-d %b %Y}"
    if not row.started_at:
        return f"{words.plural(row.planned_days, 'day')} planned"
    left = row.started_at + timedelta(days=row.planned_days) - timezone.now()
    return f"{words.duration(left)} left" if left > timedelta(0) else "plan reached"
