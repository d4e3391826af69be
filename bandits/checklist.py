"""What a campaign would meet if it started now: what keeps it from starting, and what one should know before."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Q

from bandits import plan, pool
from bandits.models import Campaign, Guard, Reward, Status
from firstlight.catalog.models import Item
from firstlight.console import words
from firstlight.objectives.models import Weights

State = Literal["ok", "warn", "fail"]  # fail keeps it from starting


@dataclass(frozen=True, slots=True)
class Check:
    key: str
    state: State
    sentence: str


def of(campaign: Campaign) -> list[Check]:
    """Whatever its state: a draft, or one that nobody has saved within a transaction that is rolled back."""
    return [*_plan(campaign), *_pool(campaign), *_slots(campaign), *_weights(campaign), *_worth(campaign)]


def faults(campaign: Campaign) -> list[str]:
    return [check.sentence for check in of(campaign) if check.state == "fail"]


def _plan(campaign: Campaign) -> Iterator[Check]:
    values: dict[str, Any] = {field.attname: getattr(campaign, field.attname) for field in campaign._meta.fields}
    for field, sentence in plan.faults(values).items():
        label = str(Campaign._meta.get_field(field).verbose_name)  # type: ignore[union-attr]
        yield Check(field, "fail", f"{label.capitalize()}: {sentence}")
    if not campaign.positions:
        yield Check("positions", "fail", "It names no slots to fill.")


def _pool(campaign: Campaign) -> Iterator[Check]:
    n = pool.items(campaign).count()
    if not n:
        yield Check("pool", "fail", "No item satisfies its pool rule.")
        return
    yield Check("pool", "ok", f"{words.plural(n, 'item takes part', 'items take part')} now.")
    if absent := n_unknown(campaign):
        told = words.plural(absent, "item picked by hand is", "items picked by hand are")
        yield Check("picked", "warn", f"{told} not in the catalogue: each joins when it comes in.")
    yield from _promises(campaign, n)
    yield from _features(campaign)


def _promises(campaign: Campaign, n_items: int) -> Iterator[Check]:
    """Of impressions, against what a day has and what merchants may get."""
    budget, guarantee = campaign.daily_budget, campaign.item_guarantee
    if guarantee and budget and n_items * guarantee > budget * campaign.guarantee_days:
        needed = -(-n_items * guarantee // campaign.guarantee_days)
        yield Check(
            "guarantee",
            "warn",
            f"The guarantee needs {words.count(needed)} impressions a day, the budget allows {words.count(budget)}: "
            "it will not be met.",
        )
    if (share := float(campaign.merchant_share_cap)) < 1:
        merchants = pool.items(campaign).order_by().values("merchant").distinct().count()
        if merchants * share < 1:
            told = f"{words.plural(merchants, 'merchant')} at {words.percent(share)} each"
            yield Check("merchants", "warn", f"{told} cannot fill the slots: some requests will find nothing to show.")


def _features(campaign: Campaign) -> Iterator[Check]:
    told = Q(category__isnull=False) | Q(merchant__isnull=False) | Q(price__isnull=False)
    if campaign.policy in plan.CONTEXTUAL and not pool.items(campaign).filter(told).exists():
        yield Check(
            "features",
            "fail",
            "A policy on the request's attributes learns through category, merchant and price of items; "
            "no item of the pool has any of them.",
        )


def n_unknown(campaign: Campaign) -> int:
    """Items picked by hand that the catalogue does not have."""
    picked = set(campaign.pool_items)
    return len(picked) - Item.objects.filter(key__in=picked).count() if picked else 0


def _slots(campaign: Campaign) -> Iterator[Check]:
    """A paused campaign keeps its slots: nobody else's are in the way when it goes on."""
    others = Campaign.objects.filter(
        status__in=(Status.RUNNING, Status.PAUSED),
        scenario=campaign.scenario_id,
        positions__overlap=campaign.positions,
    )
    for other in others.exclude(pk=campaign.pk).order_by("key"):
        slots = ", ".join(str(p) for p in sorted({*campaign.positions} & {*other.positions}))
        state = " and is paused" if other.status == Status.PAUSED else ""
        yield Check("slots", "fail", f"“{other.key}” fills slot {slots} of {campaign.scenario.key} already{state}.")


def _weights(campaign: Campaign) -> Iterator[Check]:
    if campaign.reward == Reward.WEIGHTED and not Weights.objects.filter(scenario=campaign.scenario_id).exists():
        yield Check("weights", "fail", f"“{campaign.scenario.key}” has no weights to weigh rewards by: publish some.")


def _worth(campaign: Campaign) -> Iterator[Check]:
    if campaign.control_share:
        return
    if campaign.guards:
        names = words.listing([str(Guard(one).label) for one in campaign.guards])
        yield Check("guards", "warn", f"Without a control share nothing is compared, and nobody guards {names}.")
    else:
        yield Check("control", "warn", "Without a control share nobody can tell what the campaign was worth.")
