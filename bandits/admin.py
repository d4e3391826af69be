"""Admin of discovery campaigns: plan, start, stop, see what was found."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bandits import planning, results
from bandits.evaluation_pages import EvaluationPages
from bandits.forms import CampaignForm
from bandits.models import Campaign, Status
from bandits.outcome_pages import OutcomePages
from bandits.preview import PreviewPages
from bandits.simulation_pages import SimulationPages
from bandits.steps import SteppedCampaigns
from firstlight.accounts.audited import AuditedAdmin
from firstlight.console import words

STATUS_TONES = {Status.DRAFT: "neutral", Status.RUNNING: "info", Status.PAUSED: "warn", Status.STOPPED: "neutral"}


@admin.register(Campaign)
class CampaignAdmin(
    SimulationPages, EvaluationPages, SteppedCampaigns, PreviewPages, OutcomePages, AuditedAdmin[Campaign]
):
    says_when_empty = "A campaign shows new items in slots of a scenario and learns which are good. Make the first."
    form = CampaignForm
    list_display = ["titled", "scenario", "slots", "state", "started_at"]
    list_display_links = None
    list_filter = ["status", "scenario"]
    list_select_related = ["scenario"]
    search_fields = ["key", "name"]
    autocomplete_fields = ["pool_categories", "pool_merchants"]
    list_before_template = "bandits/help.html"
    change_form_outer_before_template = "bandits/strip.html"
    change_form_after_template = "bandits/live.html"

    @admin.display(description="Campaign", ordering="name")
    def titled(self, row: Campaign) -> SafeString:
        link = reverse(f"admin:bandits_campaign_{'change' if row.status == Status.DRAFT else 'results'}", args=[row.pk])
        return format_html(
            '<a class="fl-named" href="{}">{}</a><span class="fl-key">{}</span>', link, row.name, row.key
        )

    @admin.display(description="Slots")
    def slots(self, row: Campaign) -> str:
        return words.listing([str(p) for p in row.positions])

    @admin.display(description="Status", ordering="status")
    def state(self, row: Campaign) -> SafeString:
        return format_html('<span class="fl-badge fl-{}">{}</span>', STATUS_TONES[Status(row.status)], row.status)

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        return planning.steps(obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        return planning.fixed(obj)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Campaign | None = None) -> dict[str, Any]:
        return {} if obj else {"key": ["name"]}

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return (obj is None or obj.status == Status.DRAFT) and super().has_delete_permission(request, obj)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        pool = results.pool_size(row) if row and row.status == Status.DRAFT else None
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "pool": pool})

    def get_urls(self) -> list[URLPattern]:
        at = self.page_of
        return [
            *self.step_pages(),
            *self.preview_pages(),
            *self.outcome_pages(),
            *self.simulation_pages(),
            *self.evaluation_pages(),
            *self.outcome_pages(),
            at("results/", self.results, "results"),
            at("results/<slug:picture>.<slug:form>", self.picture, "picture"),
            *super().get_urls(),
        ]

    def results(self, request: HttpRequest, pk: int) -> HttpResponse:
        return results.page(request, self.to_see(request, pk), may_change=self.has_change_permission(request))

    def picture(self, request: HttpRequest, pk: int, picture: str, form: str) -> HttpResponse:
        return results.export(request, self.to_see(request, pk), picture, form)
