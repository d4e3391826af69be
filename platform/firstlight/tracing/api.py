"""Traces over HTTP, and paths beside them."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from firstlight.accounts.authentication import allowed_scenarios
from firstlight.lake.models import Batch
from firstlight.tracing import telling
from firstlight.tracing.paths_api import ScenarioPaths

__all__ = ["ScenarioPaths", "TraceView"]

LONGEST = 200  # characters of an id


class SearchedSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class StepSerializer(serializers.Serializer[Any]):
    event_id = serializers.CharField()
    type = serializers.CharField()
    at = serializers.DateTimeField()
    delay = serializers.FloatField(allow_null=True, help_text="Seconds since the decision.")
    position = serializers.IntegerField(allow_null=True)
    value = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    order_id = serializers.CharField(allow_null=True)
    waiting = serializers.BooleanField(help_text="Stored, and not in the lake yet.")
    late_by = serializers.FloatField(allow_null=True, help_text="Seconds, where it came an hour after it happened.")


class WaySerializer(serializers.Serializer[Any]):
    item_id = serializers.CharField(allow_null=True, help_text="Null: what names no item.")
    placed = serializers.DictField(allow_null=True, help_text="The slot: campaign, table, row, propensity, source.")
    recall_source = serializers.CharField(allow_null=True)
    ranker = serializers.CharField(allow_null=True)
    score = serializers.FloatField(allow_null=True)
    position = serializers.IntegerField(allow_null=True)
    reached = serializers.CharField(allow_null=True, help_text="placed, impression, click, cart or order.")
    steps = StepSerializer(many=True)


class DifferenceSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField()
    logged = serializers.JSONField(allow_null=True)
    replayed = serializers.JSONField(allow_null=True)


class ReplaySerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=["same", "differs", "withheld"])
    reason = serializers.CharField(allow_null=True, help_text="Why it was not replayed.")
    snapshot = serializers.IntegerField(allow_null=True)
    uncounted = serializers.IntegerField(help_text="Propensities that the log left open.")
    differences = DifferenceSerializer(many=True)


class TraceSerializer(serializers.Serializer[Any]):
    trace_id = serializers.CharField()
    decision = serializers.DictField(
        allow_null=True, help_text="As logged: assignments, discovery with propensities, snapshot, context."
    )
    again = serializers.ListField(child=serializers.DictField(), help_text="Decisions made later under the same trace.")
    events = serializers.ListField(child=serializers.DictField(), help_text="That name the trace, by time.")
    is_cut = serializers.BooleanField(help_text="There are more than 1,000 events.")
    searched = SearchedSerializer(help_text="The days that were looked at.")
    reached = serializers.CharField(allow_null=True, help_text="The furthest that any item came.")
    path = WaySerializer(many=True, help_text="What became of each item, those of slots first.")
    replay = ReplaySerializer(help_text="Whether the snapshot that decided gives the logged answer again, bit for bit.")


class TraceView(APIView):
    model = Batch  # who may look into the lake

    @extend_schema(responses=TraceSerializer, operation_id="traces_retrieve")
    def get(self, request: Request, trace_id: str) -> Response:
        """One decision, what came of it, and whether it comes out again."""
        if not 1 <= len(trace_id) <= LONGEST or "\0" in trace_id:
            raise Http404
        found, allowed = telling.told(trace_id, at=timezone.now()), allowed_scenarios(request)
        if found is None or (allowed is not None and not found.trace.scenarios <= allowed):
            raise Http404
        return Response(TraceSerializer(telling.plain(found)).data)
