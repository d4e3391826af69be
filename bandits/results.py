"""The page of a campaign: sentence, what it believes of the leading items, whom it showed, table."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from bandits import page as shapes
from bandits import pool
from bandits.models import Campaign, Posterior
from firstlight.catalog.models import Item
from firstlight.console import words
from firstlight.console.pictures import exported

KEPT = 24  # steps of the picture of exposure


def page(request: HttpRequest, campaign: Campaign, *, may_change: bool) -> HttpResponse:
    history = beliefs(campaign)
    context = {
        **admin.site.each_context(request),
        "title": campaign.name,
        "opts": Campaign._meta,
        "campaign": campaign,
        "object": campaign,
        "may_change": may_change,
        "settings": _settings(campaign),
        "pool": pool_size(campaign),
        "export": reverse("admin:bandits_campaign_results", args=[campaign.pk]),
        **(_found(campaign, history) if history else {}),
    }
    return TemplateResponse(request, "bandits/results.html", context)


def export(campaign: Campaign, picture: str, form: str) -> HttpResponse:
    history = beliefs(campaign)
    made = shapes.pictures(history, names(history)) if history else []
    return exported(made, picture, form, name=campaign.key)


def beliefs(campaign: Campaign) -> list[shapes.Belief]:
    """The newest `KEPT`, oldest first."""
    rows = list(campaign.posteriors.order_by("-number")[:KEPT])
    return [belief(row) for row in reversed(rows)]


def pool_size(campaign: Campaign) -> int:
    """Items that would take part now."""
    return pool.items(campaign).count()


def belief(row: Posterior) -> shapes.Belief:
    return shapes.Belief.of(row.computed_at, row.items, row.trials, row.successes, (row.prior_a, row.prior_b))


def _found(campaign: Campaign, history: list[shapes.Belief]) -> dict[str, Any]:
    newest, titles = history[-1], names(history)
    listed = shapes.table(newest, titles)
    return {
        "belief": newest,
        "sentence": shapes.sentence(newest, titles),
        "figures": shapes.figures(newest),
        "pictures": shapes.pictures(history, titles),
        "rows": listed,
        "unlisted": len(newest.items) - len(listed),
        "table": campaign.tables.order_by("-id").defer("rows", "items", "merchants", "categories").first(),
        "posterior": campaign.posteriors.order_by("-number").defer("items", "trials", "successes").first(),
    }


def names(history: list[shapes.Belief]) -> dict[str, str]:
    """Titles of the items that any page shows; a pool may have ten thousand."""
    shown = history[-1].items[: shapes.LISTED]
    return dict(Item.objects.filter(key__in=shown).exclude(title="").values_list("key", "title"))


def _settings(campaign: Campaign) -> list[tuple[str, str]]:
    def listed(rows: Any) -> str:
        return words.listing([str(row) for row in rows.all()]) or "all"

    age = (
        f"listed in the last {words.plural(campaign.pool_max_age_days, 'day')}"
        if campaign.pool_max_age_days
        else "any age"
    )
    return [
        ("Key", campaign.key),
        ("Owner", str(campaign.owner or words.BLANK)),
        ("Scenario", campaign.scenario.name),
        ("Slots", words.listing([str(p) for p in campaign.positions])),
        ("Categories", listed(campaign.pool_categories)),
        ("Merchants", listed(campaign.pool_merchants)),
        ("Tags", words.listing(campaign.pool_tags) or "any"),
        ("Items", f"{age}, {'in stock only' if campaign.pool_in_stock else 'in stock or not'}"),
        ("Uniform floor", words.percent(float(campaign.floor))),
        ("Most items of one merchant", str(campaign.merchant_cap or "no limit")),
        ("A click counts", words.plural(campaign.attribution_hours, "hour")),
        ("Started", f"{campaign.started_at:%-d %B %Y, %H:%M} UTC" if campaign.started_at else "not yet"),
        ("Stopped", f"{campaign.stopped_at:%-d %B %Y, %H:%M} UTC" if campaign.stopped_at else words.BLANK),
    ]
