"""What has been going on in scenarios lately: how many units come, which events, with which attributes they ask."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from math import prod
from typing import Any

from django.db.models import Sum

from experiments.models import BUCKETS, Experiment
from firstlight.assignment import targeting
from firstlight.catalog.models import Scenario
from firstlight.kernel.windows import Window
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.models import Grain, ScenarioMeasure

DAYS = 7  # whole days that are read: every weekday once
MOST_ASKED = 5_000  # decisions whose attributes are read


@dataclass(frozen=True, slots=True)
class Pace:
    """Users, or devices or sessions where users are unknown."""

    daily: float  # units on a day
    fresh: float  # of them not seen in the seven days before

    def units(self, days: int) -> float:
        """About how many different ones come in so many days: those of one day, and the fresh of every other.

        >>> Pace(1000, 200).units(14)
        3600.0
        """
        return self.daily + self.fresh * (days - 1)


def pace(scenarios: Collection[Scenario], at: datetime) -> Pace | Withheld:
    """Means over the last whole days. Of several scenarios the busiest: whom they share is not known, so at least that.

    Source: the measures of scenarios by day.
    """
    end = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    rows = ScenarioMeasure.objects.filter(
        scenario__in=scenarios,
        grain=Grain.DAY,
        recall_source="",
        starts_at__gte=end - timedelta(days=DAYS),
        starts_at__lt=end,
    )
    by_scenario = rows.order_by().values("scenario").annotate(units=Sum("units"), returning=Sum("returning_units"))
    busiest = max(by_scenario, key=lambda row: row["units"], default=None)
    if busiest is None or not busiest["units"]:
        return Withheld(Reason.NO_DATA)
    n_days = rows.values("starts_at").distinct().count()
    return Pace(busiest["units"] / n_days, (busiest["units"] - busiest["returning"]) / n_days)


@dataclass(frozen=True, slots=True)
class Seen:
    types: frozenset[str]  # of events, anywhere
    attributes: tuple[Mapping[str, Any], ...]  # of requests in the scenarios, at most `MOST_ASKED`


def seen(scenarios: Collection[str], at: datetime) -> Seen | Withheld:
    """In the last seven days of the lake; requests of the last day where there are any. `scenarios` by key."""
    import duckdb  # brings the engine along, which no other page needs
    from deltalake.exceptions import DeltaError

    try:
        return _seen(scenarios, at)
    except (OSError, DeltaError, duckdb.Error):  # nobody is kept from planning by a store that is away
        return Withheld(Reason.NO_ANSWER)


def _seen(scenarios: Collection[str], at: datetime) -> Seen:
    from firstlight.lake import engine

    with engine.events(Window(at - timedelta(days=DAYS), at)) as events:
        types = frozenset(events.select("type").distinct().to_pyarrow()["type"].to_pylist())
        asked = events.filter(events["type"] == "decision", events["scenario"].isin(sorted(scenarios)))
        recent = asked.filter(asked["at"] >= (at - timedelta(days=1)).astimezone(UTC).replace(tzinfo=None))
        rows = _asked(recent) or _asked(asked)
    return Seen(types, tuple(json.loads(row)["attributes"] for row in rows))


def _asked(decisions: Any) -> list[str]:
    """Any of them: sorting a day of them would read them all."""
    rows = decisions.select("properties").limit(MOST_ASKED).to_pyarrow()
    return [row for row in rows["properties"].to_pylist() if row]


def share_targeted(condition: Mapping[str, Any], attributes: Sequence[Mapping[str, Any]]) -> float | None:
    """Of requests with these attributes; None without requests, or of a condition that cannot be read."""
    if not attributes or targeting.faults(condition):
        return None
    matches = targeting.compiled(condition)
    return sum(matches(one) for one in attributes) / len(attributes)


def share_taking_part(experiment: Experiment, targeted: float) -> float:
    """Of the units of its scenarios: targeting, the buckets of every layer, and the coverage at the end of its ramp."""
    last = experiment.ramp.order_by("-position").first()
    held = prod((one.end_bucket - one.first_bucket) / BUCKETS for one in experiment.further_layers.all())
    if experiment.layer_id is not None:
        held *= (experiment.end_bucket - experiment.first_bucket) / BUCKETS
    return targeted * float(last.coverage if last else experiment.coverage) * held
