"""Events and decisions as they lie in the lake, cut to what was asked for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from firstlight.events import exports
from firstlight.exports import columns
from firstlight.exports.sources import Asked, Refused
from firstlight.lake import table
from tests.firstlight.metrics import reference

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)
EVENTS, DECISIONS = exports.SOURCES


def row(kind, after, **more):
    return {"type": kind, "at": (START + after).replace(tzinfo=None), **more}


@pytest.fixture(autouse=True)
def lake(settings, tmp_path, db):
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    met = [{"experiment": "ranker", "variant": "din", "phase": 1}, {"experiment": "recall", "variant": "a", "phase": 2}]
    rows = [
        row("order", timedelta(hours=1), user_id="u-1", scenario="home", value=Decimal("12.5"), currency="INR"),
        row("click", timedelta(hours=2), user_id="u-2", scenario="search", properties='{"query": "red dress"}'),
        row("click", DAY, user_id="u-3", scenario="home"),
        row("decision", timedelta(hours=3), user_id="u-1", scenario="home", trace_id="t-1", assignments=met),
        row("decision", timedelta(hours=4), user_id="u-2", scenario="search", trace_id="t-2", assignments=met[:1]),
        row("decision", timedelta(hours=5), user_id="u-3", scenario="home", trace_id="t-3", assignments=[]),
    ]
    table.append(1, reference.table(rows))


def read(source, **wanted):
    asked = Asked(**{"start": START, "end": START + DAY} | wanted)
    source.check(asked)
    found = source.read(asked)
    rows = pa.Table.from_batches(found.batches, columns.schema(source.columns(asked))).to_pylist()
    assert len(rows) == found.total
    return sorted(rows, key=lambda row: (row["at"], row["experiment"] or ""))


def test_events_of_the_window_with_money_to_the_cent_and_no_decision():
    order, click = read(EVENTS)
    assert (order["type"], order["user_id"], order["value"]) == ("order", "u-1", Decimal("12.5000"))
    assert order["at"] == START + timedelta(hours=1)
    assert click["properties"] == '{"query": "red dress"}'


def test_one_row_for_each_experiment_of_a_decision():
    found = [(row["trace_id"], row["experiment"], row["variant"], row["phase"]) for row in read(DECISIONS)]
    assert found == [("t-1", "ranker", "din", 1), ("t-1", "recall", "a", 2), ("t-2", "ranker", "din", 1)]
    assert {row["experiment"] for row in read(DECISIONS, experiment="recall")} == {"recall"}


def test_a_key_of_some_scenarios_gets_those_alone():
    assert [row["scenario"] for row in read(EVENTS, scenarios=("search",))] == ["search"]
    assert {row["trace_id"] for row in read(DECISIONS, scenarios=("search",))} == {"t-2"}


def test_pseudonyms_are_the_same_in_every_column_of_people_and_nothing_typed_comes_along():
    hidden, plain = read(EVENTS, pseudonyms=True), read(EVENTS)
    assert not {row["user_id"] for row in hidden} & {row["user_id"] for row in plain}
    assert {row["properties"] for row in hidden} == {None}
    assert [row["value"] for row in hidden] == [row["value"] for row in plain]
    decided = read(DECISIONS, pseudonyms=True)
    assert decided[0]["user_id"] == hidden[0]["user_id"]


@pytest.mark.parametrize("end", [START, START - DAY, START + timedelta(days=367)])
def test_a_window_that_is_none_or_too_long_is_refused(end):
    with pytest.raises(Refused):
        EVENTS.check(Asked(start=START, end=end))
