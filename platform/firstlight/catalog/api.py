"""Scenarios, items and merchants over HTTP."""

from typing import Any

import msgspec
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Listed, Resource, filtered
from firstlight.catalog import upsert
from firstlight.catalog.models import Item, Merchant, Scenario
from firstlight.doors.refusals import Unprocessable
from firstlight.doors.serializers import Named


class ScenarioSerializer(Named, serializers.ModelSerializer[Scenario]):
    class Meta:
        model = Scenario
        fields = ["key", "name", "description", "review_required", "created_at"]
        extra_kwargs = {"description": {"max_length": 10_000}}


class Scenarios(Resource):
    queryset = Scenario.objects.all()
    serializer_class = ScenarioSerializer

    def visible(self, rows: QuerySet[Scenario], allowed: frozenset[str]) -> QuerySet[Scenario]:
        return rows.filter(key__in=allowed)


class ItemSerializer(serializers.ModelSerializer[Item]):
    merchant = serializers.SlugRelatedField[Any](slug_field="key", read_only=True, allow_null=True)
    category = serializers.SlugRelatedField[Any](slug_field="key", read_only=True, allow_null=True)

    class Meta:
        model = Item
        fields = [*upsert.ItemRow.__struct_fields__, "updated_at"]


class MerchantSerializer(serializers.ModelSerializer[Merchant]):
    class Meta:
        model = Merchant
        fields = ["key", "name"]


class UpsertedSerializer(serializers.Serializer[upsert.Upserted]):
    created = serializers.IntegerField(min_value=0)
    changed = serializers.IntegerField(min_value=0)
    unchanged = serializers.IntegerField(min_value=0)


def _rows(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Schema of a body with many rows."""
    (_, components) = msgspec.json.schema_components([kind])
    return {"application/json": {"type": "array", "maxItems": upsert.MOST, "items": components[kind.__name__]}}


@filtered
class Items(Listed):
    queryset = Item.objects.select_related("merchant", "category")
    serializer_class = ItemSerializer
    filters = {"merchant": "merchant__key", "category": "category__key"}

    @extend_schema(request=_rows(upsert.ItemRow), responses=UpsertedSerializer)
    def update(self, request: Request) -> Response:
        """Adds new items and changes known ones, all or none; a field that a row leaves out keeps its value."""
        return _put(self, upsert.items)


class Merchants(Listed):
    queryset = Merchant.objects.all()
    serializer_class = MerchantSerializer

    @extend_schema(request=_rows(upsert.MerchantRow), responses=UpsertedSerializer)
    def update(self, request: Request) -> Response:
        """Adds new merchants and changes known ones, all or none."""
        return _put(self, upsert.merchants)


def _put(view: Listed, save: Any) -> Response:
    view.get_queryset()  # refuses a key that is limited to scenarios
    rows = view.request.data
    if not isinstance(rows, list):
        raise Unprocessable([{"pointer": "", "detail": "Send an array of rows."}])
    try:
        upserted = save(rows, actor(view.request))
    except upsert.Refused as refused:
        raise Unprocessable(refused.places) from refused
    return Response(UpsertedSerializer(upserted).data)
