"""Buttons to the steps that a campaign can take."""

from typing import Any

from django import template

from bandits.models import Campaign

register = template.Library()


@register.inclusion_tag("bandits/steps.html")
def campaign_steps(row: Campaign) -> dict[str, Any]:
    """`{% campaign_steps campaign %}`, for who may change it."""
    from bandits.steps import buttons  # unfold renders a form at its import, before its own classes are there

    return {"shown": buttons(row)}
