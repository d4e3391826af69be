"""What was measured per scenario, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.resources import Limited
from firstlight.catalog.models import Scenario
from firstlight.doors import queries
from firstlight.doors.refusals import bad_query
from firstlight.kernel.windows import Window
from firstlight.metrics import series

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # nothing was measured before, and the year 1 has no last month
# Most that one call may ask for, and what it gets when it names no start. Longer histories are exported.
LONGEST = {"hour": timedelta(days=31), "day": timedelta(days=731)}
USUAL = {"hour": timedelta(days=2), "day": timedelta(days=30)}

SHARE: dict[str, Any] = {
    "oneOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "object", "required": ["withheld"], "properties": {"withheld": {"type": "string"}}},
    ]
}


@extend_schema_field(SHARE)
class Share(serializers.JSONField):
    """A fraction, or why there is none."""


class MeasureSerializer(serializers.Serializer[dict[str, Any]]):
    """One hour or day; money as {currency: decimal string}."""

    starts_at = serializers.CharField()
    recall_source = serializers.CharField(allow_null=True)
    impressions = serializers.IntegerField()
    clicks = serializers.IntegerField()
    clicked_impressions = serializers.IntegerField()
    carts = serializers.IntegerField()
    orders = serializers.IntegerField()
    units = serializers.IntegerField()
    buyers = serializers.IntegerField()
    returning_units = serializers.IntegerField()
    click_rate = Share()
    conversion = Share()
    revisit_rate = Share()
    gross = serializers.DictField(child=serializers.CharField())
    net = serializers.DictField(child=serializers.CharField())


class SeriesSerializer(serializers.Serializer[dict[str, Any]]):
    scenario = serializers.CharField()
    grain = serializers.ChoiceField(choices=list(LONGEST))
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    results = MeasureSerializer(many=True)


PARAMETERS = [
    OpenApiParameter("from", {"type": "string", "format": "date-time"}, description="Start, included."),
    OpenApiParameter("to", {"type": "string", "format": "date-time"}, description="End, not included; else now."),
    OpenApiParameter("grain", enum=list(LONGEST), default="day"),
    OpenApiParameter("by", enum=["recall_source"], description="One row per hour or day and recall source."),
]


class ScenarioMetrics(Limited):
    queryset = Scenario.objects.all()
    lookup_field = "key"
    serializer_class = SeriesSerializer

    def visible(self, rows: QuerySet[Scenario], allowed: frozenset[str]) -> QuerySet[Scenario]:
        return rows.filter(key__in=allowed)

    @extend_schema(parameters=PARAMETERS)
    def retrieve(self, request: Request, key: str) -> Response:
        """Impressions, clicks, orders, value and shares over time; hours and days without events are left out."""
        scenario = self.get_object()
        grain = queries.choice(request, "grain", list(LONGEST), "day")
        by: Any = queries.choice(request, "by", ["recall_source"], "") or None
        window = _window(request, grain)
        rows = series.series(scenario, window, grain=grain, by=by)
        found = {"scenario": key, "grain": grain, "start": window.start, "end": window.end, "results": rows}
        return Response(SeriesSerializer(found).data)


def _window(request: Request, grain: str) -> Window:
    end = queries.time(request, "to") or timezone.now()
    start = queries.time(request, "from") or max(end, EARLIEST) - USUAL[grain]
    if not start < end:
        raise bad_query("from", "The start must lie before the end.")
    if end - start > LONGEST[grain]:
        raise bad_query("from", f"At most {LONGEST[grain].days} days by the {grain}.")
    return Window(start, end)
