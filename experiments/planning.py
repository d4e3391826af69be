"""The form of an experiment as a way through its plan: what belongs to each step, and what is fixed by the start."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from experiments import forms
from experiments.models import Arm, Experiment, ExperimentMetric, FurtherLayer, Prerequisite, RampStage, Status
from firstlight.accounts.audited import TabularInline

if TYPE_CHECKING:
    _ArmInline = TabularInline[Arm, Experiment]
    _MeasuredInline = TabularInline[ExperimentMetric, Experiment]
    _RampInline = TabularInline[RampStage, Experiment]
    _FurtherLayerInline = TabularInline[FurtherLayer, Experiment]
    _PrerequisiteInline = TabularInline[Prerequisite, Experiment]
else:
    _ArmInline = _MeasuredInline = _RampInline = _FurtherLayerInline = _PrerequisiteInline = TabularInline

FOLDED = ["collapse"]
STEPS: Any = [
    (
        "1 · What and why",
        {"fields": [("name", "key"), "hypothesis", ("owner", "tags"), ("type", "is_template"), "links"]},
    ),
    ("2 · Where and who", {"fields": ["scenarios", ("unit", "coverage"), "targeting"]}),
    ("3 · How sure, how long", {"fields": [("analysis", "confidence"), ("planned_days", "planned_units")]}),
    (
        "4 · Share a layer with others",
        {
            "fields": ["layer", ("first_bucket", "end_bucket")],
            "classes": FOLDED,
            "description": "Experiments in one layer exclude each other: each holds its own buckets of 10,000.",
        },
    ),
    (
        "5 · How it is analysed",
        {
            "fields": [
                ("spending", "correction"),
                ("cuped", "pre_days"),
                ("prior", "prior_mean", "prior_sd"),
                "slices",
            ],
            "classes": FOLDED,
            "description": "The defaults are right for most tests. All of it is fixed by the start.",
        },
    ),
    (
        "6 · Special designs",
        {
            "fields": [("cluster", "holdback"), ("switch_hours", "burn_in_minutes"), ("sticky", "fallback")],
            "classes": FOLDED,
            "description": "Clusters, switchbacks, a share that stays in the control after shipping, and units that "
            "keep their arm.",
        },
    ),
]
# What may still change after the start: name, hypothesis, owner, tags, links, and the share held back when it ships.
FIXED = [
    *("type", "is_template", "scenarios", "unit", "coverage", "targeting", "analysis", "confidence", "planned_days"),
    *("planned_units", "layer", "first_bucket", "end_bucket", "spending", "correction", "cuped", "pre_days", "prior"),
    *("prior_mean", "prior_sd", "slices", "cluster", "switch_hours", "burn_in_minutes", "sticky", "fallback"),
]


def is_draft(row: Experiment | None) -> bool:
    return row is None or row.status == Status.DRAFT


class _LineOfDraft:
    """What belongs to the plan is fixed once the experiment has started."""

    def has_add_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return is_draft(obj) and super().has_add_permission(request, obj)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return is_draft(obj) and super().has_change_permission(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        return is_draft(obj) and super().has_delete_permission(request, obj)  # type: ignore[misc]


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


class RampInline(_LineOfDraft, _RampInline):
    model = RampStage
    form = forms.RampForm
    formset: Any = forms.RampFormSet
    fields = ("position", "coverage", "hold_hours", "least_units")
    extra = 0
    hide_title = True
    classes = FOLDED
    verbose_name = "stage"
    verbose_name_plural = "Ramp – let more units in step by step, as long as no guardrail breaks"


class FurtherLayerInline(_LineOfDraft, _FurtherLayerInline):
    model = FurtherLayer
    form = forms.FurtherLayerForm
    fields = ("layer", "first_bucket", "end_bucket")
    extra = 0
    hide_title = True
    classes = FOLDED
    verbose_name = "further layer"
    verbose_name_plural = "Further layers – its units lie in the buckets of each"


class PrerequisiteInline(_LineOfDraft, _PrerequisiteInline):
    model = Prerequisite
    form = forms.PrerequisiteForm
    formset: Any = forms.PrerequisiteFormSet
    fk_name = "experiment"
    fields = ("required", "arms")
    extra = 0
    hide_title = True
    classes = FOLDED
    verbose_name = "prerequisite"
    verbose_name_plural = "Prerequisites – its units are in given arms of other experiments"
