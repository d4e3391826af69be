"""Which command leads from which state to which, and what is said where it leads nowhere.

draft -> in review -> scheduled -> running <-> paused -> stopped -> decided -> archived
"""

from dataclasses import dataclass

from experiments.models import LIVE, PLANNED, Experiment, Status
from firstlight.console import words


class Unable(Exception):
    """A command was refused. The text tells the PM everything that is in the way, and what to do."""


class UnableToSubmit(Unable):
    pass


class UnableToReview(Unable):
    pass


class UnableToSchedule(Unable):
    pass


class UnableToStart(Unable):
    pass


class UnableToPause(Unable):
    pass


class UnableToResume(Unable):
    pass


class UnableToStop(Unable):
    pass


class UnableToDecide(Unable):
    pass


class UnableToArchive(Unable):
    pass


class UnableToCopy(Unable):
    pass


class UnableToChange(Unable):
    pass


class UnableToRamp(Unable):
    pass


class UnableToForce(Unable):
    pass


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    done: str  # only … can be DONE
    sources: tuple[Status, ...]
    target: Status | None  # None: stays what it is
    refusal: type[Unable]


COMMANDS = {
    one.name: one
    for one in (
        Command("submit", "submitted for review", (Status.DRAFT,), Status.IN_REVIEW, UnableToSubmit),
        Command("approve", "approved", (Status.IN_REVIEW,), None, UnableToReview),
        Command(
            "return_to_draft", "returned to draft", (Status.IN_REVIEW, Status.SCHEDULED), Status.DRAFT, UnableToReview
        ),
        Command(
            "schedule",
            "scheduled",
            (Status.DRAFT, Status.IN_REVIEW, Status.SCHEDULED),
            Status.SCHEDULED,
            UnableToSchedule,
        ),
        Command("start", "started", (Status.DRAFT, Status.IN_REVIEW, Status.SCHEDULED), Status.RUNNING, UnableToStart),
        Command("pause", "paused", (Status.RUNNING,), Status.PAUSED, UnableToPause),
        Command("resume", "resumed", (Status.PAUSED,), Status.RUNNING, UnableToResume),
        Command("stop", "stopped", LIVE, Status.STOPPED, UnableToStop),
        Command("decide", "decided", (Status.STOPPED,), Status.DECIDED, UnableToDecide),
        Command(
            "archive",
            "archived",
            (Status.DRAFT, Status.IN_REVIEW, Status.STOPPED, Status.DECIDED),
            Status.ARCHIVED,
            UnableToArchive,
        ),
        Command("change_weights", "given other weights", LIVE, None, UnableToChange),
        Command("force", "given testers", (*PLANNED, *LIVE), None, UnableToForce),
        Command("remove_arm", "freed of an arm", LIVE, None, UnableToChange),
        Command("ramp_to", "ramped", (Status.RUNNING,), None, UnableToRamp),
        Command("advance", "ramped", (Status.RUNNING,), None, UnableToRamp),
        Command("roll_back", "rolled back", (Status.RUNNING,), None, UnableToRamp),
    )
}

STATES = {Status.DRAFT: "a draft", Status.IN_REVIEW: "in review"}  # the others say themselves what they are


def possible(experiment: Experiment) -> frozenset[str]:
    """Names of the commands that its state allows; each may still find something in the way."""
    return frozenset(name for name, command in COMMANDS.items() if experiment.status in command.sources)


def state(status: str) -> str:
    """
    >>> state("draft"), state("paused")
    ('a draft', 'paused')
    """
    return STATES.get(Status(status), status)


def refusal(experiment: Experiment, command: Command) -> Unable:
    """Why not from the state that it is in."""
    if experiment.status == command.target:
        return command.refusal(f"“{experiment.key}” is already {state(experiment.status)}.")
    sources = words.listing([state(one) for one in command.sources]).replace(" and ", " or ")
    sentence = f"“{experiment.key}” is {state(experiment.status)}; only what is {sources} can be {command.done}."
    over = experiment.status in (Status.STOPPED, Status.DECIDED, Status.ARCHIVED)
    return command.refusal(f"{sentence} Its result stands; copy it to try again." if over else sentence)
