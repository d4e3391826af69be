"""One line of the checklist."""

from dataclasses import dataclass
from enum import StrEnum

REVIEW = "review"  # the key of the line that a review itself takes away


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"  # keeps it from starting


@dataclass(frozen=True, slots=True)
class Item:
    key: str  # review, plan, overlap, same_arms, guardrails, hypothesis, data, targeting, power
    state: State
    sentence: str  # what is so, and what to do about it
