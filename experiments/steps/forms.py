"""What a step of an experiment must know besides: each form's answers are the arguments of the command."""

from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from experiments.models import Decision, Experiment
from firstlight.catalog.models import key_validator


class StepForm(forms.Form):
    """Of one experiment."""

    def __init__(self, row: Experiment, data: Any = None) -> None:
        super().__init__(data)
        self.row = row

    def answers(self) -> dict[str, Any]:
        return self.cleaned_data


class _Text(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), max_length=10_000, **kwargs)


class _Reshuffle(forms.BooleanField):
    def __init__(self, **kwargs: Any) -> None:
        said = "Nearly everybody changes arm then, and everybody is counted. Else as few as possible change, and who "
        super().__init__(
            label="Deal all units anew",
            required=False,
            widget=UnfoldBooleanSwitchWidget,
            help_text=f"{said}has met an arm before is left out of the new phase's analysis.",
            **kwargs,
        )


class TestersForm(StepForm):
    testers = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="One a line: the id, a blank, the key of the arm. Empty: nobody.",
    )

    def __init__(self, row: Experiment, data: Any = None) -> None:
        super().__init__(row, data)
        self.initial = {"testers": "\n".join(f"{unit} {arm}" for unit, arm in row.testers.items())}

    def clean_testers(self) -> dict[str, str]:
        lines = [line.rsplit(maxsplit=1) for line in self.cleaned_data["testers"].splitlines() if line.strip()]
        if wrong := next((" ".join(line) for line in lines if len(line) != 2), None):
            raise ValidationError(f"“{wrong}” is not an id, a blank and an arm.")
        return dict(lines)


class NoteForm(StepForm):
    note = _Text(required=False, help_text="For those who read the plan later.")


class ScheduleForm(StepForm):
    start_at = forms.DateTimeField(
        label="Start (UTC)",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text="Its buckets are held from now on.",
    )

    def clean_start_at(self) -> Any:
        return self.cleaned_data["start_at"].replace(tzinfo=UTC)


class DecideForm(StepForm):
    decision = forms.ChoiceField(choices=Decision.choices, widget=UnfoldAdminSelectWidget)
    arm = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget, help_text="What is shipped, if it is.")
    note = _Text(label="Why", help_text="For those who ask in a year.")

    def __init__(self, row: Experiment, data: Any = None) -> None:
        super().__init__(row, data)
        treatments = row.arms.order_by("position")[1:]
        self.fields["arm"].choices = [("", "–"), *((arm.key, str(arm)) for arm in treatments)]  # type: ignore[attr-defined]

    def answers(self) -> dict[str, Any]:
        return self.cleaned_data | {"arm": self.cleaned_data["arm"] or None}


class CopyForm(StepForm):
    key = forms.CharField(
        max_length=100, validators=[key_validator], widget=UnfoldAdminTextInputWidget, help_text="It cannot change."
    )
    name = forms.CharField(max_length=200, required=False, widget=UnfoldAdminTextInputWidget)
    is_template = forms.BooleanField(
        label="As a template", required=False, widget=UnfoldBooleanSwitchWidget, help_text="Never starts itself."
    )


class WeightsForm(StepForm):
    """One field per arm, in the order of the plan."""

    def __init__(self, row: Experiment, data: Any = None) -> None:
        super().__init__(row, data)
        self.arms = list(row.arms.order_by("position"))
        for arm in self.arms:
            self.fields[f"weight_{arm.key}"] = forms.DecimalField(
                label=f"Share of {arm}",
                initial=arm.weight,
                min_value=Decimal("0.0001"),
                max_value=Decimal(1),
                decimal_places=4,
                widget=UnfoldAdminDecimalFieldWidget,
            )
        self.fields["reason"] = forms.CharField(required=False, max_length=500, widget=UnfoldAdminTextInputWidget())
        self.fields["reshuffle"] = _Reshuffle()

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        weights = [found[f"weight_{arm.key}"] for arm in self.arms if f"weight_{arm.key}" in found]
        if len(weights) == len(self.arms) and (total := sum(weights, Decimal(0))) != 1:
            raise ValidationError(f"The shares sum to {total.normalize():f}; they must sum to 1.")
        return found

    def answers(self) -> dict[str, Any]:
        weights = {arm.key: self.cleaned_data[f"weight_{arm.key}"] for arm in self.arms}
        return {name: self.cleaned_data[name] for name in ("reason", "reshuffle")} | {"weights": weights}


class RemoveArmForm(StepForm):
    arm = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(required=False, max_length=500, widget=UnfoldAdminTextInputWidget)
    reshuffle = _Reshuffle()

    def __init__(self, row: Experiment, data: Any = None) -> None:
        super().__init__(row, data)
        self.fields["arm"].choices = [(arm.key, str(arm)) for arm in row.arms.order_by("position")[1:]]  # type: ignore[attr-defined]


class CoverageForm(StepForm):
    coverage = forms.DecimalField(
        label="Share of the units",
        min_value=Decimal("0.0001"),
        max_value=Decimal(1),
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="From 0 to 1; more than now, for a ramp only adds units.",
    )


class ReasonForm(StepForm):
    reason = forms.CharField(required=False, max_length=500, widget=UnfoldAdminTextInputWidget)


class AdvanceForm(StepForm):
    """With the coverage that was on the page: pressed twice, it goes on once."""

    from_coverage = forms.DecimalField(widget=forms.HiddenInput, max_digits=5, decimal_places=4)

    def __init__(self, row: Experiment, data: Any = None) -> None:
        super().__init__(row, data)
        self.initial = {"from_coverage": row.coverage}


class RollBackForm(AdvanceForm, ReasonForm):
    pass


MakeForm = Callable[[Experiment, Any], StepForm]
