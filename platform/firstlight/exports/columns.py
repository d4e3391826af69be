"""What a table has: the dictionary in docs/exports.md is held to these by a test."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import pyarrow as pa

Kind = Literal["text", "integer", "number", "money", "flag", "date", "time"]
TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "money": pa.decimal128(18, 4),  # exact; a decimal string in JSON
    "flag": pa.bool_(),
    "date": pa.date32(),
    "time": pa.timestamp("us", tz="UTC"),
}
BATCH = 5_000  # rows held at a time


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind


def columns(kind: Kind, names: str) -> tuple[Column, ...]:
    """
    >>> columns("text", "arm metric")
    (Column(name='arm', kind='text'), Column(name='metric', kind='text'))
    """
    return tuple(Column(name, kind) for name in names.split())


def schema(of: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, TYPES[column.kind]) for column in of])


def batches(of: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Rows by name as columns, `BATCH` at a time. What a row lacks is empty; a name that no column has is a fault."""
    wanted, names = schema(of), {column.name for column in of}
    left = iter(rows)
    while some := list(islice(left, BATCH)):
        assert all(names.issuperset(row) for row in some), {name for row in some for name in row} - names
        yield pa.RecordBatch.from_pylist([dict(row) for row in some], schema=wanted)
