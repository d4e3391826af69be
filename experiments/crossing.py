"""Experiments whose units an experiment shares."""

from experiments.models import Experiment
from firstlight.metrics.read import Exposures

MOST = 10  # other experiments; the newest


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
