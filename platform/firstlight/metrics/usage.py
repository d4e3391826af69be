"""Who measures by a metric, and what they found: values that rooms above hand to the metric's page.

Each path of the setting METRIC_USAGE names a function (request, metric) -> Usage | None, None for who may not see it.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import cast

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.models import Metric


@dataclass(frozen=True, slots=True)
class Use:
    """One test that measures by it."""

    name: str
    link: str
    state: str
    tone: str  # better, worse, warn, info, neutral
    role: str
    version: int | None  # pinned; None: by the definition as it stands
    sentence: str  # what its newest look found


@dataclass(frozen=True, slots=True)
class Level:
    """The value in a control arm, of all its units so far."""

    at: date
    series: str
    value: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How much units differ, as one test saw it in its control arm."""

    units: float
    mean: float  # metric unit
    deviation: float  # metric unit; of a ratio, of its linearised units
    test: str
    until: datetime

    @property
    def relative(self) -> float:
        """Deviation over mean."""
        return self.deviation / abs(self.mean)


@dataclass(frozen=True, slots=True)
class Effects:
    """What tests that are over moved."""

    n: int  # comparisons of an arm with the control
    median: float  # of |lift|, a fraction
    n_clear: int  # of them apart from zero

    @property
    def clear_share(self) -> float:
        return self.n_clear / self.n


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The least lift that a test of a week finds four times in five."""

    lift: float  # a fraction
    units: float  # of a week's typical traffic, both arms
    saved: float  # share of variance that covariates take away


@dataclass(frozen=True, slots=True)
class Usage:
    uses: tuple[Use, ...] = ()  # newest first
    n_uses: int = 0  # all of them
    levels: tuple[Level, ...] = ()
    spread: Spread | Withheld = field(default=Withheld(Reason.NO_DATA))
    effects: Effects | Withheld = field(default=Withheld(Reason.NO_DATA))
    sensitivity: Sensitivity | Withheld = field(default=Withheld(Reason.NO_DATA))


def of(request: HttpRequest, metric: Metric) -> list[Usage]:
    """What each room that measures says to this reader."""
    found = (import_string(path)(request, metric) for path in settings.METRIC_USAGE)
    return [cast("Usage", one) for one in found if one is not None]
