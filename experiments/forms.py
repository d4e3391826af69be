"""Forms of an experiment: every refusal stands beside the field it is about, in words."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from experiments import groups
from experiments.lifecycle import prerequisites
from experiments.models import (
    Arm,
    Experiment,
    ExperimentMetric,
    FurtherLayer,
    MetricRole,
    Prerequisite,
    RampStage,
    SavedGroup,
)
from firstlight.accounts.forms import JsonField
from firstlight.assignment import targeting

OBJECTIVES = ("user", "merchant", "platform")


SLICES = ("country", "platform", "visitor", "category", "recall_source")
MOST_LINKS = 20


class ExperimentForm(forms.ModelForm[Experiment]):
    targeting = JsonField('{"country": {"$in": ["IN", "BR"]}}', help_text="Who may take part; empty: everybody.")
    links = JsonField(
        '[{"label": "design", "url": "https://…"}]', help_text="Design, tickets, dashboards, as label and url."
    )
    slices = forms.MultipleChoiceField(
        choices=[(name, name.replace("_", " ")) for name in SLICES],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Segments that are compared.",
    )

    class Meta:
        widgets = {"scenarios": UnfoldAdminCheckboxSelectMultipleWidget}
        help_texts = {
            "key": "What the recommender and the events call it. It cannot change later.",
            "scenarios": "Where it runs; its metrics count what happens there.",
            "unit": "What is put into an arm and stays there. User is right unless people are unknown.",
            "confidence": "0.95: of 100 experiments without any effect, 5 would seem to have one.",
        }

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        first, end = found.get("first_bucket"), found.get("end_bucket")
        if first is not None and end is not None and first >= end:
            self.add_error("end_bucket", "The end must lie behind the start.")
        return found

    def clean_targeting(self) -> dict[str, Any]:
        given = self.cleaned_data["targeting"] or {}
        if wrong := targeting.faults(given) or list(groups.faults(given)):
            raise ValidationError(wrong)
        return dict(given)

    def clean_links(self) -> list[dict[str, str]]:
        given = self.cleaned_data["links"] or []
        if not isinstance(given, list) or len(given) > MOST_LINKS or not all(_is_link(one) for one in given):
            raise ValidationError(f"Give at most {MOST_LINKS} links, each with label and an http(s) url.")
        return given


def _is_link(one: Any) -> bool:
    """A label, and an address that a browser may follow: never javascript."""
    if not isinstance(one, dict) or set(one) != {"label", "url"} or not all(isinstance(x, str) for x in one.values()):
        return False
    return one["url"].startswith(("https://", "http://")) and len(one["url"]) <= 2_000 and len(one["label"]) <= 200


class Spoken:
    """A row of a table: its fields have no label of their own, so each says its name to a screen reader."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, forms.Field] = self.fields  # type: ignore[attr-defined]
        for name, field in fields.items():
            widget: Any = getattr(field.widget, "widget", field.widget)  # of a choice of rows, the select within
            widget.attrs.setdefault("aria-label", str(field.label or name.replace("_", " ")))


class ArmForm(Spoken, forms.ModelForm[Arm]):
    parameters = JsonField('{"ranker": "din"}', help_text="What the recommender reads, as JSON.")
    objective_weights = JsonField(
        '{"user": 0.6, "merchant": 0.2, "platform": 0.2}', help_text="Empty: the scenario's own."
    )

    class Meta:
        model = Arm
        fields = ("key", "name", "weight", "parameters", "objective_weights")

    def clean_parameters(self) -> dict[str, Any]:
        given = self.cleaned_data["parameters"]
        if given in (None, ""):
            return {}
        if not isinstance(given, dict):
            raise ValidationError('Write names and values in braces: {"ranker": "din"}.')
        return given

    def clean_objective_weights(self) -> dict[str, Any] | None:
        given = self.cleaned_data["objective_weights"]
        if given in (None, "", {}):
            return None
        if not isinstance(given, dict) or set(given) != set(OBJECTIVES):
            raise ValidationError("Name exactly user, merchant and platform.")
        if any(isinstance(x, bool) or not isinstance(x, int | float) or not 0 <= x <= 1 for x in given.values()):
            raise ValidationError("Each weight is a number from 0 to 1.")
        if abs(sum(given.values()) - 1) > 1e-9:
            raise ValidationError(f"The weights sum to {sum(given.values()):g}; they must sum to 1.")
        return given


class ArmFormSet(forms.BaseInlineFormSet[Arm, Experiment, ArmForm]):
    """The first arm is the control; the weights of all sum to 1."""

    def clean(self) -> None:
        super().clean()
        kept = self._kept()
        if any(form.errors for form in kept):
            return
        weights = [form.cleaned_data["weight"] for form in kept]
        if weights and (total := sum(weights, Decimal(0))) != 1:
            kept[-1].add_error("weight", f"The weights sum to {total.normalize():f}; they must sum to 1.")
        self._place(kept)

    def _kept(self) -> list[ArmForm]:
        return [f for f in self.forms if (f.instance.pk or f.has_changed()) and f not in self.deleted_forms]

    def _place(self, kept: list[ArmForm]) -> None:
        """New arms come after those that are there."""
        position = max((f.instance.position for f in self.initial_forms), default=-1)
        for form in kept:
            if form.instance.pk is None:
                position += 1
                form.instance.position = position


class MeasuredForm(Spoken, forms.ModelForm[ExperimentMetric]):
    class Meta:
        model = ExperimentMetric
        fields = ("metric", "role", "margin")
        help_texts = {"role": "A goal decides; a guardrail must not get worse than its margin."}


class MeasuredFormSet(forms.BaseInlineFormSet[ExperimentMetric, Experiment, MeasuredForm]):
    def clean(self) -> None:
        super().clean()
        kept = [f for f in self.forms if (f.instance.pk or f.has_changed()) and f not in self.deleted_forms]
        if any(form.errors for form in kept) or not kept:
            return
        if all(form.cleaned_data["role"] != MetricRole.PRIMARY for form in kept):
            kept[0].add_error("role", "One metric at least must be the goal.")


class RampForm(Spoken, forms.ModelForm[RampStage]):
    class Meta:
        model = RampStage
        fields = ("position", "coverage", "hold_hours", "least_units")


class RampFormSet(forms.BaseInlineFormSet[RampStage, Experiment, RampForm]):
    """Stages only let more units in."""

    def clean(self) -> None:
        super().clean()
        kept = [f for f in self.forms if (f.instance.pk or f.has_changed()) and f not in self.deleted_forms]
        if any(form.errors for form in kept):
            return
        for before, after in pairwise(sorted(kept, key=lambda form: form.cleaned_data["position"])):
            if after.cleaned_data["coverage"] <= before.cleaned_data["coverage"]:
                after.add_error("coverage", "Each stage lets more units in than the one before.")


class PrerequisiteForm(Spoken, forms.ModelForm[Prerequisite]):
    class Meta:
        model = Prerequisite
        fields = ("required", "arms")
        labels = {"required": "Experiment"}
        help_texts = {"arms": "Keys, with a comma between them."}


class PrerequisiteFormSet(forms.BaseInlineFormSet[Prerequisite, Experiment, PrerequisiteForm]):
    """No circle is saved: whoever saves waits for who saves before."""

    def clean(self) -> None:
        super().clean()
        kept = [f for f in self.forms if (f.instance.pk or f.has_changed()) and f not in self.deleted_forms]
        if not kept or any(form.errors for form in kept):
            return
        prerequisites.hold()
        lines = [(form.cleaned_data["required"], form.cleaned_data["arms"]) for form in kept]
        for fault in prerequisites.faults_of(self.instance, lines):
            named = [form for form in kept if f"“{form.cleaned_data['required'].key}”" in fault]
            (named or kept)[-1].add_error("required", fault)


class SavedGroupForm(forms.ModelForm[SavedGroup]):
    values = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 20, "spellcheck": "false"}),
        help_text="One a line, at most 100,000.",
    )
    are_numbers = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="The values are numbers: 81 and “81” are not the same to a condition.",
    )

    class Meta:
        model = SavedGroup
        fields = ("name", "key", "description", "attribute")
        help_texts = {"key": "What conditions call it. It cannot change later."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = self.instance.values or []
        self.initial["values"] = "\n".join(map(str, given))
        self.initial["are_numbers"] = any(not isinstance(one, str) for one in given)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        lines = [line.strip() for line in found.get("values", "").splitlines() if line.strip()]
        try:
            values: list[Any] = [_number(line) for line in lines] if found.get("are_numbers") else lines
        except ValueError as error:
            self.add_error("values", f"Not every line is a number: {error}.")
            return found
        if wrong := list(groups.of_values(values)):
            self.add_error("values", wrong)
        return {**found, "values": values}


def _number(line: str) -> int | float:
    return int(line) if line.lstrip("-").isdigit() else float(line)


class FurtherLayerForm(Spoken, forms.ModelForm[FurtherLayer]):
    class Meta:
        model = FurtherLayer
        fields = ("layer", "first_bucket", "end_bucket")

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        first, end = found.get("first_bucket"), found.get("end_bucket")
        if first is not None and end is not None and first >= end:
            self.add_error("end_bucket", "The end must lie behind the start.")
        return found
