"""What can be done with an experiment, from its draft to the archive: every command in one place.

Each is a transaction that holds the row and the lock of all experiments, writes the audit trail, and is refused in
words by an `Unable`.
"""

from experiments.lifecycle.copies import copy
from experiments.lifecycle.ending import archive, decide, ship
from experiments.lifecycle.phases import change_weights, remove_arm
from experiments.lifecycle.ramps import advance, ramp_to, roll_back
from experiments.lifecycle.review import approve, return_to_draft, submit
from experiments.lifecycle.running import pause, resume, schedule, start, stop
from experiments.lifecycle.states import (
    Unable,
    UnableToArchive,
    UnableToChange,
    UnableToCopy,
    UnableToDecide,
    UnableToForce,
    UnableToPause,
    UnableToRamp,
    UnableToResume,
    UnableToReview,
    UnableToSchedule,
    UnableToStart,
    UnableToStop,
    UnableToSubmit,
    possible,
)
from experiments.lifecycle.testers import force

__all__ = [
    "Unable",
    "UnableToArchive",
    "UnableToChange",
    "UnableToCopy",
    "UnableToDecide",
    "UnableToForce",
    "UnableToPause",
    "UnableToRamp",
    "UnableToResume",
    "UnableToReview",
    "UnableToSchedule",
    "UnableToStart",
    "UnableToStop",
    "UnableToSubmit",
    "advance",
    "approve",
    "archive",
    "change_weights",
    "copy",
    "decide",
    "force",
    "pause",
    "possible",
    "ramp_to",
    "remove_arm",
    "resume",
    "return_to_draft",
    "roll_back",
    "schedule",
    "ship",
    "start",
    "stop",
    "submit",
]
