"""The same comparison by other methods, for who asks: none of them decides.

Delta method and log ratio for the lift; whether it is as good as the control, within the margin; of a proportion the
chance to win without a normal law; of a winner what is left of its lift when only winners are looked at.
"""

from math import inf
from typing import TYPE_CHECKING, Any

from experiments.reading.compared import Pair
from experiments.reading.sequence import Course
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import lifts, mixtures, ratios, selection, welch
from firstlight.stats.estimates import Estimate
from firstlight.stats.levels import Level

if TYPE_CHECKING:
    from experiments.reading.rows import Row

Json = dict[str, Any]
NOTHING: Json = dict.fromkeys(("delta", "log_ratio", "equivalence", "counts", "conditional"))


def others(row: "Row", course: Course, confidence: float) -> Json:
    """Lifts as of one look. Each is None, or withheld, where its method has nothing to say."""
    readings, found = row.readings, row.compared
    if readings is None or found.pair is None:
        return NOTHING
    i, (n_control, n_treatment) = found.row, found.units
    control = Level(n_control, float(readings.control[i]), float(readings.control_variance[i]))
    treatment = Level(n_treatment, float(readings.treatment[i]), float(readings.treatment_variance[i]))
    return {
        "delta": _delta(float(readings.lift[i]), float(readings.lift_se[i]), float(readings.df[i]), confidence),
        "log_ratio": ratios.log_lift(
            (control.value, control.variance), (treatment.value, treatment.variance), confidence
        ),
        "equivalence": equivalence(control, treatment, row.metric.margin),
        "counts": _counts(found.pair, row.metric.sign) if row.metric.kind == "proportion" else None,
        "conditional": _conditional(row, course),
    }


def _delta(lift: float, se: float, df: float, confidence: float) -> Estimate | Withheld:
    found = lifts.around(lift, se, df, confidence) if abs(lift) < inf else Withheld(Reason.UNBOUNDED_LIFT)
    return found if isinstance(found, Withheld) else found.estimate


def equivalence(control: Level, treatment: Level, margin: float) -> float | None:
    """p of two one-sided tests: small shows that the lift is within ± `margin`. None without a margin.

    The control's own error counts. Source: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15.
    """
    if not margin or control.value <= 0:
        return None
    low = welch.evidence(control, treatment, factor=1 - margin)
    high = welch.evidence(control, treatment, factor=1 + margin)
    if isinstance(low, Withheld) or isinstance(high, Withheld):
        return None
    return max(low.above().p, high.below().p)


def _counts(pair: Pair, sign: int) -> Json | None:
    """Uniform priors on both proportions; chance and loss in the direction that is wanted."""
    (control, treatment) = ((round(arm.n * float(arm.mean[0])), arm.n) for arm in pair)
    if not (control[1] and treatment[1]):
        return None
    found = mixtures.beta_binomial(control, treatment)
    if sign > 0:
        return {"chance_to_win": found.chance_to_win, "expected_loss": found.loss_of_shipping}
    gap = found.treatment - found.control
    return {"chance_to_win": 1 - found.chance_to_win, "expected_loss": found.loss_of_shipping + gap}


def _conditional(row: "Row", course: Course) -> float | None:
    """Of the lift, where the difference crossed the bound of its look."""
    lift, z = row.found.lift, row.statistic
    bound = course.errors(sum(row.compared.units)) if course.is_sequential else course.last_z
    if z is None or isinstance(lift, Withheld) or abs(z) <= bound:
        return None
    return lift.value * selection.conditional(z, bound) / z
