"""The plan of a campaign on the wire."""

from typing import Any

from rest_framework import serializers

from bandits import plan
from bandits.forms import unknown
from bandits.models import MOST_ITEMS, MOST_SEGMENTS, Campaign, Guard
from firstlight.accounts.models import User
from firstlight.catalog.models import Category, Item, Merchant, Scenario
from firstlight.doors.serializers import Fraction, Keys, Named, Strict

MOST_SLOTS, MOST_RULES, MOST_COUNTRIES = 100, 1_000, 250
LONGEST = 36_500  # days


def _texts(at_most: int, longest: int = 200, **more: Any) -> serializers.ListField:
    child = serializers.CharField(max_length=longest)
    return serializers.ListField(child=child, max_length=at_most, required=False, **more)


def _price() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=4, min_value=0, required=False, allow_null=True)


class PoolFields(serializers.Serializer[Any]):
    """Which items take part."""

    pool_by_rule = serializers.BooleanField(required=False)
    pool_categories = Keys(Category.objects, at_most=MOST_RULES, required=False)
    pool_merchants = Keys(Merchant.objects, at_most=MOST_RULES, required=False)
    pool_tags = _texts(MOST_RULES, 100, help_text="Any of these tags.")
    pool_max_age_days = serializers.IntegerField(min_value=1, max_value=LONGEST, required=False, allow_null=True)
    pool_in_stock = serializers.BooleanField(required=False)
    pool_price_from = _price()
    pool_price_to = _price()
    pool_currency = serializers.CharField(max_length=3, required=False, allow_blank=True)
    pool_countries = _texts(MOST_COUNTRIES, 2, help_text="Where the item ships from, ISO 3166-1 alpha-2.")
    pool_items = _texts(MOST_ITEMS, help_text="Picked by hand: they take part whatever the rule says.")
    pool_excluded = _texts(MOST_ITEMS, help_text="Never take part.")

    def validate_pool_items(self, keys: list[str]) -> list[str]:
        before: list[str] = self.instance.pool_items if isinstance(self.instance, Campaign) else []
        if absent := set(unknown(keys, but=before)):
            raise serializers.ValidationError(
                {str(i): [f"The catalogue has no “{key}”."] for i, key in enumerate(keys) if key in absent}
            )
        return list(dict.fromkeys(keys))


class PoolRuleSerializer(Strict, PoolFields):
    """As in a campaign."""

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        return _checked(given, given)


class PoolMemberSerializer(serializers.ModelSerializer[Item]):
    class Meta:
        model = Item
        fields = ["key", "title"]


class PoolCountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Items that would take part now.")
    newest = PoolMemberSerializer(many=True)


class CampaignSerializer(Named, PoolFields, serializers.ModelSerializer[Campaign]):
    """Once it has started, only name, owner, daily budget and guards can change."""

    owner = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), allow_null=True, required=False
    )
    scenario = serializers.SlugRelatedField(slug_field="key", queryset=Scenario.objects.all())
    positions = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=500), min_length=1, max_length=MOST_SLOTS
    )
    segments = _texts(MOST_SEGMENTS, help_text="Values of `segment_by` that get a table of their own.")
    half_life_days = serializers.FloatField(min_value=0.1, max_value=LONGEST, required=False, allow_null=True)
    prior_chance = Fraction(high="0.9", required=False)
    epsilon = Fraction(required=False)
    floor = Fraction(required=False)
    merchant_share_cap = Fraction(required=False)
    merchant_floor = Fraction(required=False)
    control_share = Fraction(high="0.5", required=False)
    uniform_share = Fraction(high="0.5", required=False)
    graduate_at = Fraction(required=False)
    retire_at = Fraction(required=False)
    guards = serializers.ListField(
        child=serializers.ChoiceField(choices=Guard.choices), max_length=len(Guard), required=False
    )
    guard_margin = Fraction(required=False)

    class Meta:
        model = Campaign
        exclude = ["id"]
        read_only_fields = ["status", "paused_because", "started_at", "stopped_at", "created_at"]

    def validate_positions(self, positions: list[int]) -> list[int]:
        return sorted(positions)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        before = {f.name: getattr(self.instance, f.name) for f in Campaign._meta.fields} if self.instance else {}
        return _checked(given, defaults() | before | given)


def defaults() -> dict[str, Any]:
    """Of the fields that a plan may leave out."""
    return {field.name: field.get_default() for field in Campaign._meta.fields}


def changed(row: Campaign, given: dict[str, Any]) -> list[str]:
    """Names of fields that would not stay what they are."""
    return sorted(name for name, value in given.items() if not _same(getattr(row, name), value))


def _same(kept: Any, given: Any) -> bool:
    if hasattr(kept, "all"):
        return {one.pk for one in kept.all()} == {one.pk for one in given}
    return bool(kept == given)


def _checked(given: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    if faults := plan.faults(whole):
        raise serializers.ValidationError({field: [sentence] for field, sentence in faults.items()})
    return given
