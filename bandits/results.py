"""The page of a campaign: what it is doing now, what it was worth, what became of items; all from what is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from bandits import ahead, pool
from bandits import page as shapes
from bandits.models import Campaign, Posterior
from bandits.page import Choice, Known, Section, Wording, chances, exposure, item, leaders, standing
from firstlight.catalog.models import Item
from firstlight.console import words
from firstlight.console.pictures import exported

KEPT = 24  # posteriors of the picture of exposure
OFFERED = 30  # items that the search field offers


@dataclass(frozen=True)
class Reading:
    """One campaign and how it is looked at; what page and export have in common."""

    campaign: Campaign
    choice: Choice

    @classmethod
    def of(cls, request: HttpRequest, campaign: Campaign) -> "Reading":
        return cls(campaign, Choice.of(request.GET, campaign.segments))

    @cached_property
    def history(self) -> list[Known]:
        """The newest `KEPT` of the segment, oldest first."""
        rows = self.campaign.posteriors.filter(segment=self.choice.segment).order_by("-number").defer("context")
        return [known(row) for row in reversed(rows[:KEPT])]

    @property
    def newest(self) -> Known | None:
        return self.history[-1] if self.history else None

    @cached_property
    def chances(self) -> chances.Chances | None:
        return ahead.chances(self.campaign, self.newest) if self.newest else None

    @cached_property
    def names(self) -> dict[str, str]:
        """Titles of the items that any section shows; a pool may have ten thousand."""
        shown = {self.choice.item}
        if self.newest:
            shown |= {self.newest.items[i] for i in self.newest.best[: leaders.LISTED].tolist()}
        if self.chances:
            shown |= {self.chances.items[i] for i in self.chances.order[: chances.LISTED]}
        return names(shown)

    @property
    def wording(self) -> Wording:
        return Wording.of(self.campaign.reward, self.campaign.value_currency)

    @cached_property
    def sections(self) -> list[Section]:
        return [made for room in ROOMS if (made := room(self)) is not None]


Room = Callable[[Reading], Section | None]


def _leaders(reading: Reading) -> Section | None:
    if reading.newest is None:
        return None
    switches = shapes.segments(reading.choice, reading.campaign.segments, reading.campaign.segment_by, "leaders")
    return leaders.section(reading.newest, reading.names, reading.wording, reading.choice, switches)


def _item(reading: Reading) -> Section | None:
    """Only of an item that somebody looks for."""
    if reading.newest is None or not reading.choice.item:
        return None
    return item.section(reading.history, reading.choice.item, reading.names, reading.wording, reading.chances)


def _exposure(reading: Reading) -> Section | None:
    return exposure.section(reading.history, reading.names) if reading.newest else None


def _chances(reading: Reading) -> Section | None:
    return chances.section(reading.chances, reading.names, reading.choice) if reading.newest else None


def _told(room: Callable[[Reading, shapes.Json], Section]) -> Room:
    return lambda reading: room(reading, reading.newest.told) if reading.newest else None


ROOMS: tuple[Room, ...] = (  # in reading order
    _leaders,
    _item,
    _chances,
    _exposure,
    _told(lambda _, told: standing.budgets(told)),
    _told(lambda reading, told: standing.priors(told, reading.wording)),
    _told(lambda reading, told: standing.slots(told, reading.campaign.positions)),
    _told(lambda _, told: standing.delays(told)),
)


def page(request: HttpRequest, campaign: Campaign, *, may_change: bool) -> HttpResponse:
    reading = Reading.of(request, campaign)
    context = {
        **admin.site.each_context(request),
        "title": campaign.name,
        "opts": Campaign._meta,
        "campaign": campaign,
        "object": campaign,
        "may_change": may_change,
        "settings": settings(campaign),
        "pool": pool_size(campaign),
        "export": reverse("admin:bandits_campaign_results", args=[campaign.pk]),
        "choice": reading.choice,
        "query": reading.choice.query,
        **_found(reading),
    }
    return TemplateResponse(request, "bandits/results.html", context)


def export(request: HttpRequest, campaign: Campaign, picture: str, form: str) -> HttpResponse:
    made = [one for section in Reading.of(request, campaign).sections for one in section.pictures]
    return exported(made, picture, form, name=campaign.key)


def _found(reading: Reading) -> dict[str, Any]:
    sections = reading.sections
    found = {
        "sections": [one for one in sections if not one.is_missing],
        "missing": [one for one in sections if one.is_missing],
        "pictures": [picture for one in sections for picture in one.pictures],
    }
    if (newest := reading.newest) is None:
        return found
    return found | {
        "newest": newest,
        "sentence": leaders.sentence(newest, reading.names, reading.wording),
        "figures": shapes.figures(newest, reading.wording),
        "offered": [(newest.items[i], reading.names.get(newest.items[i], "")) for i in newest.best[:OFFERED].tolist()],
    }


def known(row: Posterior) -> Known:
    numbers = row.numbers
    seen = numbers.get("impressions", np.asarray(row.trials, np.float64))
    return Known(
        at=row.computed_at,
        number=row.number,
        segment=row.segment,
        beliefs=row.beliefs,
        trials=np.asarray(row.trials, np.float64),
        successes=np.asarray(row.successes, np.float64),
        seen=seen,
        shown=numbers.get("ever", seen),
        told=row.told,
    )


def pool_size(campaign: Campaign) -> int:
    """Items that would take part now."""
    return pool.items(campaign).count()


def names(keys: set[str]) -> dict[str, str]:
    return dict(Item.objects.filter(key__in=keys).exclude(title="").values_list("key", "title"))


def settings(campaign: Campaign) -> list[tuple[str, str]]:
    """The plan in words; what is not set is left out."""
    return [(name, value) for name, value in _settings(campaign) if value]


def _settings(campaign: Campaign) -> list[tuple[str, str]]:
    def listed(rows: Any) -> str:
        return words.listing([str(row) for row in rows])

    def at(time: Any) -> str:
        return f"{time:%-d %B %Y, %H:%M} UTC" if time else ""

    return [
        ("Key", campaign.key),
        ("Owner", str(campaign.owner or "")),
        ("Scenario", campaign.scenario.name),
        ("Slots", listed(sorted(campaign.positions))),
        ("Learns apart", f"{campaign.segment_by}: {listed(campaign.segments)}" if campaign.segments else ""),
        ("Categories", listed(campaign.pool_categories.all())),
        ("Merchants", listed(campaign.pool_merchants.all())),
        ("Tags", listed(campaign.pool_tags)),
        ("Countries", listed(campaign.pool_countries)),
        ("Items", _items(campaign)),
        ("Reward", _reward(campaign)),
        ("Policy", campaign.get_policy_display()),
        ("Uniform floor", words.percent(float(campaign.floor))),
        ("Most items of one merchant", str(campaign.merchant_cap or "")),
        ("Impressions a day", words.count(campaign.daily_budget) if campaign.daily_budget else ""),
        ("Without it", words.percent(float(campaign.control_share)) if campaign.control_share else ""),
        ("Every item alike", words.percent(float(campaign.uniform_share)) if campaign.uniform_share else ""),
        ("Started", at(campaign.started_at) or "not yet"),
        ("Stopped", at(campaign.stopped_at)),
    ]


def _items(campaign: Campaign) -> str:
    rule = []
    if campaign.pool_by_rule:
        days = campaign.pool_max_age_days
        rule = [f"listed in the last {words.plural(days, 'day')}" if days else "of any age"]
        rule.append("in stock only" if campaign.pool_in_stock else "in stock or not")
    picked = [f"{words.count(len(campaign.pool_items))} picked by hand"] if campaign.pool_items else []
    left = [f"{words.count(len(campaign.pool_excluded))} excluded"] if campaign.pool_excluded else []
    return ", ".join([*rule, *picked, *left])


def _reward(campaign: Campaign) -> str:
    label = campaign.get_reward_display()
    return f"{label}, within {words.plural(campaign.attribution_hours, 'hour')}"
