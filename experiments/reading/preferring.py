"""Interleaving: of the units whose events favour one ranker, how many more favour the new one? A sign test by unit."""

from math import log

from scipy.special import ndtr

from experiments.reading.compared import FARTHEST, Compared, Ways, as_normal
from experiments.reading.given import Credits
from experiments.reading.sequence import Course
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import preference
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.levels import Level
from firstlight.stats.preference import Preference
from firstlight.stats.tails import Tail


def preferred(credits: Credits, course: Course) -> Compared:
    """The difference is the share of decided units that favour the treatment less that of the control."""
    found = preference.sign_test(credits.wins, credits.losses, 1 - course.alpha)
    if isinstance(found, Withheld):
        return Compared.blank(found)
    n, share = found.decided, found.share.value
    fixed = _compared(found, Tail.of_log(log(found.p)))
    sides = [Level(n, at, share * (1 - share) / n) for at in (1 - share, share)]
    return Compared("preference", sides[0], sides[1], Ways(fixed, _watched(credits, found, course)), None, None)


def _watched(credits: Credits, found: Preference, course: Course) -> Comparison | None:
    if not course.is_sequential:
        return None
    errors = min(course.errors(found.decided), FARTHEST)
    wide = preference.sign_test(credits.wins, credits.losses, 1 - 2 * float(ndtr(-errors)))
    assert isinstance(wide, Preference)
    return _compared(wide, Tail.of_log(course.ln_p(as_normal(log(found.p)), found.decided)))


def _compared(found: Preference, tail: Tail) -> Comparison:
    share = found.share
    margin = Estimate(2 * share.value - 1, 2 * share.low - 1, 2 * share.high - 1)
    return Comparison("sign test", margin, Withheld(Reason.PREFERENCE), tail)
