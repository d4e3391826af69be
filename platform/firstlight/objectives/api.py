"""Weights of user, merchant and platform over HTTP."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Listed
from firstlight.catalog.models import Scenario
from firstlight.doors.refusals import Unprocessable
from firstlight.doors.serializers import Fraction, Strict
from firstlight.objectives import weights
from firstlight.objectives.models import Weights


class MixSerializer(Strict, serializers.Serializer[dict[str, Any]]):
    """Fractions that sum to 1."""

    user = Fraction()
    merchant = Fraction()
    platform = Fraction()


class WeightsSerializer(Strict, serializers.ModelSerializer[Weights]):
    """One version, of a journey stage or (stage "") of the whole scenario."""

    weights = MixSerializer(source="*")
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True, allow_null=True)

    class Meta:
        model = Weights
        fields = ["stage", "weights", "reason", "version", "created_by", "created_at"]
        read_only_fields = ["version", "created_at"]


class ObjectivesSerializer(serializers.ModelSerializer[Scenario]):
    """Empty `versions`: nobody has weighed this scenario, and the default is served."""

    scenario = serializers.CharField(source="key")
    versions = serializers.SerializerMethodField("newest")
    default = serializers.SerializerMethodField("served_by_default")

    class Meta:
        model = Scenario
        fields = ["scenario", "versions", "default"]

    @extend_schema_field(WeightsSerializer(many=True))
    def newest(self, scenario: Scenario) -> Any:
        """The newest version of the whole and of each stage that has one."""
        rows = scenario.weights.order_by("stage", "-version").distinct("stage")
        return WeightsSerializer(rows, many=True).data

    @extend_schema_field(MixSerializer)
    def served_by_default(self, scenario: Scenario) -> Any:
        return MixSerializer(weights.DEFAULT).data


class Objectives(Listed):
    queryset = Scenario.objects.all()
    model = Weights
    serializer_class = ObjectivesSerializer
    lookup_field = "key"
    lookup_url_kwarg = "scenario"
    lookup_value_regex = "[^/]+"

    def visible(self, rows: QuerySet[Scenario], allowed: frozenset[str]) -> QuerySet[Scenario]:
        return rows.filter(key__in=allowed)

    def retrieve(self, request: Request, scenario: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=WeightsSerializer, responses=ObjectivesSerializer)
    def update(self, request: Request, scenario: str) -> Response:
        """Publishes the next version; versions before it stay as they are."""
        row = self.get_object()
        body = WeightsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        sent = body.validated_data
        mix = {interest: sent[interest] for interest in weights.INTERESTS}
        try:
            weights.publish_version(row, sent.get("stage", ""), mix, sent.get("reason", ""), actor(request))
        except weights.UnableToPublish as refusal:
            raise Unprocessable([{"pointer": "/weights", "detail": str(refusal)}]) from refusal
        return Response(self.get_serializer(row).data)
