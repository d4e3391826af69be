"""Admin of the weights. Versions are added, never changed."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from firstlight.accounts.audited import ModelAdmin, actor
from firstlight.objectives import weights
from firstlight.objectives.models import Weights


class WeightsForm(forms.ModelForm[Weights]):
    class Meta:
        model = Weights
        fields = ("scenario", "stage", "user", "merchant", "platform", "reason")
        help_texts = {
            "stage": "Empty: for every stage of the journey that has no weights of its own.",
            "user": "What the shopper wants: relevance, price, discovery. The three sum to 1.",
            "merchant": "What sellers need: fair exposure, sales of new items.",
            "platform": "What the shop needs: margin, net value, retention.",
            "reason": "Why; whoever reads the trail will ask.",
        }

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        given = [x for name in ("user", "merchant", "platform") if isinstance(x := found.get(name), Decimal)]
        if len(given) == 3 and (total := sum(given, Decimal(0))) != 1:
            self.add_error("platform", f"The three weights sum to {total.normalize():f}; they must sum to 1.")
        return found


@admin.register(Weights)
class WeightsAdmin(ModelAdmin[Weights]):
    form = WeightsForm
    compressed_fields = False
    list_display = ["scenario", "stage_name", "version", "split", "reason", "created_by", "created_at"]
    list_select_related = ["scenario", "created_by"]
    list_filter = ["scenario", "stage"]
    list_before_template = "objectives/help.html"
    fieldsets = [
        (None, {"fields": [("scenario", "stage")]}),
        ("Weights", {"fields": [("user", "merchant", "platform"), "reason"]}),
    ]

    @admin.display(description="Stage", ordering="stage")
    def stage_name(self, row: Weights) -> str:
        return row.get_stage_display() or "all stages"

    @admin.display(description="User · merchant · platform")
    def split(self, row: Weights) -> SafeString:
        shares = [f"{float(share) * 100:g}" for share in (row.user, row.merchant, row.platform)]
        return format_html(
            '<span class="fl-weights"><span class="fl-split"><span class="fl-user" style="width: {0}%"></span>'
            '<span class="fl-merchant" style="width: {1}%"></span><span class="fl-platform" style="width: {2}%"></span>'
            "</span>"
            "<span>{0} · {1} · {2} %</span></span>",
            *shares,
        )

    def has_change_permission(self, request: HttpRequest, obj: Weights | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Weights | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Weights, form: Any, change: bool) -> None:
        share = {"user": obj.user, "merchant": obj.merchant, "platform": obj.platform}
        made = weights.publish_version(obj.scenario, obj.stage, share, obj.reason, actor(request.user))
        obj.pk, obj.version = made.pk, made.version
