"""Interleaving: of the units whose clicks favour one ranker, how many favour the new one?

Source: Chapelle, Joachims, Radlinski, Yue (2012), ACM TOIS 30.
"""

from dataclasses import dataclass
from math import inf

from scipy.special import bdtr, bdtrc

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import tails
from firstlight.stats.estimates import Estimate
from firstlight.stats.newcombe import Share


@dataclass(frozen=True, slots=True)
class Preference:
    share: Estimate  # of the decided units that favour the treatment; Wilson's interval
    p: float  # two-sided, of none: exact sign test
    decided: int  # units that favour either


def sign_test(wins: int, losses: int, confidence: float) -> Preference | Withheld:
    """`wins` units gave the treatment more credit than the control, `losses` less; ties say nothing."""
    n = wins + losses
    if n == 0:
        return Withheld(Reason.NO_DATA)
    most = max(wins, losses)
    p = 1.0 if 2 * most == n else min(1.0, float(bdtrc(most - 1, n, 0.5) + bdtr(n - most, n, 0.5)))
    reach = Share(n, float(wins)).reach(tails.quantile(confidence, inf))
    return Preference(Estimate(wins / n, wins / n - reach.below, wins / n + reach.above), p, n)
