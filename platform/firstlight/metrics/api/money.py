"""Dated currency rates over HTTP."""

from datetime import date
from typing import Any

import msgspec
from django.db.models import CharField, Value
from django.db.models.functions import Cast, Concat
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Listed
from firstlight.doors import queries
from firstlight.doors.refusals import Unprocessable, bad_query
from firstlight.metrics import exchange
from firstlight.metrics.models import Rate


class RateSerializer(serializers.ModelSerializer[Rate]):
    """What 1 of `currency` was worth in the base currency on a UTC day."""

    class Meta:
        model = Rate
        fields = ["currency", "day", "per_unit"]


class PutSerializer(serializers.Serializer[exchange.Upserted]):
    created = serializers.IntegerField(min_value=0)
    changed = serializers.IntegerField(min_value=0)
    unchanged = serializers.IntegerField(min_value=0)


_ROWS: dict[str, Any] = {
    "application/json": {
        "type": "array",
        "maxItems": exchange.MOST,
        "items": msgspec.json.schema_components([exchange.RateRow])[1]["RateRow"],
    }
}
_DATE = {"type": "string", "format": "date"}


@extend_schema_view(
    list=extend_schema(
        parameters=[
            OpenApiParameter("currency", str, description="Only those of this currency."),
            OpenApiParameter("from", _DATE, description="First day, included."),
            OpenApiParameter("to", _DATE, description="Last day, included."),
        ]
    )
)
class CurrencyRates(Listed):
    """A day without a rate takes the last one before it. The base currency itself has none: it is worth 1."""

    queryset = Rate.objects.annotate(key=Concat("currency", Value(" "), Cast("day", CharField())))
    serializer_class = RateSerializer
    filters = {"currency": "currency"}

    def filter_queryset(self, queryset: Any) -> Any:
        rows = super().filter_queryset(queryset)
        for name, test in (("from", "day__gte"), ("to", "day__lte")):
            if (day := _day(self.request, name)) is not None:
                rows = rows.filter(**{test: day})
        return rows

    @extend_schema(request=_ROWS, responses=PutSerializer)
    def update(self, request: Request) -> Response:
        """Adds new days and changes known ones, all or none. Looks already stored keep the rates they were read by."""
        self.get_queryset()  # refuses a key that is limited to scenarios
        if not isinstance(request.data, list):
            raise Unprocessable([{"pointer": "", "detail": "Send an array of rates."}])
        try:
            saved = exchange.put(request.data, actor(request))
        except exchange.Refused as refused:
            raise Unprocessable(refused.places) from refused
        return Response(PutSerializer(saved).data)


def _day(request: Request, name: str) -> date | None:
    value = queries.text(request, name)
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError as error:
        raise bad_query(name, "A day, as in 2026-11-23.") from error
