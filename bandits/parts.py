"""A running campaign as bytes: from its rows in the database to a part of the snapshot, and from the part to tables.

A table never changes, so the name of a part says all that it was made of: where the last version has a part of this
name, nothing is read again. A thousand campaigns of which one learned cost one query and one table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np
from django.db.models import QuerySet

from bandits import tables
from bandits.columns import Column, columned, listed, named
from bandits.models import Campaign, DrawTable, Status
from bandits.policies import beliefs
from bandits.policies.policy import Policy
from bandits.served import Attribute, Table
from firstlight.assignment.hashing import BUCKETS
from firstlight.catalog.models import Item

FORMAT = 3  # of a part: a release that writes another one makes all parts anew
SMALL = 2**16  # items that two bytes tell apart


class Pool(msgspec.Struct, frozen=True, array_like=True):
    """Items and what a filter may name of them; mostly the same in all tables of a campaign, and then held once."""

    items: tuple[str, ...]
    merchants: Column
    categories: Column
    countries: Column
    tags: Column


class Drawn(msgspec.Struct, frozen=True, array_like=True):
    """One draw table."""

    number: int
    segment: str
    arm: str
    seed: int
    pool: int  # index into the pools of the part
    kind: str  # of the beliefs
    arrays: bytes  # as bandits.policies.beliefs packs them
    pace: bytes  # little-endian float64; empty: none
    policy: str
    epsilon: float
    depth: int
    rows: bytes  # little-endian; two bytes an index below `SMALL` items, else four


class Part(msgspec.Struct, frozen=True):
    """One running campaign."""

    campaign: str
    scenario: str
    positions: tuple[int, ...]
    most_per_page: int | None
    floor: float
    merchant_cap: int | None
    segment_by: str
    unit: str
    control: int  # buckets of units that never see it
    uniform: int  # buckets of units that see every item alike
    pools: tuple[Pool, ...]
    tables: tuple[Drawn, ...]


class Shelf(NamedTuple):
    """A pool as tables hold it."""

    items: tuple[str, ...]
    merchants: tuple[str, ...]
    categories: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class Running:
    """One campaign at work."""

    campaign: str
    scenario: str
    positions: tuple[int, ...]  # ascending
    most_per_page: int | None
    segment_by: str
    unit: str
    control: int
    uniform: int
    tables: Mapping[tuple[str, str], Table]  # {(arm, segment)}; segment "" is of all traffic

    @property
    def table(self) -> Table:
        """That of most requests."""
        return self.tables["learned", ""]

    def table_of(self, arm: str, segment: str) -> Table | None:
        return self.tables.get((arm, segment)) or self.tables.get((arm, ""))


def compiled() -> dict[str, Callable[[], bytes]]:
    """The parts of all campaigns that run and have a table, by name, each to be made when it is needed."""
    running = Campaign.objects.filter(status=Status.RUNNING).select_related("scenario")
    latest = _latest(DrawTable.objects.filter(campaign__status=Status.RUNNING))
    numbered = {campaign: _wanted(campaign, latest.get(campaign.pk, {})) for campaign in running}
    return {name_of(c, numbers): partial(_packed, c, numbers) for c, numbers in numbered.items() if numbers}


def present(campaign: Campaign) -> Running | None:
    """As it would be served now, whatever its status; None when it never had a table."""
    numbers = _wanted(campaign, _latest(campaign.tables.all()).get(campaign.pk, {}))
    return of_tables(campaign, numbers) if numbers else None


def of_tables(campaign: Campaign, numbers: Sequence[int]) -> Running:
    """The campaign as it is, with these tables."""
    return load(_packed(campaign, numbers))


def load(payload: bytes) -> Running:
    part = msgspec.msgpack.decode(payload, type=Part)
    pools = [_opened(pool) for pool in part.pools]
    made = [_table(part, drawn, pools[drawn.pool]) for drawn in part.tables]
    return Running(
        part.campaign,
        part.scenario,
        tuple(sorted(set(part.positions))),
        part.most_per_page,
        part.segment_by,
        part.unit,
        part.control,
        part.uniform,
        {(table.arm, table.segment): table for table in made},
    )


def name_of(campaign: Campaign, numbers: Sequence[int]) -> str:
    """Its key, and a digest of all that the bytes of the part follow from."""
    said = repr((FORMAT, *_settings(campaign), campaign.policy, float(campaign.epsilon), tuple(numbers)))
    return f"{campaign.key}@{blake2b(said.encode(), digest_size=10).hexdigest()}"


def campaign_of(name: str) -> str:
    return name.rpartition("@")[0]


def _latest(rows: QuerySet[DrawTable]) -> dict[int, dict[tuple[str, str], int]]:
    """{campaign: {(arm, segment): number}}."""
    found: dict[int, dict[tuple[str, str], int]] = {}
    newest = rows.order_by("campaign_id", "segment", "arm", "-pk").distinct("campaign_id", "segment", "arm")
    for campaign, segment, arm, number in newest.values_list("campaign_id", "segment", "arm", "pk"):
        found.setdefault(campaign, {})[arm, segment] = number
    return found


def _wanted(campaign: Campaign, latest: Mapping[tuple[str, str], int]) -> list[int]:
    """Tables of segments that it has, if there is one of all traffic."""
    segments = {"", *(campaign.segments if campaign.segment_by else ())}
    wanted = sorted(number for (_, segment), number in latest.items() if segment in segments)
    return wanted if ("learned", "") in latest else []


def _settings(
    campaign: Campaign,
) -> tuple[str, str, tuple[int, ...], int | None, float, int | None, str, str, int, int]:
    return (
        campaign.key,
        campaign.scenario.key,
        tuple(campaign.positions),
        campaign.most_per_page,
        float(campaign.floor),
        campaign.merchant_cap,
        campaign.segment_by,
        campaign.unit,
        round(campaign.control_share * BUCKETS),
        round(campaign.uniform_share * BUCKETS),
    )


def _packed(campaign: Campaign, numbers: Sequence[int]) -> bytes:
    rows = list(DrawTable.objects.filter(pk__in=numbers).select_related("posterior").order_by("pk"))
    pools: dict[tuple[tuple[str, ...], ...], int] = {}
    drawn = [_drawn(campaign, row, pools.setdefault(_words(row), len(pools))) for row in rows]
    return msgspec.msgpack.encode(Part(*_settings(campaign), tuple(map(_pool, pools)), tuple(drawn)))


def _words(row: DrawTable) -> tuple[tuple[str, ...], ...]:
    return tuple(row.items), tuple(row.merchants), tuple(row.categories)


def _pool(words: tuple[tuple[str, ...], ...]) -> Pool:
    """Countries and tags are as the catalogue has them when the table is published first."""
    items, merchants, categories = words
    rows = Item.objects.filter(key__in=items).values_list("key", "country", "tags")
    known = {key: (country, tags) for key, country, tags in rows}
    countries = columned(known.get(item, ("", []))[0] for item in items)
    tags = listed(known.get(item, ("", []))[1] for item in items)
    return Pool(items, columned(merchants), columned(categories), countries, tags)


def _drawn(campaign: Campaign, row: DrawTable, pool: int) -> Drawn:
    policy, pace, believed = tables.policy_of(campaign, row.arm), tables.pace_of(row.posterior), row.posterior.beliefs
    rows = np.frombuffer(bytes(row.rows), "<u4")
    return Drawn(
        row.pk,
        row.segment,
        row.arm,
        row.seed,
        pool,
        believed.kind,
        beliefs.pack(believed.arrays()),
        b"" if pace is None else pace.astype("<f8").tobytes(),
        policy.kind,
        policy.epsilon,
        row.depth,
        rows.astype("<u2" if len(row.items) < SMALL else "<u4").tobytes(),
    )


def _opened(pool: Pool) -> Shelf:
    attributes: Mapping[str, Attribute] = {"country": named(pool.countries), "tags": named(pool.tags)}
    return Shelf(pool.items, named(pool.merchants), named(pool.categories), attributes)


def _table(part: Part, drawn: Drawn, shelf: Shelf) -> Table:
    flat = np.frombuffer(drawn.rows, "<u2" if len(shelf.items) < SMALL else "<u4")
    return Table(
        campaign=part.campaign,
        number=drawn.number,
        seed=drawn.seed,
        **shelf._asdict(),
        beliefs=beliefs.of(drawn.kind, shelf.items, beliefs.unpack(drawn.arrays)),
        rows=flat.reshape(-1, drawn.depth) if drawn.depth else np.empty((1, 0), np.uint16),
        floor=part.floor,
        merchant_cap=part.merchant_cap,
        segment=drawn.segment,
        arm=drawn.arm,
        policy=Policy(drawn.policy, drawn.epsilon),  # type: ignore[arg-type]
        pace=np.frombuffer(drawn.pace, "<f8") if drawn.pace else None,
    )
