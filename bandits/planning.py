"""The form of a campaign as a way through its plan: what belongs to each step, and what is fixed by the start."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bandits import plan
from bandits.models import Campaign, Status

FOLDED = ["collapse"]
POOL: list[Any] = [
    "pool_by_rule",
    ("pool_categories", "pool_merchants"),
    ("pool_tags", "pool_countries"),
    ("pool_max_age_days", "pool_in_stock"),
    ("pool_price_from", "pool_price_to", "pool_currency"),
    ("pool_items", "pool_excluded"),
]
WHERE: list[Any] = [("scenario", "positions"), ("most_per_page", "merchant_cap"), ("segment_by", "segments")]
REWARD: list[Any] = [
    ("reward", "attribution_hours"),
    ("value_cap", "value_currency"),
    ("delay_aware", "position_aware"),
    "half_life_days",
]
PRIOR: list[Any] = [("prior", "prior_strength_cap"), "prior_chance"]
POLICY: list[Any] = [("policy", "epsilon"), "floor"]
BUDGETS: list[Any] = [
    ("daily_budget", "item_cap"),
    ("item_guarantee", "guarantee_days"),
    ("merchant_share_cap", "merchant_floor"),
]
APART: list[Any] = ["unit", ("control_share", "uniform_share")]
LEAVING: list[Any] = [
    "graduates",
    ("graduate_at", "retire_at"),
    ("least_impressions", "least_age_hours"),
    "bar",
]
SAFETY: list[Any] = ["guards", "guard_margin"]
RULE = "An item takes part while all that is set here holds for it. Nothing set: every item."
APART_HELP = "Units that never see the campaign tell what it is worth, and guard the scenario; 0.05 is 5 %."


def steps(row: Campaign | None) -> list[Any]:
    """Fieldsets; while it is planned, the pool is counted as one types."""
    return [
        ("1 · What", {"fields": [("name", "key"), "owner"]}),
        ("2 · Which items", {"fields": POOL, "description": _counted() if is_draft(row) else RULE}),
        ("3 · Where", {"fields": WHERE}),
        ("4 · What is a reward", {"fields": REWARD}),
        ("5 · Without it", {"fields": APART, "description": APART_HELP}),
        ("6 · How bold", {"fields": POLICY, "classes": FOLDED, "description": "The defaults are right for most."}),
        ("7 · What is believed before", {"fields": PRIOR, "classes": FOLDED}),
        ("8 · Budgets and fairness", {"fields": BUDGETS, "classes": FOLDED}),
        ("9 · When items leave", {"fields": LEAVING, "classes": FOLDED}),
        ("10 · Safety", {"fields": SAFETY, "classes": FOLDED}),
    ]


def fixed(row: Campaign | None) -> list[str]:
    """Fields that its state lets nobody change."""
    if row is None:
        return []
    changeable = plan.changeable(row)
    return [name for name in _names() if name not in changeable]


def is_draft(row: Campaign | None) -> bool:
    return row is None or row.status == Status.DRAFT


def _names() -> list[str]:
    listed = [one for _, options in steps(None) for one in options["fields"]]
    return [name for one in listed for name in ((one,) if isinstance(one, str) else one)]


def _counted() -> SafeString:
    place = '<span data-preview="{}" data-form="campaign_form" aria-live="polite" class="fl-counted"></span>'
    return format_html("{} " + place, RULE, reverse("admin:bandits_campaign_pool"))
