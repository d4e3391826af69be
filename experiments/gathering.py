"""What one look reads from the lake, by the type of the experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from experiments import asking, clustered, credits, crossing, site
from experiments.crossing import Crossed
from experiments.models import Experiment, Type
from experiments.reading.given import Credits
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.lake import engine
from firstlight.metrics import read
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Cells, Exposures


@dataclass(frozen=True, slots=True)
class Gathered:
    units: Mapping[str, int]  # by arm; of a switchback windows
    metrics: Mapping[str, Cells]
    sql: str
    mixed_units: int = 0
    growth: Mapping[str, Moments] = field(default_factory=dict)
    credits: Mapping[str, Mapping[str, Credits]] = field(default_factory=dict)
    site_shares: Mapping[str, float] = field(default_factory=dict)
    crossed: Crossed = field(default_factory=dict)
    other_arms: Mapping[str, Sequence[str]] = field(default_factory=dict)


def gather(
    experiment: Experiment, definitions: Sequence[Definition], exposures: Exposures, *, until_batch: int
) -> Gathered:
    """Everything up to this batch, from the days before the first exposure on."""
    since = exposures.window.start - timedelta(days=exposures.pre_days)
    with engine.events(Window(since, exposures.end), until_batch=until_batch) as events:
        if experiment.type == Type.INTERLEAVING:
            return _credited(events, definitions, exposures)
        if experiment.type == Type.SWITCHBACK:
            return _switched(events, experiment, definitions, exposures)
        return _measured(events, experiment, definitions, exposures)


def _measured(events: Any, experiment: Experiment, definitions: Sequence[Definition], exposures: Exposures) -> Gathered:
    found = read.measure(events, definitions, exposures, growth=True)
    others = [crossing.exposures_of(one, exposures) for one in crossing.others_of(experiment)]
    whole = Gathered(
        found.units,
        found.metrics,
        found.sql,
        found.mixed_units,
        found.growth,
        site_shares=site.shares(events, definitions, exposures, covered=asking.covered(experiment)),
        crossed=crossing.crossed(events, definitions, exposures, others),
        other_arms={one.experiment: one.arms for one in others},
    )
    if not experiment.cluster or experiment.cluster == experiment.unit:
        return whole
    # Parts are counted over units, whose errors would be too small here.
    clusters = clustered.of_units(events, definitions, exposures, experiment.cluster)
    told = {key: replace(cells, unpriced=found.metrics[key].unpriced) for key, cells in clusters.items()}
    return replace(whole, metrics=told, growth={})


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
