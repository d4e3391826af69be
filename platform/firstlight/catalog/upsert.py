"""Many items or merchants at once: new ones are added, known ones changed, all of them or none.

A field that a row leaves out keeps its value. Merchants and categories that items name are made when there are none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from django.db import transaction
from msgspec import UNSET, Meta, UnsetType

from firstlight.accounts import audit
from firstlight.catalog.models import Category, Item, Merchant
from firstlight.doors.problems import Place, pointer
from firstlight.postgres.locks import wait_in_transaction

MOST = 10_000

Key = Annotated[str, Meta(min_length=1, max_length=200)]
Money = Annotated[Decimal, Meta(extra_json_schema={"pattern": r"^\d{1,14}(\.\d{1,4})?$"})]


class ItemRow(msgspec.Struct, forbid_unknown_fields=True):
    key: Key
    title: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    merchant: Key | UnsetType | None = UNSET
    category: Key | UnsetType | None = UNSET
    price: Money | UnsetType | None = UNSET
    currency: Annotated[str, Meta(pattern="^([A-Z]{3})?$")] | UnsetType = UNSET
    country: Annotated[str, Meta(pattern="^([A-Z]{2})?$")] | UnsetType = UNSET
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=100)] | UnsetType = UNSET
    in_stock: bool | UnsetType = UNSET
    listed_at: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET


class MerchantRow(msgspec.Struct, forbid_unknown_fields=True):
    key: Key
    name: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET


class Refused(Exception):
    """Nothing was saved; `places` has every fault, as pointers into the list of rows."""

    def __init__(self, places: list[Place]) -> None:
        super().__init__("; ".join(f"{p['pointer']}: {p['detail']}" for p in places[:3]))
        self.places = places


@dataclass(frozen=True, slots=True)
class Upserted:
    created: int
    changed: int
    unchanged: int


def items(rows: Sequence[Mapping[str, Any]], actor: str) -> Upserted:
    """Field names and limits: `ItemRow`. Raises `Refused`."""
    return _upsert(Item, _read(rows, ItemRow), ItemRow.__struct_fields__, actor)


def merchants(rows: Sequence[Mapping[str, Any]], actor: str) -> Upserted:
    """Field names and limits: `MerchantRow`. Raises `Refused`."""
    return _upsert(Merchant, _read(rows, MerchantRow), MerchantRow.__struct_fields__, actor)


# --- reading: pure ---------------------------------------------------------------------------------------------------

Row = TypeVar("Row", ItemRow, MerchantRow)


def _read(rows: Sequence[Mapping[str, Any]], kind: type[Row]) -> list[dict[str, Any]]:
    """The fields that each row sets."""
    if len(rows) > MOST:
        raise Refused([{"pointer": "", "detail": f"At most {MOST:,} rows at once; this has {len(rows):,}."}])
    read: list[dict[str, Any]] = []
    faults: list[Place] = []
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        try:
            fields = msgspec.structs.asdict(msgspec.convert(row, kind))
            _check(fields, index, seen)
            read.append({name: _in_utc(value) for name, value in fields.items() if value is not UNSET})
        except msgspec.ValidationError as error:
            faults.append(_place(index, str(error)))
    if faults:
        raise Refused(faults)
    return read


def _check(fields: dict[str, Any], index: int, seen: dict[str, int]) -> None:
    """What the types cannot say."""
    if (first := seen.setdefault(fields["key"], index)) != index:
        raise msgspec.ValidationError(f"The same key as in row {first} - at `$.key`")
    price = fields.get("price")
    if isinstance(price, Decimal) and not (
        price.is_finite() and 0 <= price < Decimal(10) ** 14 and price == round(price, 4)
    ):
        raise msgspec.ValidationError("From 0 to 99999999999999.9999, with at most 4 decimals - at `$.price`")
    if isinstance(listed_at := fields.get("listed_at"), datetime) and not 1 < listed_at.year < 9999:
        raise msgspec.ValidationError("A year from 2 to 9998 - at `$.listed_at`")  # the edges overflow in UTC


def _in_utc(value: Any) -> Any:
    """PostgreSQL takes no offset of 16 hours or more, RFC 3339 does."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _place(index: int, message: str) -> Place:
    """`Expected … - at `$.tags[2]`` as a pointer and a detail."""
    detail, _, path = message.partition(" - at `$")
    steps = [step for step in path.rstrip("`").replace("[", ".").replace("]", "").split(".") if step]
    return {"pointer": pointer(index, *steps), "detail": detail}


# --- saving ----------------------------------------------------------------------------------------------------------

LINKS: dict[str, type[Merchant] | type[Category]] = {"merchant": Merchant, "category": Category}
Values = dict[str, Any]  # by the names of a row, links as keys


@transaction.atomic
def _upsert(model: type[Item] | type[Merchant], rows: list[Values], fields: Sequence[str], actor: str) -> Upserted:
    wait_in_transaction("upsert the catalogue")  # two at once would deadlock on each other's rows
    known = _known(model, fields, [row["key"] for row in rows])
    touched = [row for row in rows if row["key"] not in known or known[row["key"]] | row != known[row["key"]]]
    _save(model, [known.get(row["key"], {}) | row for row in touched], fields)
    kind = str(model._meta.verbose_name_plural)
    before = {row["key"]: _plain({f: known[row["key"]][f] for f in row}) for row in touched if row["key"] in known}
    after = {row["key"]: _plain(row) for row in touched}
    if touched:
        audit.record(actor, "upserted", kind, f"{len(touched)} {kind}", before=before, after=after)
    return Upserted(len(touched) - len(before), len(before), len(rows) - len(touched))


def _known(model: type[Item] | type[Merchant], fields: Sequence[str], keys: list[str]) -> dict[str, Values]:
    columns = {f"{field}__key" if field in LINKS else field: field for field in fields}
    found: Iterable[Values] = model._default_manager.filter(key__in=keys).values(*columns)
    return {row["key"]: {columns[column]: value for column, value in row.items()} for row in found}


def _save(model: type[Item] | type[Merchant], rows: list[Values], fields: Sequence[str]) -> None:
    ids = {link: _ids(LINKS[link], {row[link] for row in rows if row.get(link)}) for link in fields if link in LINKS}
    saved = [
        model(
            **{field: value for field, value in row.items() if field not in ids},
            **{f"{link}_id": ids[link].get(row.get(link)) for link in ids},
        )
        for row in rows
    ]
    columns = [f.name for f in model._meta.concrete_fields if f.name not in ("id", "key")]
    manager: Any = model._default_manager
    manager.bulk_create(saved, update_conflicts=True, unique_fields=["key"], update_fields=columns, batch_size=1_000)


def _ids(model: type[Merchant] | type[Category], keys: set[str]) -> dict[str | None, int]:
    """Row numbers by key; who is not there yet is made."""
    manager: Any = model._default_manager
    manager.bulk_create([model(key=key) for key in sorted(keys)], ignore_conflicts=True)
    return dict(manager.filter(key__in=keys).values_list("key", "pk"))


def _plain(row: Values) -> Values:
    return {field: audit.plain(value) for field, value in row.items() if field != "key"}
