"""Which items a campaign may show: its rule over the catalogue."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from bandits.models import Campaign
from firstlight.catalog.models import Item


def items(campaign: Campaign) -> QuerySet[Item]:
    """The items that satisfy all that is set, by key; a condition that is not set lets everything through."""
    rows = Item.objects.select_related("merchant", "category").order_by("key")
    if categories := list(campaign.pool_categories.values_list("pk", flat=True)):
        rows = rows.filter(category__in=categories)
    if merchants := list(campaign.pool_merchants.values_list("pk", flat=True)):
        rows = rows.filter(merchant__in=merchants)
    if campaign.pool_tags:
        rows = rows.filter(tags__overlap=campaign.pool_tags)
    if campaign.pool_max_age_days is not None:
        rows = rows.filter(listed_at__gt=timezone.now() - timedelta(days=campaign.pool_max_age_days))
    if campaign.pool_in_stock:
        rows = rows.filter(in_stock=True)
    return rows
