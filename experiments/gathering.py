"""What one look reads from the lake, by the type of the experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from experiments import asking, clustered, credits, crossing
from experiments.models import Experiment, Type
from experiments.reading.given import Credits
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.metrics import read
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Cells, Exposures, Keeping, memory

Crossed = Mapping[str, Mapping[str, Mapping[tuple[str, str], Moments]]]  # experiment -> metric -> (arm, other arm)


@dataclass(frozen=True, slots=True)
class Gathered:
    units: Mapping[str, int]  # by arm; of a switchback windows
    metrics: Mapping[str, Cells]
    sql: str
    mixed_units: int = 0
    earlier_units: int = 0
    growth: Mapping[str, Moments] = field(default_factory=dict)
    credits: Mapping[str, Mapping[str, Credits]] = field(default_factory=dict)
    site_shares: Mapping[str, float] = field(default_factory=dict)
    crossed: Crossed = field(default_factory=dict)
    other_arms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    since: datetime | None = None  # it went on from what an earlier look had read up to here


def gather(
    experiment: Experiment, definitions: Sequence[Definition], exposures: Exposures, *, until_batch: int
) -> Gathered:
    """Everything up to this batch, from the days before the first exposure on."""
    since = exposures.window.start - timedelta(days=exposures.pre_days)
    window = Window(since, exposures.end)
    with engine.events(window, until_batch=until_batch) as events:
        if experiment.type == Type.INTERLEAVING:
            return _credited(events, definitions, exposures)
        if experiment.type == Type.SWITCHBACK:
            return _switched(events, experiment, definitions, exposures)
        folder = Path(settings.READINGS_DIR) / str(experiment.pk)
        if _is_last(experiment, definitions, exposures):
            memory.forget(folder)
            return _measured(events, experiment, definitions, exposures, None)
        beyond = partial(engine.beyond, events, window, until_batch=until_batch)
        keeping = Keeping(folder, table.identity(), until_batch, beyond)
        return _measured(events, experiment, definitions, exposures, keeping)


def _is_last(experiment: Experiment, definitions: Sequence[Definition], exposures: Exposures) -> bool:
    """Whether all units have had their whole time: what is decided on then rests on a reading of the whole lake."""
    closes = asking.closes_at(experiment, definitions)
    return closes is not None and exposures.end >= closes


def _measured(
    events: Any,
    experiment: Experiment,
    definitions: Sequence[Definition],
    exposures: Exposures,
    keeping: Keeping | None,
) -> Gathered:
    others = [crossing.exposures_of(one, exposures) for one in crossing.others_of(experiment)]
    found = read.measure(events, definitions, exposures, growth=True, others=others, keeping=keeping)
    whole = Gathered(
        found.units,
        found.metrics,
        found.sql,
        found.mixed_units,
        found.earlier_units,
        found.growth,
        site_shares=once_shipped(found.shares, asking.covered(experiment)),
        crossed=found.crossed,
        other_arms={one.experiment: one.arms for one in others},
        since=found.since,
    )
    if not experiment.cluster or experiment.cluster == experiment.unit:
        return whole
    # Parts are counted over units, whose errors would be too small here.
    clusters = clustered.of_units(events, definitions, exposures, experiment.cluster)
    told = {key: replace(cells, unpriced=found.metrics[key].unpriced) for key, cells in clusters.items()}
    return replace(whole, metrics=told, growth={})


def once_shipped(shares: Mapping[str, float], covered: float) -> dict[str, float]:
    """Of the whole site: an experiment lets in a share of the traffic, and what is shipped meets all of it."""
    return {key: min(1.0, share / covered) for key, share in shares.items()} if covered > 0 else {}


def _switched(events: Any, experiment: Experiment, definitions: Sequence[Definition], exposures: Exposures) -> Gathered:
    found = clustered.of_windows(
        events,
        definitions,
        exposures,
        hours=experiment.switch_hours,
        burn_in_minutes=experiment.burn_in_minutes,
    )
    windows = [
        {arm: sum(m.n for (key, _), m in cells.by_day.items() if key == arm) for arm in exposures.arms}
        for cells in found.values()
    ]
    most = {arm: max((one[arm] for one in windows), default=0) for arm in exposures.arms}
    return Gathered(most, found, "")


def _credited(events: Any, definitions: Sequence[Definition], exposures: Exposures) -> Gathered:
    found = credits.count(events, definitions, exposures)
    units = max((one.control.n for arms in found.values() for one in arms.values()), default=0)
    return Gathered(dict.fromkeys(exposures.arms, units), {}, "", credits=found)
