"""What experiments tell the page of a metric: who measures by it, how it stood, how far it moves. Stored looks only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite, sqrt
from statistics import median
from typing import Any

from django.db.models import F, Func, JSONField, QuerySet, Value
from django.db.models.functions import TruncDay
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from experiments.admin import STATUS_TONES
from experiments.history import OVER
from experiments.models import ExperimentMetric, Look, MetricRole, Status, Type
from experiments.page import verdict_tone
from firstlight.console.navigation import may_see
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.models import Metric
from firstlight.metrics.usage import Effects, Level, Sensitivity, Spread, Usage, Use
from firstlight.stats import power

SHOWN = 50  # tests that are listed
READ = 200  # newest tests whose last look is read
DRAWN = 6  # lines of the history: more is a wall
SPAN = timedelta(days=60)
POWER, ALPHA, WEEK = 0.8, 0.05, 7.0  # of the sensitivity: days of traffic

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """The metric in one look."""

    test: str
    status: str
    type: str
    until: datetime
    control: str
    metric: Json
    units: float  # of all arms
    days: float
    confidence: float

    @property
    def level(self) -> Json | None:
        """Of the control."""
        return next((arm for arm in self.metric["arms"] if arm["arm"] == self.control), None)


def usage(request: HttpRequest, metric: Metric) -> Usage | None:
    if not may_see(request, "experiments.experiment"):
        return None
    measured = ExperimentMetric.objects.filter(metric=metric, experiment__is_template=False)
    rows = list(measured.select_related("experiment").order_by("-experiment__created_at", "-pk")[:READ])
    last = {
        look.experiment_id: look
        for look in _looks(metric, rows).order_by("experiment_id", "-number").distinct("experiment_id")
    }
    seen = [one for row in rows if (one := _seen(last.get(row.experiment_id))) is not None]
    spread = _spread(seen)
    return Usage(
        uses=tuple(_use(row, last.get(row.experiment_id)) for row in rows[:SHOWN]),
        n_uses=measured.count() if len(rows) == READ else len(rows),
        levels=tuple(_levels(metric, rows)),
        spread=spread,
        effects=_effects(seen),
        sensitivity=spread if isinstance(spread, Withheld) else _sensitivity(spread, seen),
    )


def _looks(metric: Metric, rows: Sequence[ExperimentMetric]) -> QuerySet[Look, Any]:
    """Without what else they found: a look of many segments is long."""
    told = Func(
        F("results"),
        Value("$.metrics[*] ? (@.metric == $key)"),
        Value({"key": metric.key}, JSONField()),
        function="jsonb_path_query_first",
        output_field=JSONField(),
    )
    looks = Look.objects.filter(experiment__in=[row.experiment_id for row in rows]).select_related("experiment")
    return looks.defer("results").annotate(
        told=told,
        control=F("results__control"),
        arms=F("results__arms"),
        window=F("results__window"),
        confidence=F("results__confidence"),
    )


def _seen(look: Any) -> Seen | None:
    if look is None or look.told is None or not look.window or not look.arms:
        return None
    start, end = (datetime.fromisoformat(look.window[name]) for name in ("start", "end"))
    return Seen(
        test=look.experiment.name,
        status=look.experiment.status,
        type=look.experiment.type,
        until=look.until,
        control=look.control or look.arms[0]["key"],
        metric=look.told,
        units=float(sum(arm["units"] for arm in look.arms)),
        days=(end - start) / timedelta(days=1),
        confidence=float(look.confidence or 0.95),
    )


def _use(row: ExperimentMetric, look: Look | None) -> Use:
    of = row.experiment
    page = "results" if of.started_at else "change"
    return Use(
        name=of.name,
        link=reverse(f"admin:experiments_experiment_{page}", args=[of.pk]),
        state=look.verdict if look else of.get_status_display().lower(),
        tone=verdict_tone(look.verdict) if look else STATUS_TONES[Status(of.status)],
        role={MetricRole.PRIMARY: "goal", MetricRole.SECONDARY: "watched"}.get(MetricRole(row.role), "guardrail"),
        version=row.version,
        sentence=look.sentence if look else "No analysis yet.",
    )


def _levels(metric: Metric, rows: Sequence[ExperimentMetric]) -> Iterator[Level]:
    """The last look of each day, of the newest tests that have run."""
    begun = [row for row in rows if row.experiment.started_at][:DRAWN]
    recent = _looks(metric, begun).filter(until__gte=timezone.now() - SPAN).annotate(day=TruncDay("until"))
    for look in recent.order_by("experiment_id", "day", "-number").distinct("experiment_id", "day"):
        seen = _seen(look)
        level = seen.level if seen else None
        if seen and level and level["mean"] is not None:
            yield Level(seen.until.date(), seen.test, level["mean"])


def _spread(seen: Iterable[Seen]) -> Spread | Withheld:
    """Of the test with the most units in its control: it knows best."""
    known = [spread for one in seen if (spread := _spread_of(one)) is not None]
    return max(known, key=lambda one: one.units, default=Withheld(Reason.NO_DATA))


def _spread_of(seen: Seen) -> Spread | None:
    level = seen.level
    if level is None or not level["mean"] or not level.get("standard_error"):
        return None
    deviation = level["standard_error"] * sqrt(level["units"])
    return Spread(level["units"], level["mean"], deviation, seen.test, seen.until)


def _effects(seen: Iterable[Seen]) -> Effects | Withheld:
    """Of tests that are over, A/A tests left out: the lifts of a test that still runs are too large or too small."""
    over = [one for one in seen if one.status in OVER and one.type != Type.AA]
    found = [(abs(e["lift"]["value"]), _is_clear(e, one)) for one in over for e in _estimates(one)]
    if not found:
        return Withheld(Reason.NO_DATA)
    return Effects(len(found), median(lift for lift, _ in found), sum(clear for _, clear in found))


def _estimates(seen: Seen) -> list[Json]:
    return [one for one in seen.metric["estimates"] if "value" in one["lift"]]


def _is_clear(estimate: Json, seen: Seen) -> bool:
    return estimate["p"] is not None and estimate["p"] < 1 - seen.confidence


def _sensitivity(spread: Spread, seen: Sequence[Seen]) -> Sensitivity | Withheld:
    """Two equal arms, a week of the traffic that tests usually meet, one look, the spread of the largest test."""
    traffic = [WEEK * one.units / one.days for one in seen if one.days >= 1 and one.units]
    if not traffic:
        return Withheld(Reason.NO_DATA)
    saved = _saved(seen)
    each = median(traffic) / 2
    if each < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    lift = power.detectable(spread.relative, each, each, POWER, power.Test(ALPHA), saved=saved)
    return Sensitivity(lift, 2 * each, saved) if isfinite(lift) else Withheld(Reason.TOO_FEW_UNITS)


def _saved(seen: Iterable[Seen]) -> float:
    """Share of variance that covariates usually took away; 0 where none was adjusted."""
    found = [e.get("variance_reduction") for one in seen for e in one.metric["estimates"]]
    return float(median([min(max(share, 0.0), 0.99) for share in found if share is not None] or [0.0]))
