"""Paths over HTTP."""

from typing import Any, cast

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.models import Experiment
from firstlight.accounts.authentication import allowed_scenarios
from firstlight.accounts.resources import Limited
from firstlight.catalog.models import Scenario
from firstlight.doors import queries
from firstlight.doors.refusals import bad_query
from firstlight.tracing import asking, paths, paths_told
from firstlight.tracing.asking import Asked, Refused

WITHHELD: dict[str, Any] = {"type": "object", "required": ["withheld"], "properties": {"withheld": {"type": "string"}}}
NUMBER: dict[str, Any] = {"oneOf": [{"type": "number"}, WITHHELD]}
INTERVAL: dict[str, Any] = {
    "oneOf": [
        {
            "type": "object",
            "required": ["value", "low", "high"],
            "properties": {name: {"type": "number"} for name in ("value", "low", "high")},
        },
        WITHHELD,
    ]
}


@extend_schema_field(NUMBER)
class Number(serializers.JSONField):
    """A number, or why there is none."""


@extend_schema_field(INTERVAL)
class Interval(serializers.JSONField):
    """An estimate with its interval, or why there is none."""


class PathSerializer(serializers.Serializer[Any]):
    recall_source = serializers.CharField(allow_null=True)
    ranker = serializers.CharField(allow_null=True)
    is_rest = serializers.BooleanField(help_text="All paths beyond the thirty with the most impressions.")


class RatedSerializer(PathSerializer):
    impressions = serializers.IntegerField()
    clicks = serializers.IntegerField()
    orders = serializers.IntegerField()
    exposure_share = Number(help_text="Of all impressions.")
    click_rate = Number(help_text="Clicks per impression.")
    order_rate = Number(help_text="Orders per click.")


class CountedSerializer(RatedSerializer):
    units = serializers.IntegerField(help_text="Who had any of them.")


class PathArmSerializer(serializers.Serializer[Any]):
    arm = serializers.CharField()
    units = serializers.IntegerField()
    paths = RatedSerializer(many=True)


class LiftSerializer(PathSerializer):
    arm = serializers.CharField()
    measure = serializers.CharField()
    nature = serializers.ChoiceField(choices=["effect", "description"], help_text="A description is no causal effect.")
    difference = Interval(help_text="Arm less control.")
    lift = Interval(help_text="Over the control: 0.05 is +5 %.")
    p = Number(help_text="Two-sided, of no difference.")


class PathsSerializer(serializers.Serializer[Any]):
    scenario = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    by = serializers.ChoiceField(choices=paths.BY)
    experiment = serializers.CharField(allow_null=True)
    phase = serializers.IntegerField(allow_null=True)
    control = serializers.CharField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    mixed_units = serializers.IntegerField(help_text="Met several arms, and are in none.")
    paths = CountedSerializer(many=True)
    arms = PathArmSerializer(many=True)
    lifts = LiftSerializer(many=True)


PARAMETERS = [
    OpenApiParameter("from", {"type": "string", "format": "date-time"}, description="Start, included."),
    OpenApiParameter("to", {"type": "string", "format": "date-time"}, description="End, not included; else now."),
    OpenApiParameter("by", enum=list(paths.BY), default="recall_source"),
    OpenApiParameter("experiment", str, description="By the arms of this experiment, against its control."),
]


class ScenarioPaths(Limited):
    queryset = Scenario.objects.all()
    lookup_field = "key"
    serializer_class = PathsSerializer

    def visible(self, rows: QuerySet[Scenario], allowed: frozenset[str]) -> QuerySet[Scenario]:
        return rows.filter(key__in=allowed)

    @extend_schema(parameters=PARAMETERS)
    def retrieve(self, request: Request, key: str) -> Response:
        """Exposure and lift of each recall source and ranker, whole or by the arms of an experiment."""
        scenario, at = self.get_object(), timezone.now()
        try:
            window = asking.spanned(queries.time(request, "from"), queries.time(request, "to"), at)
            by = cast("paths.By", queries.choice(request, "by", paths.BY, "recall_source"))
            found = asking.found_at_once(Asked(scenario, window, by, _experiment(request)), at=at)
        except Refused as refusal:
            raise bad_query(refusal.field, str(refusal)) from refusal
        return Response(PathsSerializer(paths_told.plain(found)).data)


def _experiment(request: Request) -> Experiment | None:
    """One that the key may see: all of its scenarios are the key's."""
    key, allowed = queries.text(request, "experiment"), allowed_scenarios(request)
    if key is None:
        return None
    experiment = Experiment.objects.filter(key=key).first()
    if experiment is None or (allowed is not None and not _of(experiment) <= allowed):
        raise bad_query("experiment", f"There is no experiment “{key}”.")
    return experiment


def _of(experiment: Experiment) -> set[str]:
    return set(experiment.scenarios.values_list("key", flat=True))
