"""Units that are in two experiments at once: moments by both arms. One pass over the lake for all the others."""

from collections.abc import Sequence
from typing import Any

import ibis

from experiments.models import Experiment
from firstlight.kernel.moments import Moments
from firstlight.metrics import read
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Exposures
from firstlight.metrics.read.exposed import MIXED, first_exposures
from firstlight.metrics.read.folded import Quantity, fold

MOST = 10  # other experiments; the newest
Crossed = dict[str, dict[str, dict[tuple[str, str], Moments]]]  # experiment -> metric -> (arm, other arm)


def others_of(experiment: Experiment) -> list[Experiment]:
    """Those that ran in one of its scenarios on the same units while it did."""
    scenarios = experiment.scenarios.all()
    met = Experiment.objects.filter(
        scenarios__in=scenarios, unit=experiment.unit, type="ab", started_at__isnull=False, decision=""
    ).exclude(pk=experiment.pk)
    began = experiment.started_at
    still = met.filter(stopped_at__isnull=True) | met.filter(stopped_at__gt=began)
    return list(still.distinct().order_by("-started_at")[:MOST])


def exposures_of(other: Experiment, ours: Exposures) -> Exposures:
    """Of another experiment, as far as our window reaches."""
    arms = tuple(other.arms.order_by("position").values_list("key", flat=True))
    return Exposures(other.key, other.phase, ours.unit, arms, ours.scenarios, ours.window, ours.until)


def crossed(
    events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures, others: Sequence[Exposures]
) -> Crossed:
    """Units that met one arm of each."""
    asked = [one for one in definitions if one.kind in ("mean", "proportion", "retention", "ratio")]
    if not others or not asked:
        return {}
    units = read.units(events, asked, exposures)
    wanted = {one.key: _columns(one) for one in asked}
    kept = ibis.memtable(units.filter(units.arm.notnull()).to_pyarrow())  # read once for all the others
    return {other.experiment: _folded(kept, first_exposures(events, other), other.arms, wanted) for other in others}


def _columns(one: Definition) -> list[Quantity]:
    names = [one.key, f"{one.key}.denominator"] if one.kind == "ratio" else [one.key]
    return [Quantity(name) for name in names]


def _folded(
    units: ibis.Table, first: ibis.Table, arms: Sequence[str], wanted: dict[str, list[Quantity]]
) -> dict[str, dict[tuple[str, str], Moments]]:
    met = first.filter(first.arm != MIXED).select(member=first.unit, other=first.arm)
    both: Any = units.join(met, units.unit == met.member)
    found = fold(both, ["arm", "other"], wanted)
    return {key: {(arm, arms[other]): m for (arm, other), m in groups.items()} for key, groups in found.items()}
