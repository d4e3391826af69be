"""What repetitions of a simulation have in common: curves with the band that holds most of them, and sums."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandits.policies.simulation import Course, Vector
from firstlight.kernel.withheld import Reason

BAND = (0.1, 0.9)  # quantiles over the repetitions
STARVED = 100  # impressions under which a good item never had a chance


def told(name: str, courses: Sequence[Course]) -> dict[str, Any]:
    """JSON-ready. Curves by day, cumulated; `cost` is what the slots would have earned at
    the bar, less what they did: below 0 it was a gain.
    """
    return {
        "setting": name,
        "impressions": _curve([c.impressions for c in courses]),
        "discovered": _curve([c.discovered for c in courses]),
        "cost": _curve([c.at_bar - c.rewards for c in courses]),
        "graduated": _last([c.graduated for c in courses]),
        "retired": _last([c.retired for c in courses]),
        "rewards_per_thousand": _ratio(_sum(courses, "rewards") * 1_000, _sum(courses, "impressions")),
        "precision": _ratio(_sum(courses, "discovered"), _sum(courses, "graduated")),
        "recall": _ratio(_sum(courses, "discovered"), sum(int(c.is_good.sum()) for c in courses)),
        "good_lost": sum(c.n_good_lost for c in courses) / len(courses),
        "days_to_graduation": _middle(np.concatenate([c.left_at for c in courses])),
        "starved_share": _ratio(*_starved(courses)),
    }


def _curve(runs: Sequence[Vector]) -> list[dict[str, float]]:
    low, high = np.quantile(runs, BAND, axis=0)
    rows = zip(np.mean(runs, axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return [{"day": day, "mean": mean, "low": down, "high": up} for day, (mean, down, up) in enumerate(rows, 1)]


def _last(runs: Sequence[Vector]) -> float:
    return float(np.mean([run[-1] for run in runs]))


def _sum(courses: Sequence[Course], name: str) -> float:
    return float(sum(getattr(c, name)[-1] for c in courses))


def _ratio(part: float, whole: float) -> float | dict[str, str]:
    return part / whole if whole else {"withheld": Reason.NO_DATA.value}


def _middle(days: Vector) -> float | dict[str, str]:
    reached = days[np.isfinite(days)]
    return float(np.median(reached)) if len(reached) else {"withheld": Reason.NO_DATA.value}


def _starved(courses: Sequence[Course]) -> tuple[float, float]:
    """Good items that were shown too seldom to be known, of all good ones."""
    good = [c.shown[c.is_good] for c in courses]
    return float(sum((shown < STARVED).sum() for shown in good)), float(sum(len(shown) for shown in good))
