"""Many currency rates at once, all of them or none: new days are added, known ones changed."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.db import transaction
from msgspec import Meta

from firstlight.accounts import audit
from firstlight.doors.problems import Place, pointer
from firstlight.metrics.models import Rate
from firstlight.postgres.locks import wait_in_transaction

MOST = 10_000
COLUMNS = ("currency", "day", "per_unit")

Worth = Annotated[Decimal, Meta(extra_json_schema={"pattern": r"^\d{1,12}(\.\d{1,12})?$"})]


class RateRow(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What 1 of `currency` was worth in the base currency on a UTC day."""

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    day: date
    per_unit: Worth

    @property
    def key(self) -> tuple[str, date]:
        return self.currency, self.day


class Refused(Exception):
    """Nothing was saved; `places` has every fault, as pointers into the list of rows."""

    def __init__(self, places: list[Place]) -> None:
        super().__init__("; ".join(f"{place['pointer']}: {place['detail']}" for place in places[:3]))
        self.places = places


@dataclass(frozen=True, slots=True)
class Upserted:
    created: int
    changed: int
    unchanged: int


def put(rows: Sequence[Any], actor: str) -> Upserted:
    """Rows with the fields of `RateRow`. Raises `Refused`."""
    return _save(_read(rows), actor)


def pasted(text: str) -> list[dict[str, str]]:
    """Rows of a pasted table: currency, day, worth of 1 in the base; by comma, semicolon or tab, with a head or not.

    >>> pasted("currency,day,per_unit\\nINR, 2026-11-01, 0.0118")
    [{'currency': 'INR', 'day': '2026-11-01', 'per_unit': '0.0118'}]
    """
    delimiter = next((mark for mark in "\t;" if mark in text), ",")
    lines = [[cell.strip() for cell in line] for line in csv.reader(text.splitlines(), delimiter=delimiter)]
    lines = [line for line in lines if any(line)]
    if lines and lines[0][:1] == ["currency"]:
        names, *lines = lines
    else:
        names = list(COLUMNS)
    return [dict(zip(names, line, strict=False)) for line in lines]


# --- reading: pure ---------------------------------------------------------------------------------------------------


def _read(rows: Sequence[Any]) -> list[RateRow]:
    if len(rows) > MOST:
        raise Refused([{"pointer": "", "detail": f"At most {MOST:,} rows at once; this has {len(rows):,}."}])
    read: list[RateRow] = []
    faults: list[Place] = []
    seen: dict[tuple[str, date], int] = {}
    for index, row in enumerate(rows):
        try:
            read.append(_checked(msgspec.convert(row, RateRow), index, seen))
        except msgspec.ValidationError as error:
            faults.append(_place(index, str(error)))
    if faults:
        raise Refused(faults)
    return read


def _checked(row: RateRow, index: int, seen: dict[tuple[str, date], int]) -> RateRow:
    """What the types cannot say."""
    if (first := seen.setdefault(row.key, index)) != index:
        raise msgspec.ValidationError(f"The same currency and day as in row {first} - at `$.day`")
    if row.currency == settings.BASE_CURRENCY:
        raise msgspec.ValidationError(f"{row.currency} is the base currency, worth 1 on every day - at `$.currency`")
    worth = row.per_unit
    if not (worth.is_finite() and 0 < worth < Decimal(10) ** 12 and worth == round(worth, 12)):
        raise msgspec.ValidationError("Above 0 and under 10^12, with at most 12 decimals - at `$.per_unit`")
    return row


def _place(index: int, message: str) -> Place:
    """`Expected … - at `$.day`` as a pointer and a detail."""
    detail, _, path = message.partition(" - at `$")
    return {"pointer": pointer(index, *(step for step in path.rstrip("`").split(".") if step)), "detail": detail}


# --- saving ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def _save(rows: Sequence[RateRow], actor: str) -> Upserted:
    wait_in_transaction("put currency rates")  # two at once would deadlock on each other's rows
    known = _known(rows)
    touched = [row for row in rows if known.get(row.key) != row.per_unit]
    saved = [Rate(**msgspec.structs.asdict(row)) for row in touched]
    Rate.objects.bulk_create(
        saved,
        update_conflicts=True,
        unique_fields=["currency", "day"],
        update_fields=["per_unit"],
        batch_size=1_000,
    )
    before = {_named(row): str(known[row.key]) for row in touched if row.key in known}
    if touched:
        after = {_named(row): str(row.per_unit) for row in touched}
        audit.record(actor, "upserted", "rates", f"{len(touched)} rates", before=before, after=after)
    return Upserted(len(touched) - len(before), len(before), len(rows) - len(touched))


def _known(rows: Sequence[RateRow]) -> Mapping[tuple[str, date], Decimal]:
    found = Rate.objects.filter(currency__in={row.currency for row in rows}, day__in={row.day for row in rows})
    return {(rate.currency, rate.day): rate.per_unit for rate in found}


def _named(row: RateRow) -> str:
    return f"{row.currency} {row.day}"
