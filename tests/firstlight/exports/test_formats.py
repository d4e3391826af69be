"""Every format read back by a reader of somebody else's, and what spreadsheets would do with it."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firstlight.exports import formats
from firstlight.exports.columns import BATCH, batches, columns, schema
from firstlight.exports.formats import Format

COLUMNS = (
    *columns("text", "name"),
    *columns("integer", "n"),
    *columns("number", "x"),
    *columns("money", "paid"),
    *columns("flag", "new"),
    *columns("date", "day"),
    *columns("time", "at"),
)
AT = datetime(2026, 11, 23, 10, 0, 3, tzinfo=UTC)
ROWS = [
    {"name": "ada, “the first”", "n": 1, "x": -0.1, "paid": Decimal("12.5"), "new": True, "day": AT.date(), "at": AT},
    {"name": '=HYPERLINK("http://evil")', "n": -7, "x": None},
    {"name": "two\nlines", "x": 1e-300},
    {},
]
HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]


def written(form, rows=ROWS, of=COLUMNS):
    return b"".join(formats.stream(form, schema(of), batches(of, rows)))


def test_csv_is_read_back_by_the_standard_library():
    header, *rows = csv.reader(io.StringIO(written(Format.CSV).decode()))
    assert header == [column.name for column in COLUMNS]
    assert rows[0][:2] == ["ada, “the first”", "1"]
    assert [float(rows[0][2]), Decimal(rows[0][3]), rows[0][4], rows[0][5]] == [
        -0.1, Decimal("12.5"), "true", "2026-11-23",
    ]  # fmt: skip
    assert datetime.fromisoformat(rows[0][6].replace("Z", "+00:00")) == AT
    assert (rows[1][1], rows[2][0], float(rows[2][2])) == ("-7", "two\nlines", 1e-300)
    assert rows[3] == [""] * 7


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_a_spreadsheet_would_compute_is_disarmed_and_numbers_are_not(text):
    (_, row) = csv.reader(io.StringIO(written(Format.CSV, [{"name": text, "n": -5, "x": -0.5}]).decode(), newline=""))
    assert row[:3] == ["'" + text, "-5", "-0.5"]


@pytest.mark.parametrize("text", ["a=1", " =1", "1-1", "ada@shop.example", ""])
def test_harmless_text_stays_as_it_is(text):
    (_, row) = csv.reader(io.StringIO(written(Format.CSV, [{"name": text, "n": 1}]).decode()))
    assert row[0] == text


def test_json_is_read_back_by_the_standard_library():
    first, second, *_ = rows = json.loads(written(Format.JSON))
    assert len(rows) == 4
    assert first == {
        "name": "ada, “the first”", "n": 1, "x": -0.1, "paid": "12.5000", "new": True, "day": "2026-11-23",
        "at": "2026-11-23T10:00:03Z",
    }  # fmt: skip
    assert second["name"] == '=HYPERLINK("http://evil")'
    assert json.loads(written(Format.JSON, [])) == []


def test_parquet_keeps_types_and_values():
    table = pq.read_table(io.BytesIO(written(Format.PARQUET)))
    assert table.schema.equals(schema(COLUMNS))
    assert table.to_pylist()[0] == ROWS[0]
    assert pq.read_table(io.BytesIO(written(Format.PARQUET, []))).num_rows == 0


def test_a_sheet_has_the_values_and_no_formula():
    sheet = openpyxl.load_workbook(io.BytesIO(written(Format.XLSX))).active
    header, first, second, *_ = sheet.iter_rows()
    assert [cell.value for cell in header] == [column.name for column in COLUMNS]
    assert [cell.value for cell in first][:5] == ["ada, “the first”", 1, -0.1, 12.5, True]
    assert [first[5].value.date(), first[6].value] == [date(2026, 11, 23), AT.replace(tzinfo=None)]
    assert (second[0].value, second[0].data_type) == ('=HYPERLINK("http://evil")', "s")


@pytest.mark.parametrize("text", [*HOSTILE, "http://shop.example", "\x00\x0b"])
def test_no_text_becomes_a_formula_or_a_link_in_a_sheet(text):
    sheet = openpyxl.load_workbook(io.BytesIO(written(Format.XLSX, [{"name": text, "n": 1}]))).active
    cell = sheet["A2"]
    assert cell.data_type == "s"
    assert cell.hyperlink is None


def test_a_sheet_refuses_more_rows_than_it_holds_in_words(monkeypatch):
    monkeypatch.setattr(formats, "ROWS_OF_A_SHEET", 3)
    with pytest.raises(formats.TooManyRows, match="A sheet holds 3 rows"):
        written(Format.XLSX)
    assert written(Format.XLSX, ROWS[:3])


def test_what_no_sheet_can_hold_is_cut_or_left_out():
    rows = [{"name": "x" * 40_000, "x": float("nan")}, {"x": float("inf")}]
    sheet = openpyxl.load_workbook(io.BytesIO(written(Format.XLSX, rows))).active
    assert (len(sheet["A2"].value), sheet["A2"].value[-1]) == (formats.LONGEST_CELL, "…")
    assert sheet["C2"].value is None
    assert sheet["C3"].value is None


@pytest.mark.parametrize("form", [Format.CSV, Format.JSON, Format.PARQUET])
def test_rows_are_written_as_they_come(form):
    """The first bytes are out before the last row was asked for."""
    asked = []

    def rows():
        for i in range(4 * BATCH):
            asked.append(i)
            yield {"n": i}

    chunks = formats.stream(form, schema(COLUMNS), batches(COLUMNS, rows()))
    size = 0
    while size < 100:
        size += len(next(chunks))
    assert len(asked) <= 2 * BATCH


@pytest.mark.parametrize("form", list(Format))
def test_memory_does_not_grow_with_the_rows(form):
    def peak(n):
        part = batches(columns("integer", "n"), ({"n": i} for i in range(n)))
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        most = 0
        for _ in formats.stream(form, schema(columns("integer", "n")), part):
            most = max(most, pa.total_allocated_bytes() - before)
        python = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return python + most

    few, many = peak(4 * BATCH), peak(16 * BATCH)
    assert many < 2 * few + 2**20


def test_a_row_with_a_name_that_no_column_has_is_a_fault_of_ours():
    with pytest.raises(AssertionError):
        list(batches(columns("text", "a"), [{"b": 1}]))
