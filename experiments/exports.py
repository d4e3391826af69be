"""What experiments give away as tables: results, tidy, and what every unit did."""

from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
from django.conf import settings
from django.db.models import QuerySet

from experiments import asking, tidy
from experiments.models import Experiment, Look
from firstlight.catalog.models import Scenario
from firstlight.exports.columns import BATCH, Column, batches, columns, schema
from firstlight.exports.pseudonyms import key_of, pseudonyms
from firstlight.exports.sources import Asked, Refused, Rows, Source
from firstlight.kernel.windows import Window
from firstlight.lake import engine
from firstlight.metrics import read
from firstlight.metrics.definitions import Definition

OF_UNITS: tuple[Column, ...] = (
    *columns("text", "unit arm"),
    *columns("integer", "phase"),
    *columns("time", "exposed_at"),
    *columns("date", "day"),
    *columns("text", "visitor"),
)


def found(asked: Asked) -> Experiment:
    """The experiment, if whoever asks may see it. Raises `Refused`."""
    rows = Experiment.objects.filter(key=asked.experiment)
    if asked.scenarios:  # runs nowhere else
        rows = rows.exclude(scenarios__in=Scenario.objects.exclude(key__in=asked.scenarios))
    experiment = rows.first()
    if experiment is None:
        raise Refused("There is no experiment of this name.", "experiment")
    return experiment


def check_look(asked: Asked) -> None:
    if not _looks(asked).exists():
        if asked.look:
            raise Refused("There is no look of this number.", "look")
        raise Refused("There is no look at it yet.", "experiment")


def _looks(asked: Asked) -> QuerySet[Look]:
    looks = found(asked).looks.order_by("number").select_related("experiment")
    return looks.filter(number=asked.look) if asked.look else looks


def _look(asked: Asked) -> Look:
    """The newest, or the one that is asked for."""
    look = _looks(asked).last()
    if look is None:
        raise Refused("There is no look at it yet.", "experiment")
    return look


# --- results --------------------------------------------------------------------------------------------------------


def results(asked: Asked) -> Rows:
    """Of every look, or of one; how many rows is only known at the end."""
    return Rows(batches(tidy.COLUMNS, _rows(_looks(asked), asked.segment)), None)


def _rows(looks: QuerySet[Look], segment: str) -> Iterator[tidy.Row]:
    for look in looks.iterator(chunk_size=1):  # the results of one look are megabytes
        yield from rows_of(look, segment)


def rows_of(look: Look, segment: str = "") -> Iterator[tidy.Row]:
    return tidy.rows(
        look.results,
        experiment=look.experiment.key,
        look=look.number,
        computed_at=look.computed_at,
        until=look.until,
        segment=segment,
    )


# --- units ----------------------------------------------------------------------------------------------------------


def units(asked: Asked) -> Rows:
    """Every unit that a look counted, with what it counted of it: the newest look, or the one that is asked for."""
    look = _look(asked)
    told = look.results
    left_out = told["mixed_units"] + told.get("earlier_units", 0)
    total = sum(arm["units"] for arm in told["arms"]) + left_out
    return Rows(_units(look, columns_of_units(asked), asked), total)


def columns_of_units(asked: Asked) -> tuple[Column, ...]:
    """One column for each slice of units, and for each metric its value, denominator and what came before exposure."""
    look = _look(asked)
    definitions = asking.definitions_at(look)
    slices = [one for one in look.experiment.slices if one not in asking.OF_EVENTS and one != "visitor"]
    quantities = [name for one in definitions for name in _quantities(one)]
    return (*OF_UNITS, *(Column(name, "text") for name in slices), *(Column(name, "number") for name in quantities))


def _quantities(one: Definition) -> Iterator[str]:
    """As `metrics.read.units` names them."""
    pair = one.kind in ("ratio", "funnel")
    yield one.key
    if pair:
        yield f"{one.key}.denominator"
    if one.kind != "funnel":
        yield f"{one.key}.pre_value"
        if pair:
            yield f"{one.key}.pre_denominator"


def _units(look: Look, of: tuple[Column, ...], asked: Asked) -> Iterator[pa.RecordBatch]:
    """As the engine hands them out, from the same batches of the lake that the look read."""
    definitions = asking.definitions_at(look)
    exposures = asking.exposures_at(look, definitions)
    key = key_of(settings.SECRET_KEY, look.experiment.key) if asked.pseudonyms else None
    since = exposures.window.start - timedelta(days=exposures.pre_days)
    with engine.events(Window(since, exposures.end), until_batch=look.batch) as events:
        for batch in engine.batches(read.units(events, definitions, exposures), BATCH):
            yield _exported(batch, of, exposures.phase, key)


def _exported(batch: pa.RecordBatch, of: tuple[Column, ...], phase: int, key: bytes | None) -> pa.RecordBatch:
    wanted = schema(of)
    held = {name: batch.column(name) for name in batch.schema.names}
    held["phase"] = pa.array([phase] * batch.num_rows, pa.int64())
    if key is not None:
        held["unit"] = pa.array(pseudonyms(key, held["unit"].to_pylist()), pa.string())
    return pa.RecordBatch.from_arrays([held[field.name].cast(field.type) for field in wanted], schema=wanted)


SOURCES = (
    Source(
        kind="results",
        columns=lambda _: tidy.COLUMNS,
        takes=frozenset({"experiment", "look", "segment"}),
        needs=frozenset({"experiment"}),
        check=check_look,
        read=results,
    ),
    Source(
        kind="units",
        columns=columns_of_units,
        takes=frozenset({"experiment", "look", "pseudonyms"}),
        needs=frozenset({"experiment"}),
        check=check_look,
        read=units,
    ),
)
