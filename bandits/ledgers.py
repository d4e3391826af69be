"""What is counted of a scenario, day by day, for all campaigns that count in the same way; each event exactly once.

A day that new events reach is counted anew as a whole, from the lake up to one batch, and takes the place of what was
counted of it; the watermark moves in the same transaction. So nothing is ever added to anything, and a worker that
dies, or a task that runs twice, leaves what one run leaves.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from django.db import transaction

from bandits import counting, earned
from bandits.counting import Counting
from bandits.models import Campaign, DrawTable, Ledger, LedgerDay
from firstlight.catalog.models import Item
from firstlight.kernel.windows import Window
from firstlight.lake import engine
from firstlight.lake import table as lake
from firstlight.metrics import rates
from firstlight.metrics.attribution import MONEY_BACK
from firstlight.postgres import locks

HISTORY = timedelta(days=90)  # older events teach nothing: fashion, prices and neighbours have changed
DAY = timedelta(days=1)
MOST_AT_ONCE = timedelta(days=31)  # what is counted in one go is in memory: 130 bytes for each cell

Stored = dict[date, tuple[bytes, bytes]]  # cells and delays of each day, packed

CELLS = pa.schema(
    [
        *((name, pa.string()) for name in counting.NAMES),
        ("position", pa.int32()),
        ("hour", pa.int32()),
        *((name, pa.float64()) for name in counting.SUMS),
    ]
)
DELAYS = pa.schema([("reward", pa.string()), ("hours", pa.int64()), ("count", pa.float64())])


def of(campaign: Campaign) -> Ledger:
    """The one that counts as this campaign asks; a new one knows nothing yet."""
    ledger, _ = Ledger.objects.get_or_create(
        scenario_id=campaign.scenario_id,
        attribution_hours=campaign.attribution_hours,
        segment_by=campaign.segment_by,
        value_cap=campaign.value_cap,
        value_currency=campaign.value_currency,
    )
    return ledger


def bring_up(ledger: Ledger, *, until_batch: int, at: datetime) -> Ledger:
    """With every event of the lake up to this batch, all of it or nothing; one process at a time.

    A ledger that is ahead (the lake was restored from an earlier copy) is begun anew.
    """
    with transaction.atomic():
        locks.wait_in_transaction("ledger", str(ledger.pk))  # who comes second finds the work done
        ledger.refresh_from_db()
        if ledger.batch > until_batch:  # somebody was quicker, or the lake is an earlier one
            until_batch = lake.latest_batch()
        if ledger.batch == until_batch:
            return ledger
        asked, known = counted_as(ledger, at), ledger.batch if ledger.batch < until_batch else 0
        if not known:
            ledger.days.all().delete()
        runs = reached(asked, known, until_batch, at)
        _keep(ledger, until_batch, {run: _counted(asked, run, until_batch) for run in runs}, at)
    return ledger


def read(ledger: Ledger, since: date) -> pa.Table:
    """Its cells from this day on, with their `day`; columns `counting.WHERE` and `counting.SUMS`."""
    rows = ledger.days.filter(day__gte=since).order_by("day").values_list("day", "counts")
    return _joined(rows, CELLS)


def delays(ledger: Ledger, since: date, until: date) -> pa.Table:
    """day, reward, hours, count of the impressions on these days, the last included."""
    rows = ledger.days.filter(day__gte=since, day__lte=until).order_by("day").values_list("day", "delays")
    return _joined(rows, DELAYS)


def counted_as(ledger: Ledger, at: datetime) -> Counting:
    parted, currency = ledger.segment_by == counting.CATEGORY, ledger.value_currency
    uniform = DrawTable.objects.filter(campaign__scenario=ledger.scenario_id, arm="uniform").values_list(
        "pk", flat=True
    )
    return Counting(
        ledger.scenario.key,
        timedelta(hours=ledger.attribution_hours),
        ledger.segment_by,
        float(ledger.value_cap),
        rates.stored().table(currency, (at - HISTORY).date(), (at + DAY).date()) if currency else None,
        _categories() if parted else None,
        tuple(uniform.values_list("pk", flat=True)),
    )


def reached(asked: Counting, after_batch: int, until_batch: int, at: datetime) -> list[Window]:
    """The days whose counts new events of this scenario can change, as windows of days that follow each other.

    One late event does not have all days counted anew that lie between.
    """
    history = Window(at - HISTORY, at + DAY)  # clients' clocks may be a little ahead
    with engine.events(history, until_batch=until_batch) as events:
        new = events.filter(
            events["batch"] > after_batch,
            events["type"].isin((*earned.REWARDS, *MONEY_BACK, "impression", "decision")),
            events["scenario"].isnull() | (events["scenario"] == asked.scenario),
        )
        came = new.select("day").distinct().to_pyarrow()["day"].to_pylist()
    # A decision that comes late tells of impressions after it, a reward of those before it.
    spans = (Window(_midnight(day) - asked.attribution, _midnight(day) + 2 * DAY).days() for day in came)
    return _runs({day for span in spans for day in span} & set(history.days()))


def _runs(days: Iterable[date]) -> list[Window]:
    """
    >>> [len(list(run.days())) for run in _runs([date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 9)])]
    [2, 1]
    """
    found: list[Window] = []
    for day in sorted(days):
        start, end = _midnight(day), _midnight(day) + DAY
        if found and found[-1].end == start and end - found[-1].start <= MOST_AT_ONCE:
            found[-1] = Window(found[-1].start, end)
        else:
            found.append(Window(start, end))
    return found


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _counted(asked: Counting, days: Window, until_batch: int) -> Stored:
    """By day, as they are stored."""
    # A decision may be of the day before its impression; rewards come until the window of the last day is over.
    whole = Window(days.start - DAY, days.end + asked.attribution + DAY)
    with engine.events(whole, until_batch=until_batch) as events:
        trials = earned.kept(counting.trials(events, asked, days))
        parts, slow = _by_day(counting.cells(trials, asked), CELLS), _by_day(counting.delays(trials), DELAYS)
    return {day: (packed(rows), packed(slow[day]) if day in slow else b"") for day, rows in parts.items()}


def _keep(ledger: Ledger, batch: int, counted: Mapping[Window, Stored], at: datetime) -> None:
    for run in counted:
        ledger.days.filter(day__in=list(run.days())).delete()
    ledger.days.filter(day__lt=(at - HISTORY).date()).delete()
    made = [
        LedgerDay(ledger=ledger, day=day, counts=cells, delays=took)
        for days in counted.values()
        for day, (cells, took) in days.items()
    ]
    LedgerDay.objects.bulk_create(made, batch_size=50)
    ledger.batch = batch
    ledger.save(update_fields=["batch", "updated_at"])


def packed(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(rows)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _joined(rows: Iterable[tuple[date, Any]], schema: pa.Schema) -> pa.Table:
    found = [
        part.append_column("day", pa.array([day] * part.num_rows, pa.date32()))
        for day, stored in rows
        if stored and (part := pa.ipc.open_stream(pa.py_buffer(bytes(stored))).read_all()).num_rows
    ]
    return pa.concat_tables(found) if found else schema.append(pa.field("day", pa.date32())).empty_table()


def _by_day(rows: ibis.Table, schema: pa.Schema) -> dict[date, pa.Table]:
    found = rows.to_pyarrow().sort_by("day")
    days, starts = np.unique(found["day"].to_numpy(), return_index=True)
    sizes = np.diff([*starts, found.num_rows])
    parts = (found.slice(start, size) for start, size in zip(starts.tolist(), sizes.tolist(), strict=True))
    return {day: part.select(schema.names).cast(schema) for day, part in zip(days.tolist(), parts, strict=True)}


def _categories() -> pa.Table:
    rows = Item.objects.filter(category__isnull=False).values_list("key", "category__key")
    keys, names = zip(*rows, strict=True) if rows else ((), ())
    return pa.table({"item_id": pa.array(keys, pa.string()), "category": pa.array(names, pa.string())})
