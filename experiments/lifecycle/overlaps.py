"""What is in the way of an experiment among those that run or hold buckets already.

Parameters belong to layers, for in a layer experiments exclude each other: two that set the same parameter in the same
scenario must share one. An experiment claims one layer or several.
"""

from collections.abc import Iterator

from django.db.models import QuerySet

from experiments.models import LIVE, Experiment, Status, Type

WEIGHTS = "its own objective weights"  # an arm's weights conflict as a parameter does


def rivals(experiment: Experiment) -> QuerySet[Experiment]:
    """All others that run, are paused, or will start by themselves."""
    live = Experiment.objects.filter(status__in=[*LIVE, Status.SCHEDULED]).exclude(pk=experiment.pk)
    return live.select_related("layer").prefetch_related("arms", "further_layers", "scenarios").order_by("key")


def faults(experiment: Experiment) -> Iterator[str]:
    """In words, by key of the other."""
    layers, sets, scenarios = layers_of(experiment), _sets(experiment), _scenarios(experiment)
    for other in rivals(experiment):
        if shared := layers & layers_of(other):
            if other.unit != experiment.unit:
                yield _split_otherwise(experiment, other, min(shared))
        elif scenarios & _scenarios(other):
            yield from _collisions(experiment, other, sets & _sets(other))


def layers_of(experiment: Experiment) -> frozenset[int]:
    """Primary keys of all layers that it claims."""
    own = {experiment.layer_id} if experiment.layer_id is not None else set()
    return frozenset(own | {one.layer_id for one in experiment.further_layers.all()})


def _split_otherwise(experiment: Experiment, other: Experiment, layer: int) -> str:
    name = other.layer if other.layer_id == layer else other.further_layers.get(layer=layer).layer
    return (
        f"“{other.key}” splits the layer “{name}” by {other.unit.removesuffix('_id')}, "
        f"so this one cannot split it by {experiment.unit.removesuffix('_id')}: they would overlap."
    )


def _collisions(experiment: Experiment, other: Experiment, both: set[str]) -> Iterator[str]:
    does = "is scheduled for" if other.status == Status.SCHEDULED else "runs in"
    if both:
        named = ", ".join(sorted(both))
        yield f"“{other.key}” {does} the same scenario and sets {named} too: put both into one layer."
    if {experiment.type, other.type} == {Type.HOLDOUT} and not layers_of(experiment) and not layers_of(other):
        yield f"“{other.key}” {does} the same scenario as the holdout of all layers already; there can be one."


def _sets(experiment: Experiment) -> set[str]:
    """Names of the parameters that its arms set."""
    arms = list(experiment.arms.all())
    own = {WEIGHTS} if any(arm.objective_weights is not None for arm in arms) else set()
    return own | {f"“{name}”" for arm in arms for name in arm.parameters}


def _scenarios(experiment: Experiment) -> frozenset[int]:
    return frozenset(scenario.pk for scenario in experiment.scenarios.all())
