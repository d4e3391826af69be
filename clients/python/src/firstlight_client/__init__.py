"""Ask Firstlight which arm a visitor sees, and tell it what came of it: docs/client.md."""

from .answers import Answer, Met, Slot
from .asynchronous import AsyncFirstlight
from .client import Firstlight
from .errors import FirstlightError, Refused, Unavailable
from .events import Rejected
from .options import Options
from .questions import Question
from .retrying import Patience
from .tally import Counts

__all__ = [
    "Answer",
    "AsyncFirstlight",
    "Counts",
    "Firstlight",
    "FirstlightError",
    "Met",
    "Options",
    "Patience",
    "Question",
    "Refused",
    "Rejected",
    "Slot",
    "Unavailable",
]
