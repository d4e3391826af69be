"""Snapshots in which experiments or keys changed, as the database tells of them; a new draw table is not for here."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import structlog

from firstlight.snapshots.arrivals import CHANNEL, address

SECTIONS = ("experiments", "scenarios", "keys", "client_keys")  # what flags and features follow from, and for whom
POLL = 10.0  # seconds after which it asks without having been told
PAUSE = 1.0  # seconds before it tries again to reach the database

NEWEST = "SELECT number, lists FROM snapshots_version ORDER BY number DESC LIMIT 1"

log = structlog.get_logger(__name__)


async def changes() -> AsyncIterator[int]:
    """Numbers of snapshots, the newest at first; while the database is away there are none, and after it the newest."""
    seen: Any = None
    while True:
        try:
            async for number, told in _told():
                if told != seen:
                    seen = told
                    yield number
        except (psycopg.Error, OSError) as error:
            log.warning("changes are not heard of", reason=f"{type(error).__name__}: {error}".strip())
            await asyncio.sleep(PAUSE)


async def _told() -> AsyncIterator[tuple[int, Any]]:
    async with await psycopg.AsyncConnection.connect(**address(), autocommit=True) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        while True:
            row = await (await connection.execute(NEWEST)).fetchone()
            if row is not None:
                yield row[0], {name: row[1].get(name) for name in SECTIONS}
            async for _ in connection.notifies(timeout=POLL, stop_after=1):
                pass
