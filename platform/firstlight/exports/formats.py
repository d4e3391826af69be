"""The same rows as CSV, JSON, Parquet or XLSX, in bounded memory: batches go in, bytes come out."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from enum import StrEnum
from io import RawIOBase
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

ROWS_OF_A_SHEET = 1_048_575  # beside the header
LONGEST_CELL = 32_767  # characters, of XLSX
CHUNK = 2**20


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"
    JSON = "json"


CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSON: "application/json",
}


class TooManyRows(Exception):
    """A sheet cannot hold them, in words."""


def stream(form: Format, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The bytes of the file, in order. Raises `TooManyRows` for what XLSX cannot hold."""
    writers = {Format.CSV: _csv, Format.PARQUET: _parquet, Format.XLSX: _xlsx, Format.JSON: _json}
    yield from writers[form](schema, batches)


# --- CSV ------------------------------------------------------------------------------------------------------------


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """RFC 4180, UTF-8, with a header. Text that a spreadsheet would take for a formula begins with an apostrophe."""
    yield _csv_bytes(schema.empty_table().to_batches() or pa.RecordBatch.from_pylist([], schema=schema), header=True)
    for batch in batches:
        yield _csv_bytes(harmless(batch), header=False)


def _csv_bytes(batch: Any, *, header: bool) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(batch, sink, pyarrow.csv.WriteOptions(include_header=header))
    return bytes(sink.getvalue())


def harmless(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Cells of text that begin like a formula (= + - @ tab, line break) get an apostrophe in front."""
    return pa.RecordBatch.from_arrays(
        [_harmless(column) if pa.types.is_string(column.type) else column for column in batch.columns],
        schema=batch.schema,
    )


def _harmless(column: Any) -> Any:
    formula = pc.match_substring_regex(column, r"^[=+\-@\t\r\n]")
    return pc.if_else(formula, pc.binary_join_element_wise("'", column, ""), column)


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """One array of objects, a row to a line; times RFC 3339, empty cells null."""
    before = b"[\n"
    for batch in batches:
        yield before + b",\n".join(msgspec.json.encode(row) for row in batch.to_pylist())
        before = b",\n" if batch.num_rows else before
    yield b"\n]\n" if before != b"[\n" else b"[]\n"


# --- Parquet --------------------------------------------------------------------------------------------------------


class _Drain(RawIOBase):
    """A file that only remembers what was written since somebody looked."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def write(self, data: Any) -> int:
        self.held.append(bytes(data))
        self.at += len(self.held[-1])
        return len(self.held[-1])

    def taken(self) -> bytes:
        out, self.held = b"".join(self.held), []
        return out


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    drain = _Drain()
    with pq.ParquetWriter(drain, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield drain.taken()
    yield drain.taken()


# --- XLSX -----------------------------------------------------------------------------------------------------------


def _xlsx(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """One sheet. The zip can only be closed at the end, so it is made as a file first; one row is held at a time."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstlight-xlsx-")))
        path = folder / "table.xlsx"
        _write_sheet(path, folder, schema, batches)
        file = stack.enter_context(path.open("rb"))
        while chunk := file.read(CHUNK):
            yield chunk


def _write_sheet(path: Path, folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    import xlsxwriter

    options = {
        "constant_memory": True,
        "tmpdir": str(folder),
        "strings_to_formulas": False,  # text stays text, whatever it begins with
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
        "remove_timezone": True,  # times are UTC; a sheet knows no zones
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("export")
        sheet.write_row(0, 0, schema.names)
        written = 0
        for batch in batches:
            written += batch.num_rows
            if written > ROWS_OF_A_SHEET:
                raise TooManyRows(
                    f"A sheet holds {ROWS_OF_A_SHEET:,} rows, and these are more: choose CSV or Parquet, or a filter."
                )
            _write_rows(sheet, written - batch.num_rows + 1, batch)


def _write_rows(sheet: Any, first: int, batch: pa.RecordBatch) -> None:
    for offset, row in enumerate(zip(*(column.to_pylist() for column in batch.columns), strict=True)):
        for place, value in enumerate(row):
            match value:
                case None:
                    pass
                case str():
                    sheet.write_string(first + offset, place, _cell(value))
                case float() if not isfinite(value):
                    pass  # a sheet has no such numbers
                case _:
                    sheet.write(first + offset, place, value)


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what XML cannot hold


def _cell(text: str) -> str:
    plain = _CONTROL.sub("\ufffd", text)
    return plain if len(plain) <= LONGEST_CELL else plain[: LONGEST_CELL - 1] + "…"
