"""The page of one scenario: what happened there, hour by hour or day by day, whole or by recall source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from firstlight.catalog.models import Scenario
from firstlight.console import charts, words
from firstlight.console.navigation import may_see
from firstlight.console.pictures import Picture, exported
from firstlight.metrics.models import Grain, ScenarioMeasure

SPANS = {Grain.HOUR.value: timedelta(hours=48), Grain.DAY.value: timedelta(days=60)}  # back from the newest measure
WHOLE = "all sources"
MOST_SOURCES = 7  # lines that the eye can tell apart; the rest is one


@dataclass(frozen=True, slots=True)
class View:
    """What the reader asked to see."""

    grain: str
    by_source: bool

    @classmethod
    def of(cls, request: HttpRequest) -> "View":
        grain = request.GET.get("grain", Grain.DAY.value)
        return cls(grain if grain in SPANS else Grain.DAY.value, request.GET.get("by") == "recall_source")

    @property
    def query(self) -> str:
        return f"?grain={self.grain}" + ("&by=recall_source" if self.by_source else "")


def page(request: HttpRequest, key: str) -> HttpResponse:
    scenario = _scenario(request, key)
    view = View.of(request)
    measures = _measures(scenario, view)
    whole = (
        [m for m in measures if not m.recall_source]
        if not view.by_source
        else _measures(scenario, View(view.grain, False))
    )
    context = {
        **admin.site.each_context(request),
        "title": scenario.name,
        "scenario": scenario,
        "object": scenario,
        "view": view,
        "views": _switches(view),
        "sentence": sentence(whole),
        "figures": figures(whole),
        "pictures": pictures(measures),
        "export": reverse("console:scenario", args=[scenario.key]),
        "opts": Scenario._meta,
        "may_change": request.user.has_perm("catalog.change_scenario"),
    }
    return TemplateResponse(request, "console/scenario.html", context)


def export(request: HttpRequest, key: str, picture: str, form: str) -> HttpResponse:
    scenario = _scenario(request, key)
    return exported(pictures(_measures(scenario, View.of(request))), picture, form, name=scenario.key)


def sentence(whole: Sequence[ScenarioMeasure]) -> str:
    """What happened in the whole window, first of all the click rate."""
    if not whole:
        return "Nothing was measured here yet."
    impressions, clicked = sum(m.impressions for m in whole), sum(m.clicked_impressions for m in whole)
    orders = sum(m.orders for m in whole)
    span = f"from {whole[0].starts_at:%-d %B} to {whole[-1].starts_at:%-d %B %Y}"
    rate = (
        f"{words.percent(clicked / impressions)} of {words.plural(impressions, 'impression')} were clicked"
        if impressions
        else "No impression was seen"
    )
    sold = f"; {words.plural(orders, 'order')} followed" if orders else ""
    return f"{rate} {span}{sold}."


def figures(whole: Sequence[ScenarioMeasure]) -> list[tuple[str, str, str]]:
    if not whole:
        return []
    impressions, clicked = sum(m.impressions for m in whole), sum(m.clicked_impressions for m in whole)
    orders, last = sum(m.orders for m in whole), whole[-1]
    net: dict[str, Decimal] = {}
    for m in whole:
        for currency, amount in m.net.items():
            net[currency] = net.get(currency, Decimal(0)) + Decimal(amount)
    return [
        ("Impressions", words.count(impressions), f"{words.count(sum(m.clicks for m in whole))} clicks"),
        ("Click rate", words.percent(_divided(clicked, impressions)), "of impressions"),
        ("Orders", words.count(orders), f"{words.count(sum(m.carts for m in whole))} added to cart"),
        ("Net value", words.purse(net), "orders less refunds"),
        ("Returning", words.percent(_divided(last.returning_units, last.units)), f"of units in the last {last.grain}"),
    ]


def pictures(measures: Sequence[ScenarioMeasure]) -> list[Picture]:
    if not measures:
        return []
    drawn = _few_sources(measures)
    shown: list[tuple[str, str, str, str, Callable[[ScenarioMeasure], float | None]]] = [
        ("impressions", "Impressions", "Items shown.", "~s", lambda m: m.impressions),
        (
            "click-rate",
            "Click rate",
            "Share of impressions that were clicked.",
            ".2~%",
            lambda m: _divided(m.clicked_impressions, m.impressions),
        ),
        ("orders", "Orders", "Orders that name this scenario.", "~s", lambda m: m.orders),
    ]
    made = [
        _picture(key, title, caption, form, [_point(m, value(m)) for m in drawn])
        for key, title, caption, form, value in shown
    ]
    worth = [charts.Point(m.starts_at, _named(m, c), float(a)) for m in drawn for c, a in sorted(m.net.items())]
    return made + (
        [_picture("net-value", "Net value", "Orders less refunds and cancellations, by currency.", "~s", worth)]
        if worth
        else []
    )


def _picture(key: str, title: str, caption: str, form: str, points: Sequence[charts.Point]) -> Picture:
    rows = [{"starts_at": p.at.isoformat(), "series": p.series, key: p.value} for p in points]
    return Picture(key, title, charts.series(points, form=form), rows, caption)


def _point(m: ScenarioMeasure, value: float | None) -> charts.Point:
    return charts.Point(m.starts_at, m.recall_source or WHOLE, value)


def _named(m: ScenarioMeasure, currency: str) -> str:
    return f"{m.recall_source}, {currency}" if m.recall_source else currency


def _few_sources(measures: Sequence[ScenarioMeasure]) -> list[ScenarioMeasure]:
    """The recall sources with the most impressions."""
    seen: dict[str, int] = {}
    for m in measures:
        seen[m.recall_source] = seen.get(m.recall_source, 0) + m.impressions
    kept = sorted(seen, key=lambda source: -seen[source])[:MOST_SOURCES]
    return sorted(
        (m for m in measures if m.recall_source in kept), key=lambda m: (kept.index(m.recall_source), m.starts_at)
    )


def _measures(scenario: Scenario, view: View) -> list[ScenarioMeasure]:
    rows = ScenarioMeasure.objects.filter(scenario=scenario, grain=view.grain)
    newest: datetime | None = rows.aggregate(newest=Max("starts_at"))["newest"]
    if newest is None:
        return []
    rows = rows.filter(starts_at__gt=newest - SPANS[view.grain])
    return list(rows.exclude(recall_source="") if view.by_source else rows.filter(recall_source=""))


def _scenario(request: HttpRequest, key: str) -> Scenario:
    if not (may_see(request, "catalog.scenario") and may_see(request, "metrics.scenariomeasure")):
        raise PermissionDenied
    return get_object_or_404(Scenario, key=key)


def _switches(view: View) -> list[list[dict[str, Any]]]:
    grains = [
        {"text": text, "query": View(grain, view.by_source).query, "on": grain == view.grain}
        for grain, text in (("hour", "By hour"), ("day", "By day"))
    ]
    parts = [
        {"text": text, "query": View(view.grain, by).query, "on": by == view.by_source}
        for by, text in ((False, "Whole"), (True, "By recall source"))
    ]
    return [grains, parts]


def _divided(part: int, whole: int) -> float | None:
    return part / whole if whole else None
