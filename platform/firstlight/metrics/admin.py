"""Admin of what is measured."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from firstlight.accounts.audited import AuditedAdmin
from firstlight.accounts.forms import JsonField
from firstlight.metrics import definitions
from firstlight.metrics.models import Metric

FILTER_HELP = (
    "Which of these events count; all conditions must hold. A field is a column of the event table, op is eq, ne, in, "
    "gt, ge, lt or le. Empty counts all."
)


EXAMPLE = '[{"field": "recall_source", "op": "eq", "value": "i2i"}]'


class MetricForm(forms.ModelForm[Metric]):
    numerator_filter = JsonField(EXAMPLE, help_text=FILTER_HELP)
    denominator_filter = JsonField(EXAMPLE, help_text=FILTER_HELP)

    class Meta:
        help_texts = {
            "kind": "Share of units that did it (conversion), mean per unit (orders per user), or a ratio of two sums "
            "(click rate per impression).",
            "numerator_event": "What is counted or summed: click, order, x.shared, …",
            "denominator_event": "For a ratio only: impression, order, …",
        }

    def clean(self) -> dict[str, Any]:
        """What `metrics.definitions` finds wrong, beside the field it is about."""
        found = super().clean() or {}
        kind, below = found.get("kind") or "", found.get("denominator_event") or ""
        if event := found.get("numerator_event"):
            self._refuse("numerator_event", definitions.validate_event(event))
        if kind:
            self._refuse("denominator_event", definitions.validate_denominator(kind, below))
        for name in ("numerator_filter", "denominator_filter"):
            if name in found:
                found[name] = found[name] or []
                self._refuse(name, definitions.validate(found[name]))
        return found

    def _refuse(self, name: str, faults: Iterable[definitions.Fault]) -> None:
        if texts := [str(fault) for fault in faults]:
            self.add_error(name, texts)


@admin.register(Metric)
class MetricAdmin(AuditedAdmin[Metric]):
    form = MetricForm
    list_display = ["name", "key", "kind", "counts", "direction", "objective"]
    list_filter = ["kind", "objective"]
    search_fields = ["key", "name"]
    fieldsets = [
        (None, {"fields": [("name", "key"), "description", ("kind", "direction", "objective")]}),
        ("What is counted", {"fields": [("numerator_event", "numerator_value"), "numerator_filter"]}),
        ("Divided by", {"fields": [("denominator_event", "denominator_value"), "denominator_filter"]}),
        ("Where and how long", {"fields": [("window_hours", "in_scenario")]}),
    ]

    @admin.display(description="Counts")
    def counts(self, metric: Metric) -> str:
        return f"{metric.numerator_event} per {metric.denominator_event or 'unit'}"

    def get_readonly_fields(self, request: HttpRequest, obj: Metric | None = None) -> list[str]:
        return ["key"] if obj else []  # looks and charts name it by its key
