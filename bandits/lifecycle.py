"""Start and stop a campaign: draft -> running -> stopped."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction

from bandits import learning, pool
from bandits.models import Campaign, Status
from firstlight.accounts import audit
from firstlight.postgres import locks


class UnableToStart(Exception):
    """Everything that is in the way, in words for the PM."""


class UnableToStop(Exception):
    """Why not, in words for the PM."""


@transaction.atomic
def start(campaign_id: int, *, actor: str, at: datetime) -> Campaign:
    """Fill its slots from `at` on, by the prior until something is learned. Raises `UnableToStart`, `DoesNotExist`."""
    locks.wait_in_transaction("campaigns")  # two that start at once must see each other's slots
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("scenario").get(pk=campaign_id)
    if campaign.status != Status.DRAFT:
        raise UnableToStart(_not_a_draft(campaign))
    if faults := list(_faults(campaign)):
        raise UnableToStart(" ".join(faults))
    learning.begin(campaign)
    _move(campaign, "started", actor, status=Status.RUNNING, started_at=at)
    return campaign


@transaction.atomic
def stop(campaign_id: int, *, actor: str, at: datetime) -> Campaign:
    """Give its slots back; what it learned stays. Raises `UnableToStop`, `Campaign.DoesNotExist`."""
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("scenario").get(pk=campaign_id)
    if campaign.status != Status.RUNNING:
        state = "a draft" if campaign.status == Status.DRAFT else "already stopped"
        raise UnableToStop(f"“{campaign.key}” is not running, it is {state}.")
    _move(campaign, "stopped", actor, status=Status.STOPPED, stopped_at=at)
    return campaign


def _move(campaign: Campaign, action: str, actor: str, **fields: object) -> None:
    before = audit.state(campaign)
    for name, value in fields.items():
        setattr(campaign, name, value)
    campaign.save(update_fields=list(fields))
    audit.record(actor, action, "campaign", campaign.key, before=before, after=audit.state(campaign))


def _not_a_draft(campaign: Campaign) -> str:
    if campaign.status == Status.RUNNING:
        return f"“{campaign.key}” is already running."
    return f"“{campaign.key}” has been stopped. Make a new campaign to go on; it brings the items' history with it."


def _faults(campaign: Campaign) -> Iterator[str]:
    if not campaign.positions:
        yield "It names no slots to fill."
    if not pool.items(campaign).exists():
        yield "No item satisfies its pool rule."
    others = Campaign.objects.filter(
        status=Status.RUNNING, scenario=campaign.scenario, positions__overlap=campaign.positions
    )
    for other in others.exclude(pk=campaign.pk).order_by("key"):
        slots = ", ".join(str(p) for p in sorted({*campaign.positions} & {*other.positions}))
        yield f"“{other.key}” fills slot {slots} of {campaign.scenario.key} already."
