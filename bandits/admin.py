"""Admin of discovery campaigns: plan, start, stop, see what was found."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bandits import results
from bandits.models import Campaign, Status
from bandits.steps import SteppedCampaigns
from firstlight.accounts.audited import AuditedAdmin
from firstlight.console import words

STATUS_TONES = {Status.DRAFT: "neutral", Status.RUNNING: "info", Status.PAUSED: "warn", Status.STOPPED: "neutral"}
POOL = ["pool_categories", "pool_merchants", "pool_tags", "pool_max_age_days", "pool_in_stock"]


class CampaignForm(forms.ModelForm[Campaign]):
    class Meta:
        help_texts = {
            "key": "What events and answers call it. It cannot change later.",
            "positions": "Slots of the page that the campaign fills, separated by commas: 3, 8.",
            "pool_categories": "Empty: all categories.",
            "pool_merchants": "Empty: all merchants.",
        }

    def clean_positions(self) -> list[int]:
        given: list[int] = self.cleaned_data["positions"]
        if len(set(given)) < len(given):
            raise forms.ValidationError("Name each slot once.")
        return sorted(given)


@admin.register(Campaign)
class CampaignAdmin(SteppedCampaigns, AuditedAdmin[Campaign]):
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
    fieldsets = [
        ("What", {"fields": [("name", "key"), "owner"]}),
        ("Where", {"fields": [("scenario", "positions")]}),
        (
            "Which items",
            {
                "fields": [("pool_categories", "pool_merchants"), ("pool_tags", "pool_max_age_days"), "pool_in_stock"],
                "description": "An item takes part while all that is set here holds for it. Nothing set: every item.",
            },
        ),
        ("How bold", {"fields": [("floor", "merchant_cap"), ("attribution_hours", "prior_strength_cap")]}),
    ]

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

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        if obj is None:
            return []
        if obj.status == Status.DRAFT:
            return ["key"]
        return [
            "key",
            "scenario",
            "positions",
            *POOL,
            "merchant_cap",
            "floor",
            "attribution_hours",
            "prior_strength_cap",
        ]

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
            at("results/", self.results, "results"),
            at("results/<slug:picture>.<slug:form>", self.picture, "picture"),
            *super().get_urls(),
        ]

    def results(self, request: HttpRequest, pk: int) -> HttpResponse:
        return results.page(request, self.to_see(request, pk), may_change=self.has_change_permission(request))

    def picture(self, request: HttpRequest, pk: int, picture: str, form: str) -> HttpResponse:
        return results.export(self.to_see(request, pk), picture, form)
