"""What experiments give away as tables: results, tidy."""

from collections.abc import Iterator

from django.db.models import QuerySet

from experiments import tidy
from experiments.models import Experiment, Look
from firstlight.catalog.models import Scenario
from firstlight.exports.columns import batches
from firstlight.exports.sources import Asked, Refused, Rows, Source


def found(asked: Asked) -> Experiment:
    """The experiment, if whoever asks may see it. Raises `Refused`."""
    rows = Experiment.objects.filter(key=asked.experiment)
    if asked.scenarios:  # runs nowhere else
        rows = rows.exclude(scenarios__in=Scenario.objects.exclude(key__in=asked.scenarios))
    experiment = rows.first()
    if experiment is None:
        raise Refused("There is no experiment of this name.", "experiment")
    return experiment


def check_results(asked: Asked) -> None:
    looks = _looks(asked)
    if not looks.exists():
        raise Refused("There is no look of this number." if asked.look else "There is no look at it yet.", "experiment")


def results(asked: Asked) -> Rows:
    """Of every look, or of one; how many rows is only known at the end."""
    return Rows(batches(tidy.COLUMNS, _rows(_looks(asked), asked.segment)), None)


def _looks(asked: Asked) -> QuerySet[Look]:
    looks = found(asked).looks.order_by("number").select_related("experiment")
    return looks.filter(number=asked.look) if asked.look else looks


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


SOURCES = (
    Source(
        kind="results",
        columns=tidy.COLUMNS,
        takes=frozenset({"experiment", "look", "segment"}),
        needs=frozenset({"experiment"}),
        check=check_results,
        read=results,
    ),
)
