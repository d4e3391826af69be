"""A day's decisions, a sample of them, decided again: how many came out as they are logged."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from firstlight.events import traces
from firstlight.kernel.windows import Window
from firstlight.kernel.withheld import Withheld
from firstlight.serving import replaying
from firstlight.serving.replaying import Replay


@dataclass(frozen=True, slots=True)
class Audit:
    day: date
    n: int  # decisions in the sample
    same: int
    uncounted: int  # propensities
    differing: Mapping[str, Replay]  # by trace
    withheld: Mapping[str, int]  # by reason


def audit(day: date, *, sample: int, scenario: str = "") -> Audit:
    """The same sample whenever it is asked of a day that is over."""
    start = datetime.combine(day, time(), UTC)
    decisions = traces.sample(Window(start, start + timedelta(days=1)), sample, scenario=scenario)
    found = list(replaying.replays(decisions))
    replayed = [(trace, one) for trace, one in found if isinstance(one, Replay)]
    return Audit(
        day,
        len(found),
        sum(one.verdict == "same" for _, one in replayed),
        sum(one.uncounted for _, one in replayed),
        {trace: one for trace, one in replayed if one.verdict == "differs"},
        Counter(one.reason.value for _, one in found if isinstance(one, Withheld)),
    )
