"""Buttons to the steps that an experiment can take."""

from typing import Any

from django import template

from experiments.models import Experiment

register = template.Library()
SHOWN = 3  # what leads on; the rest waits behind “More”


@register.inclusion_tag("experiments/steps.html")
def steps(row: Experiment) -> dict[str, Any]:
    """`{% steps experiment %}`, for who may change it."""
    from experiments.steps import buttons  # unfold renders a form at its import, before its own classes are there

    found = buttons(row)
    return {"shown": found[:SHOWN], "more": found[SHOWN:]}
