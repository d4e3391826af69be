"""What a look sets off: a broken guard pauses the campaign, and its people hear of it; so they do of a wrong split."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bandits import guarding, lifecycle
from bandits.exposed import GUARD
from bandits.models import Campaign, CampaignLook, Status
from firstlight.notices import announcing


def pause(campaign: Campaign, results: Mapping[str, Any], *, at: datetime) -> bool:
    """Whether a broken guard paused it now. Only a person resumes it."""
    found = because(results)
    if not found or campaign.status != Status.RUNNING:
        return False
    try:
        lifecycle.pause(campaign.pk, actor=GUARD, at=at, because=found)
    except lifecycle.UnableToPause:  # somebody paused or stopped it while we read
        return False
    return True


def because(results: Mapping[str, Any]) -> str:
    """What is broken, in words; empty when nothing is. Pure."""
    return " ".join(one["sentence"] for one in guarding.broken(results["guards"]))


def announce(look: CampaignLook) -> None:
    """To the owner, subscribers and webhooks, each alarm once per start of the watch. In its transaction."""
    results = look.results
    if look.results["paused"]:
        broken = list(guarding.broken(results["guards"]))
        _announce(look, "campaign.guard", f"Paused by a guard. {because(results)}", {"guards": broken})
    split = results["worth"]["split"]
    if split["passed"] is False:
        _announce(look, "campaign.sample_ratio", split["sentence"], {"p": split["p"], "units": split["units"]})


def _announce(look: CampaignLook, kind: str, sentence: str, evidence: Mapping[str, Any]) -> None:
    campaign = look.campaign
    announcing.announce(
        kind,
        campaign.key,
        f"“{campaign.name}”: {sentence}",
        evidence={"look": look.number, **evidence},
        at=look.computed_at,
        once=f"watched since {look.results['basis']['since']}",
        people=[campaign.owner] if campaign.owner else [],
    )
