"""What somebody wants to know of the paths of a scenario, or why it cannot be told."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from experiments import asking
from experiments.models import Experiment, Type, Unit
from firstlight.catalog.models import Scenario
from firstlight.kernel.windows import Window
from firstlight.lake import table
from firstlight.metrics.read.values import Exposures
from firstlight.tracing import lifts, paths
from firstlight.tracing.lifts import Lift
from firstlight.tracing.paths import By, Reading

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MOST_AT_ONCE = 10_000_000  # events of the lake: half a minute, on two cores
LONGEST, USUAL = timedelta(days=31), timedelta(days=7)
SPLIT = (Type.AB, Type.AA, Type.HOLDOUT)  # their units are randomised one by one
PEOPLE = (Unit.USER, Unit.DEVICE, Unit.SESSION)


class Refused(Exception):
    """Why there is nothing to tell, in words; `field` names what was asked wrongly."""

    def __init__(self, sentence: str, field: str) -> None:
        self.field = field
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Asked:
    scenario: Scenario
    window: Window
    by: By
    experiment: Experiment | None = None


@dataclass(frozen=True, slots=True)
class Found:
    asked: Asked
    reading: Reading
    control: str  # "" without an experiment
    confidence: float
    lifts: tuple[Lift, ...]


def spanned(start: datetime | None, end: datetime | None, at: datetime) -> Window:
    """From `start` to `end`: now unless it is told, and a week. Raises `Refused`."""
    end = end or at
    start = start or max(end, EARLIEST + USUAL) - USUAL
    if not start < end:
        raise Refused("The start must lie before the end.", "from")
    if end - start > LONGEST:
        raise Refused(f"At most {LONGEST.days} days at a time; longer histories are exported in parts.", "from")
    return Window(start, end)


def found_at_once(asked: Asked, *, at: datetime) -> Found:
    """For who waits: refused where the days have so many events that a worker must read them. Raises `Refused`."""
    days = asked.window.widened(before=paths.BEFORE).days()
    if (n := table.count(days)) > MOST_AT_ONCE:
        raise Refused(
            f"These days have {n:,} events: ask for fewer, or for an export of paths, which a worker reads.", "from"
        )
    return found(asked, at=at)


def found(asked: Asked, *, at: datetime) -> Found:
    """Read off the lake. Raises `Refused`."""
    if asked.experiment is None:
        return Found(asked, paths.read(asked.scenario.key, asked.window, asked.by), "", 0.95, ())
    exposures = _exposures(asked, asked.experiment, at)
    reading = paths.read(asked.scenario.key, asked.window, asked.by, exposures)
    control, confidence = exposures.arms[0], float(asked.experiment.confidence)
    return Found(asked, reading, control, confidence, tuple(lifts.lifts(reading, control, confidence)))


def _exposures(asked: Asked, experiment: Experiment, at: datetime) -> Exposures:
    """Of those whom the experiment let in within the window."""
    if experiment.type not in SPLIT:
        raise Refused(f"Arms of “{experiment.key}” are not dealt to units one by one.", "experiment")
    if experiment.unit not in PEOPLE or experiment.cluster:
        raise Refused(f"“{experiment.key}” is not randomised by independent people.", "experiment")
    if not experiment.scenarios.filter(pk=asked.scenario.pk).exists():
        raise Refused(f"“{experiment.key}” does not run in “{asked.scenario.key}”.", "experiment")
    try:
        told = asking.exposures_of(experiment, [], at=at)
    except asking.UnableToLook as refusal:
        raise Refused(str(refusal), "experiment") from refusal
    start, end = max(told.window.start, asked.window.start), min(told.window.end, asked.window.end)
    if not start < end:
        raise Refused(f"“{experiment.key}” let nobody in within this time.", "experiment")
    return replace(told, window=Window(start, end), slices=(), ages=0, pre_days=0)
