"""Admin of experiments: plan, start, stop, read the result."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments import calendar, forms, lifecycle, past, results
from experiments.models import Arm, Experiment, ExperimentMetric, Layer, Look, Status
from experiments.page import n_units, verdict_tone
from firstlight.accounts.audited import AuditedAdmin, TabularInline, actor
from firstlight.accounts.confirmation import Step, confirmed
from firstlight.console import words
from firstlight.console.pictures import exported

STATUS_TONES = {Status.DRAFT: "neutral", Status.RUNNING: "info", Status.STOPPED: "neutral"}

if TYPE_CHECKING:
    _ArmInline = TabularInline[Arm, Experiment]
    _MeasuredInline = TabularInline[ExperimentMetric, Experiment]
else:
    _ArmInline = _MeasuredInline = TabularInline


class _LineOfDraft:
    """What belongs to the plan is fixed once the experiment has started."""

    def has_add_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return _is_draft(obj) and super().has_add_permission(request, obj)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return _is_draft(obj) and super().has_change_permission(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return _is_draft(obj) and super().has_delete_permission(request, obj)  # type: ignore[misc]


class ArmInline(_LineOfDraft, _ArmInline):
    model = Arm
    form = forms.ArmForm
    formset: Any = forms.ArmFormSet
    hide_title = True
    verbose_name_plural = "Arms – the first is the control; the weights sum to 1"

    def get_extra(self, request: HttpRequest, obj: Experiment | None = None, **kwargs: Any) -> int:
        return 0 if obj and obj.arms.exists() else 2


class MeasuredInline(_LineOfDraft, _MeasuredInline):
    model = ExperimentMetric
    form = forms.MeasuredForm
    formset: Any = forms.MeasuredFormSet
    hide_title = True
    verbose_name = "metric"
    verbose_name_plural = "Metrics – goals decide, guardrails protect"

    def get_extra(self, request: HttpRequest, obj: Experiment | None = None, **kwargs: Any) -> int:
        return 0 if obj and obj.measured.exists() else 1


@admin.register(Layer)
class LayerAdmin(AuditedAdmin[Layer]):
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


@admin.register(Experiment)
class ExperimentAdmin(AuditedAdmin[Experiment]):
    form = forms.ExperimentForm
    inlines = [ArmInline, MeasuredInline]
    audited_children = ("arms", "measured")
    list_display = ["titled", "state", "verdict", "health", "units", "time"]
    list_display_links = None
    list_filter = ["status", "scenarios", "owner"]
    search_fields = ["key", "name", "hypothesis"]
    list_before_template = "experiments/help.html"
    change_form_outer_before_template = "experiments/strip.html"
    fieldsets = [
        ("What and why", {"fields": [("name", "key"), "hypothesis", "owner"]}),
        ("Where and who", {"fields": ["scenarios", ("unit", "coverage")]}),
        ("How sure, how long", {"fields": [("confidence", "planned_days")]}),
        (
            "Share a layer with others",
            {
                "fields": ["layer", ("first_bucket", "end_bucket")],
                "classes": ["collapse"],
                "description": "Experiments in one layer exclude each other: each holds its own buckets of 10,000.",
            },
        ),
    ]

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
        return format_html('<span class="fl-badge fl-{}">{}</span>', STATUS_TONES[Status(row.status)], row.status)

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
        if _is_draft(obj):
            return ["key"]
        return [
            "key",
            "scenarios",
            "unit",
            "coverage",
            "confidence",
            "planned_days",
            "layer",
            "first_bucket",
            "end_bucket",
        ]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Experiment | None = None) -> dict[str, Any]:
        return {} if obj else {"key": ["name"]}

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return _is_draft(obj) and super().has_delete_permission(request, obj)

    # --- steps and pages ---

    def get_urls(self) -> list[URLPattern]:
        def at(tail: str, view: Any, name: str) -> Any:
            return path(f"<int:pk>/{tail}", self.admin_site.admin_view(view), name=f"experiments_experiment_{name}")

        return [
            at("start/", self.start, "start"),
            at("stop/", self.stop, "stop"),
            at("analyse/", self.analyse, "analyse"),
            at("results/", self.results, "results"),
            at("results/newest/", self.newest, "newest"),
            at("results/<slug:picture>.<slug:form>", self.picture, "picture"),
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

    def start(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self._to_change(request, pk)
        step = Step(
            question=f"Start “{row.name}”?",
            consequence="From now on the allocation API puts units into its arms, and the plan cannot change any more.",
            button="Start",
            done=f"“{row.name}” runs. Within two seconds every web process knows it.",
            act=lambda: lifecycle.start(row.pk, actor=actor(request.user), at=timezone.now()),
            refusals=(lifecycle.UnableToStart,),
        )
        return confirmed(request, row, step, back=_address(row, "results" if request.method == "POST" else "change"))

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self._to_change(request, pk)
        step = Step(
            question=f"Stop “{row.name}”?",
            consequence="No unit is put into its arms any more. What was measured stays; it cannot be started again.",
            button="Stop",
            done=f"“{row.name}” is stopped.",
            act=lambda: lifecycle.stop(row.pk, actor=actor(request.user), at=timezone.now()),
            refusals=(lifecycle.UnableToStop,),
            stops=True,
        )
        return confirmed(request, row, step, back=_address(row, "results"))

    def analyse(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask a worker for a look; the page waits for it."""
        from experiments import tasks  # brings the engine along, which no other page needs

        row = self._to_change(request, pk)
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        newest = row.looks.order_by("-number").values_list("number", flat=True).first() or 0
        try:
            tasks.analyse.delay(experiment_id=row.pk)
        except tasks.analyse.OperationalError:
            messages.error(
                request, "The queue of the workers does not answer. Nothing was asked for; try again in a minute."
            )
            return HttpResponseRedirect(_address(row, "results"))
        return HttpResponseRedirect(f"{_address(row, 'results')}?after={newest}")

    def results(self, request: HttpRequest, pk: int) -> HttpResponse:
        return results.page(request, self._to_see(request, pk), may_change=self.has_change_permission(request))

    def newest(self, request: HttpRequest, pk: int) -> JsonResponse:
        row = self._to_see(request, pk)
        return JsonResponse({"number": row.looks.order_by("-number").values_list("number", flat=True).first() or 0})

    def picture(self, request: HttpRequest, pk: int, picture: str, form: str) -> HttpResponse:
        return results.export(request, self._to_see(request, pk), picture, form)

    def _to_see(self, request: HttpRequest, pk: int) -> Experiment:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return _found(pk)

    def _to_change(self, request: HttpRequest, pk: int) -> Experiment:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return _found(pk)


def time_left(row: Experiment) -> str:
    """Days of the plan that are left while it runs; when it ended afterwards."""
    if row.stopped_at:
        return f"ended {row.stopped_at:%-d %b %Y}"
    if not row.started_at:
        return f"{words.plural(row.planned_days, 'day')} planned"
    left = row.started_at + timedelta(days=row.planned_days) - timezone.now()
    return f"{words.duration(left)} left" if left > timedelta(0) else "plan reached"


def _found(pk: int) -> Experiment:
    row = Experiment.objects.filter(pk=pk).first()
    if row is None:
        raise Http404("There is no such experiment.")
    return row


def _is_draft(row: Experiment | None) -> bool:
    return row is None or row.status == Status.DRAFT


def _address(row: Experiment, name: str) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=[row.pk])
