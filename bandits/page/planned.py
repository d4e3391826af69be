"""The plan of a campaign in words, for its page."""

from typing import Any

from bandits.models import Campaign
from firstlight.console import words


def settings(campaign: Campaign) -> list[tuple[str, str]]:
    """The plan in words; what is not set is left out."""
    return [(name, value) for name, value in _settings(campaign) if value]


def _settings(campaign: Campaign) -> list[tuple[str, str]]:
    def listed(rows: Any) -> str:
        return words.listing([str(row) for row in rows])

    def at(time: Any) -> str:
        return f"{time:%-d %B %Y, %H:%M} UTC" if time else ""

    return [
        ("Key", campaign.key),
        ("Owner", str(campaign.owner or "")),
        ("Scenario", campaign.scenario.name),
        ("Slots", listed(sorted(campaign.positions))),
        ("Learns apart", f"{campaign.segment_by}: {listed(campaign.segments)}" if campaign.segments else ""),
        ("Categories", listed(campaign.pool_categories.all())),
        ("Merchants", listed(campaign.pool_merchants.all())),
        ("Tags", listed(campaign.pool_tags)),
        ("Countries", listed(campaign.pool_countries)),
        ("Items", _items(campaign)),
        ("Reward", _reward(campaign)),
        ("Policy", campaign.get_policy_display()),
        ("Uniform floor", words.percent(float(campaign.floor))),
        ("Most items of one merchant", str(campaign.merchant_cap or "")),
        ("Impressions a day", words.count(campaign.daily_budget) if campaign.daily_budget else ""),
        ("Without it", words.percent(float(campaign.control_share)) if campaign.control_share else ""),
        ("Every item alike", words.percent(float(campaign.uniform_share)) if campaign.uniform_share else ""),
        ("Started", at(campaign.started_at) or "not yet"),
        ("Stopped", at(campaign.stopped_at)),
    ]


def _items(campaign: Campaign) -> str:
    rule = []
    if campaign.pool_by_rule:
        days = campaign.pool_max_age_days
        rule = [f"listed in the last {words.plural(days, 'day')}" if days else "of any age"]
        rule.append("in stock only" if campaign.pool_in_stock else "in stock or not")
    picked = [f"{words.count(len(campaign.pool_items))} picked by hand"] if campaign.pool_items else []
    left = [f"{words.count(len(campaign.pool_excluded))} excluded"] if campaign.pool_excluded else []
    return ", ".join([*rule, *picked, *left])


def _reward(campaign: Campaign) -> str:
    label = campaign.get_reward_display()
    return f"{label}, within {words.plural(campaign.attribution_hours, 'hour')}"
