"""What is wrong with the plan of a campaign, field by field, in words. Pure: form, API and start ask the same."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bandits.models import Campaign, PolicyKind, Reward, Status
from firstlight.console import words

Plan = Mapping[str, Any]  # fields of Campaign by name, as validated one by one
Fault = tuple[str, str]  # (field, sentence)

OF_MONEY = (Reward.NET_VALUE, Reward.WEIGHTED)
CONTEXTUAL = (PolicyKind.LINEAR, PolicyKind.LOGISTIC)
# What may change while a campaign runs or is paused: who answers for it, how much a day, and how careful it is. All
# else makes other numbers of what has been counted: that is another campaign.
CHANGEABLE = ("name", "owner", "daily_budget", "guards", "guard_margin")


def changeable(campaign: Campaign) -> frozenset[str]:
    """Fields that its state lets people change."""
    if campaign.status == Status.DRAFT:
        return frozenset(f.name for f in (*Campaign._meta.fields, *Campaign._meta.many_to_many)) - {"key"}
    return frozenset({"name", "owner"} if campaign.status == Status.STOPPED else CHANGEABLE)


def faults(plan: Plan) -> dict[str, str]:
    """The first fault of each field."""
    found: dict[str, str] = {}
    for rule in RULES:
        for field, sentence in rule(plan):
            found.setdefault(field, sentence)
    return found


def _name(plan: Plan) -> Iterator[Fault]:
    if plan.get("key") == "pool":
        yield "key", "This name is an address of the API: choose another one."


def _slots(plan: Plan) -> Iterator[Fault]:
    positions: Sequence[int] = plan.get("positions") or ()
    if len(set(positions)) < len(positions):
        yield "positions", "Name each slot once."


def _segments(plan: Plan) -> Iterator[Fault]:
    segments, by = plan.get("segments") or (), plan.get("segment_by")
    if segments and not by:
        yield "segment_by", "Say of which request attribute these segments are values."
    if plan.get("policy") in CONTEXTUAL and not by:
        yield "segment_by", "This policy learns from an attribute of requests: say which."
    if by and not segments:
        yield "segments", f"Name the values of {by} that learn apart."
    if len(set(segments)) < len(segments):
        yield "segments", "Name each segment once."


def _prices(plan: Plan) -> Iterator[Fault]:
    low, high = plan.get("pool_price_from"), plan.get("pool_price_to")
    if low is not None and low < 0:
        yield "pool_price_from", "A price is not below 0."
    if low is not None and high is not None and high < low:
        yield "pool_price_to", "The highest price lies below the lowest."
    if (low is not None or high is not None) and not plan.get("pool_currency"):
        yield "pool_currency", "Say of which currency these prices are."


def _codes(plan: Plan) -> Iterator[Fault]:
    for field in ("pool_currency", "value_currency"):
        if (given := plan.get(field)) and not re.fullmatch("[A-Z]{3}", given):
            yield field, "A currency has three capital letters: INR."
    if wrong := [code for code in plan.get("pool_countries") or () if not re.fullmatch("[A-Z]{2}", code)]:
        yield "pool_countries", f"“{wrong[0]}” is no country: two capital letters, IN."


def _picked(plan: Plan) -> Iterator[Fault]:
    picked, excluded = plan.get("pool_items") or (), plan.get("pool_excluded") or ()
    if both := sorted({*picked} & {*excluded}):
        yield "pool_excluded", f"“{both[0]}” is picked by hand as well: it cannot be both."
    if plan.get("pool_by_rule") is False and not picked:
        yield "pool_items", "Without a rule, pick at least one item by hand."


def _reward(plan: Plan) -> Iterator[Fault]:
    if plan.get("reward") in OF_MONEY and not plan.get("value_currency"):
        yield "value_currency", "Money of different currencies cannot be added up: say which counts."
    if plan.get("reward") == Reward.NET_VALUE and plan.get("policy") == PolicyKind.LOGISTIC:
        yield "policy", "A logistic model is of rewards between 0 and 1; net value needs another policy."


def _budgets(plan: Plan) -> Iterator[Fault]:
    guarantee, cap = plan.get("item_guarantee"), plan.get("item_cap")
    if guarantee and cap and cap < guarantee:
        yield "item_cap", f"No item can get the {words.count(guarantee)} impressions it is guaranteed."
    if plan.get("merchant_share_cap") == 0:
        yield "merchant_share_cap", "No merchant may be shown at all: allow more than 0, or 1 for no limit."


def _shares(plan: Plan) -> Iterator[Fault]:
    if float(plan.get("control_share") or 0) + float(plan.get("uniform_share") or 0) >= 1:
        yield "uniform_share", "Nobody is left to see what was learned: both shares together lie below 1."


def _bars(plan: Plan) -> Iterator[Fault]:
    up, down = plan.get("graduate_at"), plan.get("retire_at")
    if up is not None and down is not None and down >= up:
        yield "retire_at", "An item is given up below the probability at which it graduates."


def _guards(plan: Plan) -> Iterator[Fault]:
    guards = plan.get("guards") or ()
    if len(set(guards)) < len(guards):
        yield "guards", "Name each guardrail once."


RULES: tuple[Callable[[Plan], Iterator[Fault]], ...] = (
    *(_name, _slots, _segments, _prices, _codes, _picked, _reward, _budgets, _shares, _bars, _guards),
)
