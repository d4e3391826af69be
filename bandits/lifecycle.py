"""What becomes of a campaign, command by command: draft -> running <-> paused -> stopped."""

from datetime import datetime

from django.db import transaction

from bandits import checklist, learning
from bandits.models import Campaign, Status
from firstlight.accounts import audit
from firstlight.console import words
from firstlight.postgres import locks


class Unable(Exception):
    """A command was refused: everything that is in the way, in words for the PM."""


class UnableToStart(Unable):
    pass


class UnableToPause(Unable):
    pass


class UnableToResume(Unable):
    pass


class UnableToStop(Unable):
    pass


@transaction.atomic
def start(campaign_id: int, *, actor: str, at: datetime) -> Campaign:
    """Fill its slots from `at` on, by the prior until something is learned. Raises `UnableToStart`, `DoesNotExist`."""
    locks.wait_in_transaction("campaigns")  # two that start at once must see each other's slots
    campaign = _opened(campaign_id, "started", UnableToStart, Status.DRAFT)
    if faults := checklist.faults(campaign):
        raise UnableToStart(" ".join(faults))
    learning.begin(campaign, at=at)
    return _moved(campaign, "started", actor, status=Status.RUNNING, started_at=at)


@transaction.atomic
def pause(campaign_id: int, *, actor: str, at: datetime, because: str = "") -> Campaign:
    """Give its slots to the recommender until it is resumed; they stay its own, and what it learned stays.

    Raises `UnableToPause`, `Campaign.DoesNotExist`.
    """
    campaign = _opened(campaign_id, "paused", UnableToPause, Status.RUNNING)
    _check_order(campaign, at, UnableToPause)
    return _moved(campaign, "paused", actor, status=Status.PAUSED, paused_because=because.strip() or f"by {actor}")


@transaction.atomic
def resume(campaign_id: int, *, actor: str, at: datetime) -> Campaign:
    """Fill its slots again, with what it had learned. Raises `UnableToResume`, `Campaign.DoesNotExist`."""
    campaign = _opened(campaign_id, "resumed", UnableToResume, Status.PAUSED)
    _check_order(campaign, at, UnableToResume)
    return _moved(campaign, "resumed", actor, status=Status.RUNNING, paused_because="")


@transaction.atomic
def stop(campaign_id: int, *, actor: str, at: datetime) -> Campaign:
    """Give its slots back for good; what it learned stays. Raises `UnableToStop`, `Campaign.DoesNotExist`."""
    campaign = _opened(campaign_id, "stopped", UnableToStop, Status.RUNNING, Status.PAUSED)
    _check_order(campaign, at, UnableToStop)
    return _moved(campaign, "stopped", actor, status=Status.STOPPED, stopped_at=at, paused_because="")


def _opened(campaign_id: int, done: str, refusal: type[Unable], *sources: Status) -> Campaign:
    """Its row, locked to the end of the transaction, in a state from which the command leads on."""
    rows = Campaign.objects.select_for_update(of=("self",)).select_related("scenario")
    campaign = rows.get(pk=campaign_id)
    if campaign.status not in sources:
        raise refusal(_refusal(campaign, done, sources))
    return campaign


def _refusal(campaign: Campaign, done: str, sources: tuple[Status, ...]) -> str:
    if campaign.status == Status.STOPPED and done != "stopped":
        return f"“{campaign.key}” has been stopped. Make a new campaign to go on; it brings the items' history with it."
    wanted = words.listing([_state(one) for one in sources]).replace(" and ", " or ")
    already = "already " if campaign.status in _TARGETS[done] else ""
    return f"“{campaign.key}” is {already}{_state(campaign.status)}; only one that is {wanted} can be {done}."


_TARGETS = {
    "started": (Status.RUNNING, Status.PAUSED),
    "paused": (Status.PAUSED,),
    "resumed": (Status.RUNNING,),
    "stopped": (Status.STOPPED,),
}


def _state(status: str) -> str:
    return "a draft" if status == Status.DRAFT else status


def _check_order(campaign: Campaign, at: datetime, refusal: type[Unable]) -> None:
    if campaign.started_at and at < campaign.started_at:
        raise refusal(f"“{campaign.key}” started later than that, on {campaign.started_at:%-d %B %Y, %H:%M %Z}.")


def _moved(campaign: Campaign, action: str, actor: str, **fields: object) -> Campaign:
    before = audit.state(campaign)
    for name, value in fields.items():
        setattr(campaign, name, value)
    campaign.save(update_fields=list(fields))
    audit.record(actor, action, "campaign", campaign.key, before=before, after=audit.state(campaign))
    return campaign
