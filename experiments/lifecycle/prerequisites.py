"""Experiments that ask their units to be in given arms of another one: what is wrong with that, in words.

Whoever changes or starts one holds the lock of all experiments, so that two changes cannot close a circle together.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from experiments.models import LIVE, PLANNED, Experiment, Prerequisite, Status, Type
from firstlight.assignment.special import MOST_DEEP, OWN_ARM, REQUIRABLE
from firstlight.console import words
from firstlight.postgres import locks

SHARED = ("item_id", "merchant_id")  # units whose arm the caller finds
FORWARD = (*PLANNED, *LIVE)


def hold() -> None:
    """To the end of the transaction nobody else changes what requires what, or starts."""
    locks.wait_in_transaction("experiments")


def faults(experiment: Experiment) -> Iterator[str]:
    """Of the prerequisites as they are stored."""
    lines = list(experiment.requires.select_related("required").prefetch_related("required__arms"))
    yield from faults_of(experiment, [(line.required, line.arms) for line in lines])


def faults_of(experiment: Experiment, lines: Iterable[tuple[Experiment, Collection[str]]]) -> Iterator[str]:
    """Of these, as a form or a request has them; `experiment` need not be stored yet."""
    lines = list(lines)
    if lines and (experiment.type not in OWN_ARM or experiment.unit in SHARED):
        yield "Only an A/B or A/A test of users, devices or sessions can require an arm of another experiment."
    for required, arms in lines:
        yield from _of_line(required, arms)
    yield from _circles(experiment, [required for required, _ in lines])


def wanting(experiment: Experiment, arm: str) -> Iterator[str]:
    """Who requires this arm, and would let nobody in without it."""
    lines = experiment.required_by.filter(experiment__status__in=FORWARD).select_related("experiment")
    for line in lines.order_by("experiment__key"):
        if set(line.arms) <= {arm}:
            yield f"“{line.experiment.key}” requires the arm “{arm}”, and would let nobody in without it."


def _of_line(required: Experiment, arms: Collection[str]) -> Iterator[str]:
    known = [arm.key for arm in required.arms.all()]
    if required.type not in REQUIRABLE or required.unit in SHARED:
        yield f"“{required.key}” gives units no arm of their own that could be required."
    elif required.is_template or required.status == Status.ARCHIVED:
        yield f"“{required.key}” does not run any more, or never will: nobody would take part."
    elif not arms:
        yield f"Name the arms of “{required.key}” of which the unit must be in one."
    elif missing := sorted(set(arms) - set(known)):
        yield f"“{required.key}” has no arm {words.listing(missing)}, but {words.listing(known)}."


def _circles(experiment: Experiment, required: Iterable[Experiment]) -> Iterator[str]:
    """The first circle that it would close, and a chain that is too long."""
    named = graph()
    named[experiment.key] = {one.key for one in required}
    if circle := _circle(named, experiment.key):
        yield f"It would require itself: {' → '.join(f'“{key}”' for key in circle)}."
    elif _deep(named, experiment.key, {}) + _deep(_backwards(named), experiment.key, {}) > MOST_DEEP:
        yield f"At most {MOST_DEEP} experiments may require one another in a row."


def graph() -> dict[str, set[str]]:
    """All that is stored: experiment -> what it requires, by key."""
    found: dict[str, set[str]] = {}
    for key, required in Prerequisite.objects.values_list("experiment__key", "required__key"):
        found.setdefault(key, set()).add(required)
    return found


def _circle(named: Mapping[str, Collection[str]], start: str) -> list[str]:
    """The shortest way from `start` back to itself; empty without one."""
    ways, seen = [[start]], set()
    while ways:
        way = ways.pop(0)
        for key in sorted(named.get(way[-1], ())):
            if key == start:
                return [*way, start]
            if key not in seen:
                seen.add(key)
                ways.append([*way, key])
    return []


def _backwards(named: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Experiment -> those that require it."""
    found: dict[str, set[str]] = {}
    for key, required in named.items():
        for one in required:
            found.setdefault(one, set()).add(key)
    return found


def _deep(named: Mapping[str, Collection[str]], key: str, known: dict[str, int]) -> int:
    """Length of the longest row of prerequisites; no circle is in it."""
    if key not in known:
        known[key] = max((1 + _deep(named, one, known) for one in named.get(key, ())), default=0)
    return known[key]


def can_force(experiment: Experiment) -> bool:
    """Whether it has arms that a tester could be put into."""
    return experiment.type in (Type.AB, Type.AA) and experiment.unit not in SHARED
