"""What is wrong with a plan by itself, in words: everything that would keep it from running."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from experiments import groups
from experiments.lifecycle import prerequisites
from experiments.models import Arm, Experiment, MetricRole, Type, Unit
from firstlight.assignment import targeting

INTERESTS = {"user", "merchant", "platform"}
MOST_ARMS = 100


WITHOUT_OWN_ARM = (Type.SWITCHBACK, Type.INTERLEAVING)


def of(experiment: Experiment) -> Iterator[str]:
    arms = list(experiment.arms.order_by("position"))
    if experiment.is_template:
        yield "It is a template: copy it, and start the copy."
    yield from _of_arms(arms)
    yield from BY_TYPE.get(Type(experiment.type), _nothing)(experiment, arms)
    if not experiment.measured.filter(role=MetricRole.PRIMARY).exists():
        yield "It has no goal: choose a primary metric."
    if not experiment.scenarios.exists():
        yield "It runs in no scenario."
    if experiment.coverage <= 0:
        yield "Its coverage is 0: nobody would take part."
    yield from (f"Its targeting cannot be read: {fault}" for fault in targeting.faults(experiment.targeting))
    if experiment.cluster and experiment.cluster == experiment.unit:
        unit = Unit(experiment.unit).label.lower()
        yield f"Its units are their own clusters: name what a {unit} belongs to, or none."
    if experiment.holdback > 0 and experiment.type in WITHOUT_OWN_ARM:
        yield "No unit of it has an arm of its own that it could be held back in: hold back nothing."
    yield from groups.faults(experiment.targeting)
    yield from prerequisites.faults(experiment)
    if experiment.sticky and not prerequisites.can_force(experiment):
        yield "Only in an A/B or A/A test of users, devices or sessions does a unit bring its arm along: not sticky."
    if experiment.fallback and (not experiment.sticky or experiment.fallback == experiment.unit):
        yield "A fallback is another id of a sticky experiment's units: make it sticky, or name none."
    yield from _of_ramp([stage.coverage for stage in experiment.ramp.order_by("position")])


def _of_arms(arms: Sequence[Arm]) -> Iterator[str]:
    if len(arms) < 2:
        yield "It needs at least two arms: the control and what is tried." if arms else "It has no arms."
    elif (total := sum((arm.weight for arm in arms), Decimal(0))) != 1:
        yield f"The weights of its arms sum to {total.normalize():f}, not to 1."
    if len(arms) > MOST_ARMS:
        yield f"It has {len(arms)} arms; {MOST_ARMS} are the most."
    yield from (f"The arm “{arm.key}” has no share of the units." for arm in arms if arm.weight <= 0)
    yield from (fault for arm in arms for fault in _of_arm(arm))


def _of_arm(arm: Arm) -> Iterator[str]:
    if not isinstance(arm.parameters, dict):
        yield f"The parameters of the arm “{arm.key}” are not names with values."
    weights = arm.objective_weights
    if weights is None:
        return
    if not isinstance(weights, dict) or set(weights) != INTERESTS:
        yield f"The objective weights of the arm “{arm.key}” must name exactly user, merchant and platform."
    elif not all(_is_share(weight) for weight in weights.values()):
        yield f"The objective weights of the arm “{arm.key}” must be numbers from 0 to 1."
    elif abs(sum(weights.values()) - 1) > 1e-9:
        yield f"The objective weights of the arm “{arm.key}” sum to {sum(weights.values()):g}, not to 1."


def _is_share(weight: object) -> bool:
    return isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight <= 1


def _of_aa(_: Experiment, arms: Sequence[Arm]) -> Iterator[str]:
    """What one arm does, every arm does."""
    for arm in arms[1:]:
        if (arm.parameters, arm.objective_weights) != (arms[0].parameters, arms[0].objective_weights):
            yield f"In an A/A test the arms are the same, but “{arm.key}” and “{arms[0].key}” differ in what they set."


def _of_interleaving(_: Experiment, arms: Sequence[Arm]) -> Iterator[str]:
    if len(arms) != 2:
        yield f"Interleaving mixes the lists of exactly two rankers; it has {len(arms)} arms."


def _of_holdout(_: Experiment, arms: Sequence[Arm]) -> Iterator[str]:
    """Two arms of one size, so that who gets all that was shipped is compared with as many who get none of it."""
    if len(arms) != 2:
        yield f"A holdout has two arms, none and all of what was shipped; it has {len(arms)}."
    elif arms[0].weight != arms[1].weight:
        yield "The two arms of a holdout are of one size: the comparison is balanced by design."


def _of_switchback(experiment: Experiment, _: Sequence[Arm]) -> Iterator[str]:
    if experiment.burn_in_minutes >= experiment.switch_hours * 60:
        yield (
            f"Its burn-in of {experiment.burn_in_minutes} minutes leaves nothing of a window "
            f"of {experiment.switch_hours} hours."
        )


def _nothing(_: Experiment, __: Sequence[Arm]) -> Iterator[str]:
    return iter(())


BY_TYPE: dict[Type, Callable[[Experiment, Sequence[Arm]], Iterator[str]]] = {
    Type.AA: _of_aa,
    Type.INTERLEAVING: _of_interleaving,
    Type.HOLDOUT: _of_holdout,
    Type.SWITCHBACK: _of_switchback,
}


def _of_ramp(coverages: Sequence[Decimal]) -> Iterator[str]:
    for earlier, later in pairwise(coverages):
        if later <= earlier:
            yield f"Its ramp goes from {earlier.normalize():f} to {later.normalize():f}; a ramp only adds units."
