"""Items leave the pool of a campaign, by its rule or by a person, and a person takes them back.

The outcome, the audit entry and the notice are written in one transaction under the campaign's row lock: a worker that
dies leaves all of it or nothing, and of two that decide at once the second finds the items gone. The next draw table is
drawn without them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from bandits import pool, weighing
from bandits.models import Campaign, Outcome, Status
from firstlight.accounts import audit
from firstlight.console import words
from firstlight.kernel.withheld import Withheld
from firstlight.notices.announcing import announce
from firstlight.postgres import locks

WORKER = "worker"
NAMED, LISTED = 5, 1_000  # items in the sentence of a notice, and in its evidence; the feed has all


class UnableToDecide(Exception):
    """Why an item cannot leave the pool, in words for the PM."""


class UnableToReverse(Exception):
    """Why not, in words for the PM."""


def graduate(campaign_id: int, *, at: datetime) -> list[Outcome]:
    """All that the rule decides now; nothing when it decided so before, or has no bar to decide by.

    Raises `locks.Busy` while another process decides for this campaign, and `Campaign.DoesNotExist`.
    """
    with locks.alone("graduate", str(campaign_id)):
        campaign = Campaign.objects.select_related("scenario", "owner").get(pk=campaign_id)
        if not campaign.graduates or campaign.status != Status.RUNNING:
            return []
        weighed = weighing.weigh(campaign, at=at)
        return [] if isinstance(weighed, Withheld) else _decided(campaign, weighed, at)


def decide_by_hand(
    campaign_id: int, item: str, kind: Outcome.Kind, *, actor: str, at: datetime, reason: str
) -> Outcome:
    """A person knows better, and says why. Raises `UnableToDecide`, `Campaign.DoesNotExist`."""
    campaign = Campaign.objects.select_related("scenario", "owner").get(pk=campaign_id)
    evidence = {"by_hand": _reasoned(reason, UnableToDecide), **_evidence(campaign, item, at)}
    with transaction.atomic():
        _held(campaign)
        if fault := _fault(campaign, item):
            raise UnableToDecide(fault)
        row = Outcome(campaign=campaign, item=item, kind=kind, decided_at=at, decided_by=actor[:150], evidence=evidence)
        _keep(campaign, kind, [row], at)
    return row


@transaction.atomic
def reverse(outcome_id: int, *, actor: str, at: datetime, reason: str) -> Outcome:
    """The item is in the pool again from the next draw table on. Raises `UnableToReverse`, `Outcome.DoesNotExist`.

    From then on the rule needs new impressions and a wider bar to decide about it (`bandits.policies.graduation`).
    """
    why = _reasoned(reason, UnableToReverse)
    campaign = Campaign.objects.select_related("owner").get(outcomes=outcome_id)
    _held(campaign)
    outcome = Outcome.objects.get(pk=outcome_id)  # read under the lock
    if outcome.reversed_at:
        raise UnableToReverse(
            f"“{outcome.item}” was taken back already, by {outcome.reversed_by} on {outcome.reversed_at:%-d %B %Y}."
        )
    before = audit.state(outcome)
    outcome.reversed_at, outcome.reversed_by, outcome.reason = at, actor[:150], why
    outcome.save(update_fields=["reversed_at", "reversed_by", "reason"])
    audit.record(actor, "took back", "outcome", str(outcome.pk), before=before, after=audit.state(outcome))
    sentence = f"“{campaign.name}”: “{outcome.item}”, {outcome.kind}, was taken back: {why}"
    evidence = {"outcome": outcome.pk, "item": outcome.item, "kind": outcome.kind, "by": actor, "reason": why}
    _tell("campaign.taken_back", campaign, sentence, evidence, first=outcome)
    return outcome


@transaction.atomic
def _decided(campaign: Campaign, weighed: weighing.Weighed, at: datetime) -> list[Outcome]:
    """What was weighed is stored, but for items that somebody decided about in the meantime."""
    _held(campaign)
    campaign.refresh_from_db(fields=["status"])
    if campaign.status != Status.RUNNING:
        return []
    rows = campaign.outcomes
    touched = {*rows.filter(reversed_at=None).values_list("item", flat=True)}
    touched |= {*rows.filter(reversed_at__gte=at).values_list("item", flat=True)}
    found, made = weighed.decisions, []
    for kind, mask in ((Outcome.Kind.GRADUATED, found.graduate), (Outcome.Kind.RETIRED, found.retire)):
        chosen = [int(i) for i in np.flatnonzero(mask & weighed.in_pool) if weighed.beliefs.items[i] not in touched]
        evidence = weighed.evidence(chosen)
        new = [
            Outcome(campaign=campaign, item=weighed.beliefs.items[i], kind=kind, decided_at=at, evidence=told)
            for i, told in zip(chosen, evidence, strict=True)
        ]
        made += _keep(campaign, kind, new, at)
    return made


def _keep(campaign: Campaign, kind: Outcome.Kind, rows: Sequence[Outcome], at: datetime) -> list[Outcome]:
    """Outcomes of one kind, with one audit entry and one notice: a hundred items are not a hundred letters."""
    if not rows:
        return []
    made = Outcome.objects.bulk_create(rows)
    items, by = [row.item for row in made], made[0].decided_by
    audit.record(by, kind, "campaign", campaign.key, before={}, after={"items": items, "outcomes": _ids(made)})
    evidence = {
        "n_items": len(made),
        "items": [_told(row) for row in made[:LISTED]],
        "feed": f"/api/v1/campaigns/{campaign.key}/graduated/?kind={kind}&since={at:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    _tell(f"campaign.{kind}", campaign, leaving(campaign.name, kind, items), evidence, first=made[0])
    return made


def leaving(campaign: str, kind: str, items: Sequence[str]) -> str:
    """
    >>> leaving("New", "graduated", ["a", "b"])
    '“New”: 2 items graduated: a and b.'
    """
    verb = "graduated" if kind == Outcome.Kind.GRADUATED else "were retired" if len(items) > 1 else "was retired"
    named = [*items[:NAMED], *([f"{words.count(len(items) - NAMED)} more"] if len(items) > NAMED else [])]
    return f"“{campaign}”: {words.plural(len(items), 'item')} {verb}: {words.listing(named)}."


def _tell(kind: str, campaign: Campaign, sentence: str, evidence: dict[str, Any], *, first: Outcome) -> None:
    """Once, whoever tries again: the state is named by the first outcome that it tells of."""
    people = [campaign.owner] if campaign.owner else []
    at = first.reversed_at or first.decided_at
    announce(kind, campaign.key, sentence, evidence=evidence, at=at, once=f"outcome {first.pk}", people=people)


def _told(row: Outcome) -> dict[str, Any]:
    known = ("chance", "bar", "impressions", "mean", "by_hand")
    return {"outcome": row.pk, "item": row.item} | {k: row.evidence[k] for k in known if k in row.evidence}


def _ids(rows: Sequence[Outcome]) -> list[int]:
    return [row.pk for row in rows]


def _held(campaign: Campaign) -> None:
    """The campaign's row, to the end of the transaction."""
    Campaign.objects.select_for_update(of=("self",)).only("pk").get(pk=campaign.pk)


def _reasoned(reason: str, refusal: type[Exception]) -> str:
    why = reason.strip()
    if not why:
        raise refusal("Say why: whoever reads this next month was not there.")
    return why[:500]


def _fault(campaign: Campaign, item: str) -> str:
    """What stands in the way of a decision about this item; "" for nothing."""
    if campaign.status not in (Status.RUNNING, Status.PAUSED):
        return f"“{campaign.key}” is {campaign.status}; only items of a campaign that runs can leave its pool."
    if known := campaign.outcomes.filter(item=item, reversed_at=None).first():
        return f"“{item}” left the pool already: it was {known.kind} on {known.decided_at:%-d %B %Y}."
    if not pool.items(campaign).filter(key=item).exists():
        return f"“{item}” is not in the pool of “{campaign.key}”."
    return ""


def _evidence(campaign: Campaign, item: str, at: datetime) -> dict[str, Any]:
    """What is known of it, which may be nothing."""
    weighed = weighing.weigh(campaign, at=at)
    if isinstance(weighed, Withheld):
        return {"withheld": weighed.reason.value}
    places = [i for i, known in enumerate(weighed.beliefs.items) if known == item]
    return weighed.evidence(places)[0] if places else {}
