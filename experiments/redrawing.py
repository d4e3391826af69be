"""A look checked by drawing its units again: the bootstrap, which trusts no formula for an error."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.random import Generator

from experiments import asking
from experiments.models import Experiment, Look, Redrawn
from experiments.reading import stored
from firstlight.kernel.windows import Window
from firstlight.kernel.withheld import Withheld
from firstlight.lake import engine
from firstlight.metrics.buckets import Bucketed, buckets
from firstlight.metrics.definitions import Definition
from firstlight.stats import bootstrap
from firstlight.stats.bootstrap import Buckets, Resampled

DRAWS = 2_000
Json = dict[str, Any]


class UnableToRedraw(Exception):
    """Why, in words."""


def refusal(experiment: Experiment) -> str | None:
    """Why its looks cannot be checked so."""
    if experiment.type in ("switchback", "interleaving") or experiment.cluster not in ("", experiment.unit):
        return "Only units that are dealt one by one can be drawn again one by one."
    return None


def redraw(look: Look) -> Redrawn:
    """Every sum of the look in every treatment, from the very batches it read. Once per look: the seed is its number.

    Raises `UnableToRedraw` where what is compared is no unit.
    """
    if (why := refusal(look.experiment)) is not None:
        raise UnableToRedraw(why)
    if known := Redrawn.objects.filter(look=look).first():
        return known
    definitions = asking.definitions_at(look)
    found = list(_rows(look, definitions, _read(look, definitions)))
    return Redrawn.objects.get_or_create(look=look, defaults={"draws": DRAWS, "results": found})[0]


def _read(look: Look, definitions: Sequence[Definition]) -> dict[str, dict[str, Bucketed]]:
    exposures = asking.exposures_at(look, definitions)
    caps = {one["metric"]: one.get("cap") for one in look.results["metrics"]}
    since = exposures.window.start - timedelta(days=exposures.pre_days)
    with engine.events(Window(since, exposures.end), until_batch=look.batch) as events:
        return buckets(events, definitions, exposures, caps)


def _rows(look: Look, definitions: Sequence[Definition], found: Mapping[str, Mapping[str, Bucketed]]) -> Iterator[Json]:
    """{metric, arm, buckets, difference, lift, se} each, raw and of one look."""
    confidence, rng = float(look.results["confidence"]), np.random.default_rng(look.number)
    control = look.results["control"]
    for one in definitions:
        for arm, treated in found.get(one.key, {}).items():
            if arm != control:
                drawn = _drawn(found[one.key][control], treated, confidence, rng)
                yield {"metric": one.key, "arm": arm, "buckets": len(treated.n), **_told(drawn)}


def _drawn(control: Bucketed, treated: Bucketed, confidence: float, rng: Generator) -> Resampled | Withheld:
    kind = "ratio" if treated.sums.shape[1] == 2 else "mean"
    sides = Buckets(control.n, control.sums), Buckets(treated.n, treated.sums)
    return bootstrap.compare(kind, *sides, confidence, rng, draws=DRAWS)


def _told(found: Resampled | Withheld) -> Json:
    if isinstance(found, Withheld):
        return {"difference": stored.interval(found), "lift": stored.interval(found), "se": None}
    return {"difference": stored.interval(found.difference), "lift": stored.interval(found.lift), "se": found.se}
