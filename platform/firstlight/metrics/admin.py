"""Admin of what is measured, and of what money was worth."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from firstlight.accounts.audited import AuditedAdmin, actor
from firstlight.accounts.forms import JsonField
from firstlight.accounts.models import User
from firstlight.metrics import exchange, sentences, versions
from firstlight.metrics.models import Kind, Metric, Rate

FILTER_HELP = (
    "Which of these events count; all conditions must hold. A field is a column of the event table, op is eq, ne, in, "
    "gt, ge, lt or le. Empty counts all."
)
EXAMPLE = '[{"field": "recall_source", "op": "eq", "value": "i2i"}]'
STEPS = '[{"event": "impression"}, {"event": "click"}, {"event": "order"}]'
BADGES = {True: ("better", "certified"), False: ("neutral", "not certified")}
TELLS = {
    Kind.PROPORTION: "Share of units that did it (conversion)",
    Kind.MEAN: "mean per unit (orders per user)",
    Kind.RATIO: "ratio of two sums (click rate per impression)",
    Kind.QUANTILE: "quantile (P90 of order value)",
    Kind.RETENTION: "share that came back to do it (revisit)",
    Kind.FUNNEL: "share that took all steps",
}


class MetricForm(forms.ModelForm[Metric]):
    numerator_filter = JsonField(EXAMPLE, help_text=FILTER_HELP)
    denominator_filter = JsonField(EXAMPLE, help_text=FILTER_HELP)
    steps = JsonField(
        STEPS, help_text="For a funnel: 2 to 10 steps in order, each with event and, if need be, filters."
    )
    note = forms.CharField(
        max_length=500,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Why it changes; kept with the new version.",
    )

    class Meta:
        help_texts = {"kind": f"{'; '.join(TELLS.values())}."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "owner" in self.fields:
            owner: Any = self.fields["owner"]
            owner.queryset = User.objects.filter(is_active=True)

    def clean(self) -> dict[str, Any]:
        """Nothing said in a JSON field is an empty list; what is wrong with the whole, `Metric.clean` says."""
        found = super().clean() or {}
        for name in ("numerator_filter", "denominator_filter", "steps"):
            if name in found:
                found[name] = found[name] or []
        return found


@admin.register(Metric)
class MetricAdmin(AuditedAdmin[Metric]):
    form = MetricForm
    list_display = ["name", "key", "kind", "counts", "objective", "owner", "badge", "page"]
    list_filter = ["kind", "objective", "certified", "owner"]
    list_select_related = ["owner"]
    search_fields = ["key", "name", "description", "tags"]
    change_form_outer_before_template = "metrics/strip.html"
    fieldsets = [
        (None, {"fields": [("name", "key"), "description", ("kind", "direction", "objective")]}),
        ("Whose it is", {"fields": [("owner", "tags", "certified")]}),
        (
            "What is counted",
            {"fields": [("numerator_event", "numerator_value", "numerator_field"), "numerator_filter", "steps"]},
        ),
        (
            "Divided by",
            {"fields": [("denominator_event", "denominator_value", "denominator_field"), "denominator_filter"]},
        ),
        ("Which quantile", {"fields": [("quantile", "per")]}),
        ("Where and how long", {"fields": [("delay_hours", "window_hours", "maturity_hours"), "in_scenario"]}),
        ("Tails and money", {"fields": [("cap_value", "cap_share", "currency")]}),
        ("Version", {"fields": ["note"]}),
    ]

    @admin.display(description="Counts")
    def counts(self, metric: Metric) -> str:
        return sentences.counts(metric)

    @admin.display(description="Certified", ordering="certified")
    def badge(self, metric: Metric) -> SafeString:
        return format_html('<span class="fl-badge fl-{}">{}</span>', *BADGES[metric.certified])

    @admin.display(description="How it does")
    def page(self, metric: Metric) -> SafeString:
        return format_html('<a class="fl-link" href="{}">Its page →</a>', reverse("console:metric", args=[metric.key]))

    def get_readonly_fields(self, request: HttpRequest, obj: Metric | None = None) -> list[str]:
        fixed = ["key"] if obj else []  # looks and charts name it by its key
        return fixed if request.user.has_perm("metrics.certify_metric") else [*fixed, "certified"]

    def save_model(self, request: HttpRequest, obj: Metric, form: Any, change: bool) -> None:
        was, vouched = obj.version, obj.certified
        super().save_model(request, obj, form, change)
        may = request.user.has_perm("metrics.certify_metric")
        note = form.cleaned_data.get("note", "")
        versions.keep(obj, by=actor(request.user), at=timezone.now(), note=note, may_certify=may)
        if change and obj.version != was:
            messages.info(request, sentences.changed(obj, lost_badge=vouched and not obj.certified))


class PasteForm(forms.Form):
    rows = forms.CharField(
        max_length=1_000_000,
        label="Rates",
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 14, "class": "fl-json", "spellcheck": "false", "style": "min-height: 260px"}
        ),
    )

    def clean_rows(self) -> list[dict[str, str]]:
        return exchange.pasted(self.cleaned_data["rows"])


@admin.register(Rate)
class RateAdmin(AuditedAdmin[Rate]):
    says_when_empty = "Metrics of money in several currencies need a rate for each day: paste them above, or enter one."
    list_display = ["currency", "day", "per_unit"]
    list_filter = ["currency"]
    date_hierarchy = "day"
    list_before_template = "metrics/rates_help.html"
    show_full_result_count = False
    fields = [("currency", "day", "per_unit")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "base_currency": settings.BASE_CURRENCY})

    def get_urls(self) -> list[URLPattern]:
        return [
            path("paste/", self.admin_site.admin_view(self.paste), name="metrics_rate_paste"),
            *super().get_urls(),
        ]

    def paste(self, request: HttpRequest) -> HttpResponse:
        """Many at once, all or none."""
        if not self.has_add_permission(request) or not self.has_change_permission(request):
            raise PermissionDenied
        form = PasteForm(request.POST or None)
        if request.method == "POST" and form.is_valid() and (told := _put(form, actor(request.user))):
            messages.success(request, told)
            return HttpResponseRedirect(reverse("admin:metrics_rate_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Paste rates",
            "form": form,
            "opts": Rate._meta,
            "base_currency": settings.BASE_CURRENCY,
        }
        return TemplateResponse(request, "metrics/rates_paste.html", context)


def _put(form: PasteForm, by: str) -> str:
    """What was saved, in words; empty when faults now stand at the field."""
    try:
        done = exchange.put(form.cleaned_data["rows"], by)
    except exchange.Refused as refused:
        for place in refused.places[:20]:
            form.add_error("rows", sentences.placed(place))
        return ""
    return f"{done.created} added, {done.changed} changed, {done.unchanged} as they were."
