"""What a reading leaves for the next one: files beside the lake, of which one names the others and is written last.

They are a convenience. Whatever is wrong with them (there are none, they are of another plan, another lake, cut short,
changed), the lake is read whole, and they are written anew.
"""

import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.lake.table import Covered
from firstlight.metrics.read.further import Before, without
from firstlight.metrics.read.layout import Asked
from firstlight.metrics.read.sums import Sums
from firstlight.metrics.read.values import Exposures

FORMAT = 1  # of these files and of the sums in them: a release that counts otherwise has another
MOST_PARTS = 30  # days of events in files of their own; then they become one
NAMES = "kept.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a reading is kept, and how a later one finds what came since."""

    folder: Path
    lake: str  # which one it is
    batch: int  # the last one that is read
    beyond: Callable[[Covered], ibis.Table]


@dataclass(frozen=True, slots=True)
class Kept:
    """A reading as its file says it."""

    covered: Covered
    exposed_until: datetime
    plan: str  # digest of all that its sums depend on
    next_id: int
    scenarios: tuple[str, ...] | None
    totals: Mapping[str, float]
    replaced: tuple[int, ...]  # units whose rows in `joined` do not count any more
    units: Mapping[str, str]  # name of the file, its SHA-256
    joined: Mapping[str, str]

    @property
    def files(self) -> dict[str, str]:
        return {**self.units, **self.joined}


def found(keeping: Keeping, asked: Asked) -> Kept | None:
    """What may be gone on from; None, and a line in the log, where there is nothing of the kind."""
    try:
        kept = _read(keeping.folder)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError) as error:
        why = f"its list cannot be read: {error}"
    else:
        why = _fault(kept, keeping, asked)
        if not why:
            return kept
    _log.info("%s is read whole, for what was kept of it is no use: %s", keeping.folder.name, why)
    return None


def _fault(kept: Kept, keeping: Keeping, asked: Asked) -> str:
    """Why it is no use; empty when it is."""
    if kept.plan != _plan(keeping, asked, kept.covered.until):
        return "it is of another plan"
    if not _goes_on(kept, keeping, asked.exposures):
        return "it goes further than what is asked"
    wrong = [name for name, digest in kept.files.items() if _digest(keeping.folder / name) != digest]
    return f"changed or gone: {', '.join(wrong)}" if wrong else ""


def _goes_on(kept: Kept, keeping: Keeping, exposures: Exposures) -> bool:
    """Whether all that it counted is asked for, and exposures were counted for as long as events, or are over."""
    end = exposures.window.end
    together = kept.exposed_until == kept.covered.until <= end
    return (
        kept.covered.batch <= keeping.batch
        and kept.covered.until <= exposures.end
        and (together or kept.exposed_until == end)
    )


def before(keeping: Keeping, kept: Kept, events: ibis.Table) -> Before:
    """Its tables, in the engine of `events`."""
    engine = events.get_backend()
    (units,) = kept.units
    joined = None
    if kept.joined:
        paths = [str(keeping.folder / name) for name in kept.joined]
        joined = without(engine.read_parquet(paths, table_name="kept_events"), kept.replaced)
    table = engine.read_parquet(str(keeping.folder / units), table_name="kept_units")
    return Before(table, joined, kept.next_id, kept.scenarios, dict(kept.totals))


def is_due(kept: Kept | None, exposures: Exposures) -> bool:
    """Once for each UTC day: until it is over, its events are read by every look."""
    return kept is None or kept.covered.until.astimezone(UTC).date() < exposures.end.astimezone(UTC).date()


def keep(
    keeping: Keeping, asked: Asked, read: Sums, units: ibis.Table, *, totals: Mapping[str, float], earlier: Kept | None
) -> None:
    """`units` and, where they are asked for, the events behind them: what the next reading goes on from.

    Where that cannot be written, a full disk say, the reading stands all the same, and the next one is whole.
    """
    try:
        _keep(keeping, asked, read, units, totals=totals, earlier=earlier)
    except (OSError, duckdb.Error) as error:
        _log.warning("%s could not be kept: %s", keeping.folder.name, error)


def _keep(
    keeping: Keeping, asked: Asked, read: Sums, units: ibis.Table, *, totals: Mapping[str, float], earlier: Kept | None
) -> None:
    keeping.folder.mkdir(parents=True, exist_ok=True)
    named = [name for name in read.first.columns if name not in read.added]
    joined, replaced = _events(keeping.folder, read, earlier) if asked.events else ({}, ())
    end = asked.exposures.end
    kept = Kept(
        Covered(keeping.batch, end),
        asked.exposures.window.end,
        _plan(keeping, asked, end),
        int(units.id.max().to_pyarrow().as_py() or 0) + 1,
        None if read.scenarios is None else tuple(read.scenarios),
        totals,
        replaced,
        _written(keeping.folder, units.select(*named, *read.added)),
        joined,
    )
    _name(keeping.folder, kept)
    _sweep(keeping.folder, {*kept.files, NAMES}, set(earlier.files) if earlier else set())


def _events(folder: Path, read: Sums, earlier: Kept | None) -> tuple[dict[str, str], tuple[int, ...]]:
    """Their files, those of today beside those of the days before, and the units whose rows in these do not count."""
    if earlier is None or len(earlier.joined) >= MOST_PARTS:
        return _written(folder, read.joined.select(read.read.columns)), ()
    return {**earlier.joined, **_written(folder, read.read)}, (*earlier.replaced, *read.replaced)


def forget(folder: Path) -> None:
    """Of an experiment that is not read any more."""
    shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path, table: ibis.Table) -> dict[str, str]:
    """Under a name that nobody else uses, for two looks may be at it."""
    name = f"{uuid.uuid4().hex}.parquet"
    table.get_backend().to_parquet(table, folder / name)
    return {name: _digest(folder / name)}


def _name(folder: Path, kept: Kept) -> None:
    """From here on it is this one."""
    told = {
        "format": FORMAT,
        "batch": kept.covered.batch,
        "until": kept.covered.until.isoformat(),
        "exposed_until": kept.exposed_until.isoformat(),
        **{name: getattr(kept, name) for name in ("plan", "next_id", "scenarios", "replaced")},
        **{name: dict(getattr(kept, name)) for name in ("totals", "units", "joined")},
    }
    path = folder / f"{uuid.uuid4().hex}.json"
    path.write_text(json.dumps(told))
    path.replace(folder / NAMES)


def _sweep(folder: Path, named: set[str], earlier: set[str]) -> None:
    """Away with files that no list has named for an hour: nobody reads them any more."""
    for name in earlier - named:
        with suppress(FileNotFoundError):
            os.utime(folder / name)
    old = time.time() - 3_600
    for one in folder.iterdir():
        if one.name not in named and one.stat().st_mtime < old:
            one.unlink(missing_ok=True)


def _read(folder: Path) -> Kept:
    told = json.loads((folder / NAMES).read_text())
    if told["format"] != FORMAT:
        raise ValueError(f"format {told['format']}")
    scenarios = told["scenarios"]
    return Kept(
        Covered(told["batch"], datetime.fromisoformat(told["until"])),
        datetime.fromisoformat(told["exposed_until"]),
        told["plan"],
        told["next_id"],
        None if scenarios is None else tuple(scenarios),
        told["totals"],
        tuple(told["replaced"]),
        told["units"],
        told["joined"],
    )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _plan(keeping: Keeping, asked: Asked, until: datetime) -> str:
    """Of all that the kept sums depend on, up to this moment: a rate of a later day changes none of them."""
    layout, exposures = asked.layout, asked.exposures
    timeless = replace(
        exposures,
        unit=str(exposures.unit),
        window=replace(exposures.window, end=exposures.window.start),
        until=None,
        ages=min(exposures.ages, 1),
        rates=None,
        categories=None,
    )
    last: date = until.astimezone(UTC).date()
    tables = (_of(_until(exposures.rates, last), ("currency", "day")), _of(exposures.categories, ("item_id",)))
    sums = (layout.sides, layout.metrics, layout.funnels, *map(sorted, (layout.local, layout.everywhere, layout.past)))
    told = (FORMAT, keeping.lake, timeless, sums, asked.parts, asked.events, tables)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _until(rates: pa.Table | None, day: date) -> pa.Table | None:
    return None if rates is None else rates.filter(pc.less_equal(rates["day"], pa.scalar(day, pa.date32())))


def _of(table: pa.Table | None, order: Sequence[str]) -> str:
    if table is None:
        return ""
    rows = table.sort_by([(name, "ascending") for name in order]).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return hashlib.sha256(sink.getvalue()).hexdigest()
