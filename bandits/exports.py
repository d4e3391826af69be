"""What campaigns give away as tables: what was believed, who left, and every impression with its propensity."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from django.conf import settings
from django.db.models import QuerySet

from bandits import counting, earned, ledgers
from bandits.models import Campaign, Outcome, Posterior
from firstlight.exports.columns import BATCH, Column, batches, columns, schema
from firstlight.exports.pseudonyms import key_of, pseudonyms
from firstlight.exports.sources import Asked, Refused, Rows, Source
from firstlight.kernel.windows import Window
from firstlight.lake import engine

LONGEST = timedelta(days=92)
DAY = timedelta(days=1)

POSTERIORS: tuple[Column, ...] = (
    *columns("text", "campaign segment"),
    *columns("integer", "version"),
    *columns("time", "computed_at"),
    *columns("text", "item reward kind"),
    *columns("number", "impressions rewards trials successes shown mean low high"),
)
OUTCOMES: tuple[Column, ...] = (
    *columns("text", "campaign item outcome"),
    *columns("time", "decided_at"),
    *columns("text", "decided_by because"),
    *columns("integer", "posterior"),
    *columns("number", "chance chance_to_stay bar bar_to_stay"),
    *columns("text", "bar_from"),
    *columns("integer", "incumbents"),
    *columns("number", "impressions rewards mean low high age_hours"),
    *columns("integer", "reversals"),
    *columns("time", "reversed_at"),
    *columns("text", "reversed_by reason"),
)
EXPOSURES: tuple[Column, ...] = (
    *columns("text", "campaign trace_id"),
    *columns("time", "decided_at"),
    *columns("date", "day"),
    *columns("text", "unit item"),
    *columns("integer", "position table row"),
    *columns("text", "arm segment source"),
    *columns("number", "propensity"),
    *columns("integer", "click_hours cart_hours order_hours"),
    *columns("number", "net"),
)
TOLD = (
    *("because", "posterior", "chance", "chance_to_stay", "bar", "bar_to_stay", "bar_from", "incumbents"),
    *("impressions", "rewards", "mean", "low", "high", "age_hours", "reversals"),
)


def found(asked: Asked) -> Campaign:
    """The campaign, if whoever asks may see it. Raises `Refused`."""
    rows = Campaign.objects.select_related("scenario").filter(key=asked.campaign)
    if asked.scenarios:
        rows = rows.filter(scenario__key__in=asked.scenarios)
    campaign = rows.first()
    if campaign is None:
        raise Refused("There is no campaign of this name.", "campaign")
    return campaign


def check(asked: Asked) -> None:
    found(asked)
    if asked.start and asked.end and not asked.start < asked.end:
        raise Refused("The end must lie behind the start.", "end")


# --- posteriors -----------------------------------------------------------------------------------------------------


def check_posteriors(asked: Asked) -> None:
    check(asked)
    if not _versions(asked).exists():
        raise Refused("Nothing was learned in this time." if asked.start or asked.end else "Nothing is learned yet.")


def posteriors(asked: Asked) -> Rows:
    """Of the newest version; with a start or an end of every version of that time, oldest first."""
    rows = _versions(asked)
    total = sum(len(items) for items in rows.values_list("items", flat=True).iterator())
    return Rows(batches(POSTERIORS, _believed(found(asked), rows)), total)


def _versions(asked: Asked) -> QuerySet[Posterior]:
    rows = found(asked).posteriors.order_by("number", "segment").defer("context", "told")
    if asked.start is None and asked.end is None:
        newest = rows.order_by("-number").values("number")[:1]
        return rows.filter(number__in=newest)
    rows = rows.filter(computed_at__gte=asked.start) if asked.start else rows
    return rows.filter(computed_at__lt=asked.end) if asked.end else rows


def _believed(campaign: Campaign, rows: QuerySet[Posterior]) -> Iterator[dict[str, Any]]:
    for row in rows.iterator(chunk_size=1):  # one of ten thousand items is a megabyte
        yield from _items(campaign, row)


def _items(campaign: Campaign, row: Posterior) -> Iterator[dict[str, Any]]:
    about = {
        "campaign": campaign.key,
        "segment": row.segment,
        "version": row.number,
        "computed_at": row.computed_at,
        "reward": campaign.reward,
        "kind": row.kind,
    }
    held, believed = row.numbers, row.beliefs
    low, high = believed.interval()
    told = {
        "impressions": held.get("impressions"),
        "rewards": held.get("rewards"),
        "shown": held.get("ever"),
        "trials": np.asarray(row.trials, np.float64),
        "successes": np.asarray(row.successes, np.float64),
        "mean": believed.mean,
        "low": low,
        "high": high,
    }
    kept = {name: values.tolist() for name, values in told.items() if values is not None}
    for i, item in enumerate(row.items):
        yield {**about, "item": item, **{name: values[i] for name, values in kept.items()}}


# --- outcomes -------------------------------------------------------------------------------------------------------


def outcomes(asked: Asked) -> Rows:
    """Every decision about an item, oldest first, also those taken back."""
    campaign = found(asked)
    rows = campaign.outcomes.order_by("decided_at", "pk")
    return Rows(batches(OUTCOMES, (_outcome(campaign, row) for row in rows.iterator())), rows.count())


def _outcome(campaign: Campaign, row: Outcome) -> dict[str, Any]:
    return {
        "campaign": campaign.key,
        "item": row.item,
        "outcome": row.kind,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        **{name: row.evidence[name] for name in TOLD if row.evidence.get(name) is not None},
        "reversed_at": row.reversed_at,
        "reversed_by": row.reversed_by or None,
        "reason": row.reason or None,
    }


# --- exposures ------------------------------------------------------------------------------------------------------


def check_exposures(asked: Asked) -> None:
    check(asked)
    assert asked.start and asked.end
    if asked.end - asked.start > LONGEST:
        raise Refused(f"At most {LONGEST.days} days at a time.", "end")


def exposures(asked: Asked) -> Rows:
    """Every impression in a slot of the campaign, as it was decided and with what came of it."""
    return Rows(_exposures(found(asked), asked), None)


def _exposures(campaign: Campaign, asked: Asked) -> Iterator[pa.RecordBatch]:
    assert asked.start and asked.end
    key = key_of(settings.SECRET_KEY, campaign.key) if asked.pseudonyms else None
    way, days = ledgers.counted_as(ledgers.of(campaign), asked.end), _days(asked.start, asked.end)
    with engine.events(Window(days.start - DAY, days.end + way.attribution + DAY)) as events:
        shown = counting.trials(events, way, days).filter(lambda t: t.campaign == campaign.key)
        rows = _joined(_decided(events, campaign, asked.start, asked.end), earned.kept(shown))
        for batch in engine.batches(rows.mutate(campaign=ibis.literal(campaign.key)), BATCH):
            yield _exported(batch, key)


def _days(start: datetime, end: datetime) -> Window:
    """Whole ones; a page that was decided on the last of them may be looked at on the next."""
    first, last = (at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) for at in (start, end))
    return Window(first, last + 2 * DAY)


def _decided(events: ibis.Table, campaign: Campaign, start: datetime, end: datetime) -> ibis.Table:
    """view, item -> the latest decision of the campaign about it within the time."""
    since, until = (at.astimezone(UTC).replace(tzinfo=None) for at in (start, end))
    made = events.filter(
        events["type"] == "decision",
        events["scenario"] == campaign.scenario.key,
        events["at"] >= since,
        events["at"] < until,
        events["trace_id"].notnull(),
    )
    each = made.select("event_id", "trace_id", "at", unit=made[campaign.unit], slot=made["discovery"].unnest())
    own = each.filter(each.slot["campaign"] == campaign.key)
    named = own.mutate(item=own.slot["item_id"])
    latest = named.group_by("trace_id", "item").aggregate(
        decided_at=named["at"].argmax(named.event_id),
        unit=named.unit.argmax(named.event_id),
        slot=named.slot.argmax(named.event_id),
    )
    return latest.select(
        "trace_id",
        "item",
        "decided_at",
        "unit",
        **{name: latest.slot[name] for name in ("position", "table", "row", "propensity", "source")},
        view=ibis.literal("t") + latest.trace_id,
    )


def _joined(decided: ibis.Table, shown: ibis.Table) -> ibis.Table:
    """A decision and the first day on which it was looked at."""
    shown = shown.select(
        "day", "arm", "segment", "net", seen="view", shown_item="item_id",
        click_hours="click", cart_hours="cart", order_hours="order",
    )  # fmt: skip
    rows = decided.join(shown, [decided["view"] == shown.seen, decided.item == shown.shown_item])
    return rows.drop("view", "seen", "shown_item")


def _exported(batch: pa.RecordBatch, key: bytes | None) -> pa.RecordBatch:
    wanted = schema(EXPOSURES)
    held = {name: batch.column(name) for name in batch.schema.names}
    if key is not None:
        held["unit"] = pa.array(pseudonyms(key, held["unit"].to_pylist()), pa.string())
    return pa.RecordBatch.from_arrays([held[field.name].cast(field.type) for field in wanted], schema=wanted)


SOURCES = (
    Source(
        kind="posteriors",
        columns=lambda _: POSTERIORS,
        takes=frozenset({"campaign", "start", "end"}),
        needs=frozenset({"campaign"}),
        check=check_posteriors,
        read=posteriors,
    ),
    Source(
        kind="outcomes",
        columns=lambda _: OUTCOMES,
        takes=frozenset({"campaign"}),
        needs=frozenset({"campaign"}),
        check=check,
        read=outcomes,
    ),
    Source(
        kind="exposures",
        columns=lambda _: EXPOSURES,
        takes=frozenset({"campaign", "start", "end", "pseudonyms"}),
        needs=frozenset({"campaign", "start", "end"}),
        check=check_exposures,
        read=exposures,
    ),
)
