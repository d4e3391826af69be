"""The sections of a campaign's page in reading order: each says what it needs of a reading, or that it has no place."""

from collections.abc import Callable

from bandits import explaining
from bandits.page import Json, Section, chances, exposure, item, leaders, segments, standing
from bandits.page import why as told_why
from bandits.page import worth as told_worth
from bandits.reading import Reading, names
from firstlight.kernel.withheld import Withheld

Room = Callable[[Reading], Section | None]


def sections(reading: Reading) -> list[Section]:
    return [made for room in ROOMS if (made := room(reading)) is not None]


def _why(reading: Reading) -> Section | None:
    """Only of a request that somebody asks for."""
    if not reading.choice.trace:
        return None
    told = explaining.why(reading.campaign, reading.choice.trace, at=reading.at)
    if isinstance(told, Withheld):
        return Section("why", "Why this was shown", missing=f"“{reading.choice.trace}”: {told.reason.value}.")
    titles = names({slot["item_id"] for slot in told["slots"]} | {step["item"] for step in told["steps"]})
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


def _worth(reading: Reading) -> Section | None:
    return told_worth.worth(reading.look, reading.campaign.value_currency) if reading.newest else None


def _guards(reading: Reading) -> Section | None:
    return told_worth.guards(reading.look) if reading.newest else None


def _outcomes(reading: Reading) -> Section | None:
    return reading.leaving.outcomes() if reading.newest else None


def _merchants(reading: Reading) -> Section | None:
    return reading.leaving.merchants() if reading.newest else None


def _told(room: Callable[[Reading, Json], Section]) -> Room:
    return lambda reading: room(reading, reading.newest.told) if reading.newest else None


ROOMS: tuple[Room, ...] = (
    _why,
    _item,
    _leaders,
    _chances,
    _exposure,
    _told(lambda _, told: standing.budgets(told)),
    _worth,
    _guards,
    _outcomes,
    _merchants,
    _told(lambda reading, told: standing.priors(told, reading.wording)),
    _told(lambda reading, told: standing.slots(told, reading.campaign.positions)),
    _told(lambda _, told: standing.delays(told)),
)
