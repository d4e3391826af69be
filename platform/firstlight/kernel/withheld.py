"""An answer that is not given, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why there is no number. The value is shown to people."""

    TOO_FEW_UNITS = "fewer than two units in an arm"
    TOO_FEW_EXPECTED = "fewer than five units expected in an arm"
    NO_SPREAD = "neither arm varies"
    NO_DENOMINATOR = "the denominator is zero"
    UNBOUNDED_LIFT = "too little data for a percentage"
    LOW_ESS = "effective sample size under 50"
    WRONG_PROPENSITIES = "the mean weight is not 1: the logged propensities are wrong"
    NO_SUPPORT = "the logged policy never chose what the other policy would"
    NO_DATA = "no data yet"
    TOO_FEW_CARRY = "too few units in an arm that carry it"
    TOO_FEW_SEGMENTS = "fewer than two segments"
    TOO_FEW_DAYS = "fewer than four days"
    TOO_FEW_CLUSTERS = "fewer than two clusters in an arm"
    NO_DENSITY = "too many equal values around the quantile"
    NO_FACTOR = "a factor of it is zero"
    NO_CONTROL = "the control has no units"
    NO_RATE = "money without an exchange rate"
    PREFERENCE = "interleaving tells which is preferred, not by how much"
    NO_METRIC = "no goal measures it"
    NOT_READ = "what the whole site did was not read"
    NO_ANSWER = "the lake does not answer"
    NO_INCUMBENTS = "no item outside of the pool was seen and rewarded often enough"
    TOO_FEW_JUDGED = "fewer than five decisions can be judged yet"
    UNEVEN_SPLIT = "the arms did not get the units that were planned"
    NO_DECISION = "no decision of this scenario is logged under this trace"
    NOTHING_DISCOVERED = "no item is discovered yet"
    NO_SNAPSHOT = "the snapshot that decided is not kept any more"
    DAMAGED_SNAPSHOT = "the snapshot that decided is damaged"
    NO_QUESTION = "what was logged is no question that can be asked again"
    NOT_LOGGED = "no decision is logged under this trace"


@dataclass(frozen=True, slots=True)
class Withheld:
    """Stands where a number would, when there is none to give honestly."""

    reason: Reason

    def __str__(self) -> str:
        return f"withheld: {self.reason.value}"
