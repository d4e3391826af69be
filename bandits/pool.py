"""Which items a campaign may show: its rule over the catalogue, what was picked by hand, and what has left."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from bandits.models import Campaign, Outcome
from firstlight.catalog.models import Item


@dataclass(frozen=True, slots=True)
class Rule:
    """An item takes part while all that is set holds; what is not set lets everything through."""

    by_rule: bool = True  # else only the items picked by hand
    categories: tuple[int, ...] = ()  # primary keys
    merchants: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()  # any of them
    max_age_days: int | None = None
    in_stock: bool = True
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    currency: str = ""  # of these prices: an item priced in another one does not take part
    countries: tuple[str, ...] = ()
    items: tuple[str, ...] = ()  # take part whatever the rule says
    excluded: tuple[str, ...] = ()  # never take part

    @classmethod
    def of(cls, campaign: Campaign) -> "Rule":
        return cls(
            by_rule=campaign.pool_by_rule,
            categories=tuple(campaign.pool_categories.values_list("pk", flat=True)),
            merchants=tuple(campaign.pool_merchants.values_list("pk", flat=True)),
            tags=tuple(campaign.pool_tags),
            max_age_days=campaign.pool_max_age_days,
            in_stock=campaign.pool_in_stock,
            price_from=campaign.pool_price_from,
            price_to=campaign.pool_price_to,
            currency=campaign.pool_currency,
            countries=tuple(campaign.pool_countries),
            items=tuple(campaign.pool_items),
            excluded=tuple(campaign.pool_excluded),
        )

    @classmethod
    def given(cls, fields: Mapping[str, Any]) -> "Rule":
        """Of what a form or an API body says, by the names of Campaign; what it leaves out lets everything through."""
        return cls(
            by_rule=fields.get("pool_by_rule", True),
            categories=tuple(row.pk for row in fields.get("pool_categories") or ()),
            merchants=tuple(row.pk for row in fields.get("pool_merchants") or ()),
            tags=tuple(fields.get("pool_tags") or ()),
            max_age_days=fields.get("pool_max_age_days"),
            in_stock=fields.get("pool_in_stock", True),
            price_from=fields.get("pool_price_from"),
            price_to=fields.get("pool_price_to"),
            currency=fields.get("pool_currency") or "",
            countries=tuple(fields.get("pool_countries") or ()),
            items=tuple(fields.get("pool_items") or ()),
            excluded=tuple(fields.get("pool_excluded") or ()),
        )


def items(campaign: Campaign) -> QuerySet[Item]:
    """By key; without those that graduated or were given up, unless somebody took that back."""
    left = Outcome.objects.filter(campaign=campaign, reversed_at=None).values("item")
    return matching(Rule.of(campaign), timezone.now()).exclude(key__in=left)


def matching(rule: Rule, at: datetime) -> QuerySet[Item]:
    """By key, as the catalogue is now."""
    rows = Item.objects.select_related("merchant", "category").filter(_taken(rule, at)).order_by("key")
    return rows.exclude(key__in=rule.excluded) if rule.excluded else rows


def _taken(rule: Rule, at: datetime) -> Q:
    picked = Q(key__in=rule.items)
    if not rule.by_rule:
        return picked
    met = _met(rule, at)
    return met | picked if met and rule.items else met  # Django reads "everything, or these" as "these"


def _met(rule: Rule, at: datetime) -> Q:
    met = _priced(rule)
    if rule.categories:
        met &= Q(category__in=rule.categories)
    if rule.merchants:
        met &= Q(merchant__in=rule.merchants)
    if rule.tags:
        met &= Q(tags__overlap=list(rule.tags))
    if rule.countries:
        met &= Q(country__in=rule.countries)
    if rule.max_age_days is not None:
        met &= Q(listed_at__gt=at - timedelta(days=rule.max_age_days))
    return met & Q(in_stock=True) if rule.in_stock else met


def _priced(rule: Rule) -> Q:
    met = Q()
    if rule.price_from is not None:
        met &= Q(price__gte=rule.price_from)
    if rule.price_to is not None:
        met &= Q(price__lte=rule.price_to)
    return met & Q(currency=rule.currency) if met else met
