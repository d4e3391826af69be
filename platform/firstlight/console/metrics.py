"""The page of one metric: what it is, how it stood, how much it moves and what it can find, who measures by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from firstlight.console import charts, words
from firstlight.console.navigation import may_see
from firstlight.console.pictures import Picture, exported
from firstlight.kernel.withheld import Withheld
from firstlight.metrics import sentences, usage, versions
from firstlight.metrics.daily import daily
from firstlight.metrics.definitions import Definition
from firstlight.metrics.models import Grain, Metric, MetricVersion, ScenarioMeasure
from firstlight.metrics.usage import Effects, Sensitivity, Spread, Usage

SPAN = timedelta(days=60)
MOST_SCENARIOS = 7  # lines that the eye can tell apart
MOST_VERSIONS = 50
SHARES = ("proportion", "ratio", "retention", "funnel")


@dataclass(frozen=True, slots=True)
class Edition:
    """One version, and what it said differently from the one before."""

    row: MetricVersion
    changes: Sequence[tuple[str, str, str]]  # (what, before, after)


def page(request: HttpRequest, key: str) -> HttpResponse:
    metric = _metric(request, key)
    one, told = Definition.of(metric), usage.of(request, metric)
    context = {
        **admin.site.each_context(request),
        "title": metric.name,
        "metric": metric,
        "object": metric,
        "opts": Metric._meta,
        "sentence": sentences.definition(one),
        "figures": [figure for part in told for figure in figures(part)],
        "pictures": pictures(one, _measures(request, one), told),
        "export": reverse("console:metric", args=[metric.key]),
        "uses": [use for part in told for use in part.uses],
        "n_uses": sum(part.n_uses for part in told),
        "editions": editions(list(metric.versions.all()[: MOST_VERSIONS + 1])),
        "may_change": request.user.has_perm("metrics.change_metric"),
    }
    return TemplateResponse(request, "console/metric.html", context)


def export(request: HttpRequest, key: str, picture: str, form: str) -> HttpResponse:
    metric = _metric(request, key)
    one = Definition.of(metric)
    drawn = pictures(one, _measures(request, one), usage.of(request, metric))
    return exported(drawn, picture, form, name=metric.key)


def figures(told: Usage) -> list[tuple[str, str, str]]:
    """(what, number, small print); a number that cannot be given says why."""
    found = [
        ("Tests", words.count(told.n_uses), "measure by it"),
        _spread(told.spread),
        _effect(told.effects),
        _clear(told.effects),
        _sensitive(told.sensitivity),
    ]
    return found if told.n_uses else []


def _spread(spread: Spread | Withheld) -> tuple[str, str, str]:
    if isinstance(spread, Withheld):
        return ("Spread", words.BLANK, spread.reason.value)
    level = f"mean {words.number(spread.mean)}, deviation {words.number(spread.deviation)} in “{spread.test}”"
    return ("Spread", f"{words.number(spread.relative, 3)} × mean", level)


def _effect(effects: Effects | Withheld) -> tuple[str, str, str]:
    if isinstance(effects, Withheld):
        return ("Typical lift", words.BLANK, "no test that measures it is over")
    return ("Typical lift", words.percent(effects.median), f"median size of {words.plural(effects.n, 'comparison')}")


def _clear(effects: Effects | Withheld) -> tuple[str, str, str]:
    if isinstance(effects, Withheld):
        return ("Clear", words.BLANK, "no test that measures it is over")
    share = words.percent(effects.clear_share)
    return ("Clear", share, f"{words.count(effects.n_clear)} of {words.count(effects.n)} apart from zero")


def _sensitive(found: Sensitivity | Withheld) -> tuple[str, str, str]:
    if isinstance(found, Withheld):
        return ("Finds in a week", words.BLANK, found.reason.value)
    saved = f", {words.percent(found.saved, 2)} of the variance explained" if found.saved else ""
    return ("Finds in a week", words.lift(found.lift), f"at 80 % power, {words.count(found.units)} units{saved}")


def pictures(one: Definition, measures: Sequence[ScenarioMeasure], told: Sequence[Usage]) -> list[Picture]:
    form = ".3~%" if one.kind in SHARES and _is_share(one) else ".3~s"
    drawn = [
        _picture(
            "by-scenario",
            "Day by day, per scenario",
            "What those did who came to the scenario on that day; a unit counts on every day that it comes.",
            form,
            _of_scenarios(one, measures),
        ),
        _picture(
            "in-tests",
            "In the control of its tests",
            "All units of the control so far, as each day's last look found them.",
            form,
            [charts.Point(level.at, level.series, level.value) for part in told for level in part.levels],
        ),
    ]
    return [picture for picture in drawn if picture is not None]


def _is_share(one: Definition) -> bool:
    """Money per order is no percentage, clicks per impression are."""
    return all(source.adds == "count" for source in one.sources)


def _picture(key: str, title: str, caption: str, form: str, points: Sequence[charts.Point]) -> Picture | None:
    if not points:
        return None
    rows = [{"day": point.at, "series": point.series, "value": point.value} for point in points]
    return Picture(key, title, charts.series(points, form=form), rows, caption)


def _of_scenarios(one: Definition, measures: Sequence[ScenarioMeasure]) -> list[charts.Point]:
    value = daily(one)
    if value is None:
        return []
    shown: dict[str, int] = {}
    for measure in measures:
        shown[measure.scenario.name] = shown.get(measure.scenario.name, 0) + measure.impressions
    kept = sorted(shown, key=lambda name: -shown[name])[:MOST_SCENARIOS]
    points = [
        charts.Point(m.starts_at, m.scenario.name, value(m))
        for m in sorted(measures, key=lambda m: m.starts_at)
        if m.scenario.name in kept
    ]
    return sorted(points, key=lambda point: kept.index(point.series))


def editions(rows: Sequence[MetricVersion]) -> list[Edition]:
    """Newest first, of rows in that order; the oldest of them only if it is the first."""
    pairs = zip_longest(rows, rows[1:])
    found = [Edition(row, _changes(before, row)) for row, before in pairs if before is not None or row.number == 1]
    return found[:MOST_VERSIONS]


def _changes(before: MetricVersion | None, row: MetricVersion) -> list[tuple[str, str, str]]:
    if before is None:
        return []
    return sentences.differences(versions.difference(before.definition, row.definition))


def _measures(request: HttpRequest, one: Definition) -> list[ScenarioMeasure]:
    """Whole days of every scenario, back from the newest one."""
    if daily(one) is None or not may_see(request, "metrics.scenariomeasure"):
        return []
    rows = ScenarioMeasure.objects.filter(grain=Grain.DAY, recall_source="")
    newest: datetime | None = rows.aggregate(newest=Max("starts_at"))["newest"]
    return [] if newest is None else list(rows.filter(starts_at__gt=newest - SPAN).select_related("scenario"))


def _metric(request: HttpRequest, key: str) -> Metric:
    if not may_see(request, "metrics.metric"):
        raise PermissionDenied
    found: Any = get_object_or_404(Metric.objects.select_related("owner"), key=key)
    return found  # type: ignore[no-any-return]
