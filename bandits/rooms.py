"""The sections of a campaign's page in reading order: each says what it needs of a reading, or that it has no place."""

from collections.abc import Callable

from django.urls import reverse
from django.utils import timezone

from bandits import ecosystem, explaining, judged
from bandits.models import Campaign, Outcome
from bandits.page import Json, Section, chances, exposure, item, leaders, merchants, outcomes, segments, standing
from bandits.page import why as told_why
from bandits.reading import Reading, names
from firstlight.catalog.models import Merchant
from firstlight.kernel.withheld import Withheld

Room = Callable[[Reading], Section | None]


def sections(reading: Reading) -> list[Section]:
    return [made for room in ROOMS if (made := room(reading)) is not None]


def _why(reading: Reading) -> Section | None:
    """Only of a request that somebody asks for."""
    if not reading.choice.trace:
        return None
    told = explaining.why(reading.campaign, reading.choice.trace, at=timezone.now())
    if isinstance(told, Withheld):
        return Section("why", "Why this was shown", missing=f"“{reading.choice.trace}”: {told.reason.value}.")
    titles = names({slot["item_id"] for slot in told["slots"]} | {step["item_id"] for step in told["steps"]})
    return told_why.section(told, titles, reading.wording)


def _leaders(reading: Reading) -> Section | None:
    if reading.newest is None:
        return None
    campaign = reading.campaign
    switches = segments(reading.choice, campaign.segments, campaign.segment_by, "leaders")
    return leaders.section(reading.newest, reading.names, reading.wording, reading.choice, switches)


def _item(reading: Reading) -> Section | None:
    """Only of an item that somebody looks for."""
    if reading.newest is None or not reading.choice.item:
        return None
    return item.section(reading.history, reading.choice.item, reading.names, reading.wording, reading.chances)


def _chances(reading: Reading) -> Section | None:
    return chances.section(reading.chances, reading.names, reading.choice) if reading.newest else None


def _exposure(reading: Reading) -> Section | None:
    return exposure.section(reading.history, reading.names) if reading.newest else None


def _outcomes(reading: Reading) -> Section | None:
    if reading.newest is None:
        return None
    campaign, now = reading.campaign, timezone.now()
    rows = [_outcome(campaign, row) for row in campaign.outcomes.order_by("decided_at", "pk")]
    judgement = judged.judge(campaign, at=now) if rows else {}
    titles = names({row["item"] for row in rows[-outcomes.LISTED :]})
    return outcomes.section(rows, judgement, titles, now=now, is_money=reading.wording.is_money)


def _outcome(campaign: Campaign, row: Outcome) -> Json:
    return {
        "item": row.item,
        "kind": row.kind,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        "evidence": row.evidence,
        "reversed_at": row.reversed_at,
        "reversed_by": row.reversed_by,
        "reason": row.reason,
        "link": reverse("admin:bandits_campaign_take_back", args=[campaign.pk, row.pk]),
    }


def _merchants(reading: Reading) -> Section | None:
    if reading.newest is None:
        return None
    found = ecosystem.spread(reading.campaign, at=timezone.now())
    keys = [row["merchant"] for row in found["ever"]]
    called = dict(Merchant.objects.filter(key__in=keys).exclude(name="").values_list("key", "name"))
    return merchants.section(found, called)


def _told(room: Callable[[Reading, Json], Section]) -> Room:
    return lambda reading: room(reading, reading.newest.told) if reading.newest else None


ROOMS: tuple[Room, ...] = (
    _why,
    _item,
    _leaders,
    _chances,
    _exposure,
    _told(lambda _, told: standing.budgets(told)),
    _outcomes,
    _merchants,
    _told(lambda reading, told: standing.priors(told, reading.wording)),
    _told(lambda reading, told: standing.slots(told, reading.campaign.positions)),
    _told(lambda _, told: standing.delays(told)),
)
