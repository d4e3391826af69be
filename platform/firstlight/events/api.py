"""Traces over HTTP."""

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from firstlight.accounts.authentication import allowed_scenarios
from firstlight.events import traces
from firstlight.lake.models import Batch


class SearchedSerializer(serializers.Serializer[None]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class TraceSerializer(serializers.Serializer[traces.Trace]):
    decision = serializers.DictField(
        allow_null=True, help_text="As logged: assignments, discovery with propensities, snapshot, context."
    )
    events = serializers.ListField(child=serializers.DictField(), help_text="That name the trace, by time.")
    searched = SearchedSerializer(help_text="The days that were looked at.")


class TraceView(APIView):
    model = Batch  # who may look into the lake

    @extend_schema(responses=TraceSerializer, operation_id="traces_retrieve")
    def get(self, request: Request, trace_id: str) -> Response:
        """One decision and what came of it."""
        if not 1 <= len(trace_id) <= 200 or "\0" in trace_id:
            raise Http404
        trace = traces.find(trace_id, at=timezone.now())
        allowed = allowed_scenarios(request)
        if not (trace.decision or trace.events) or (allowed is not None and not trace.scenarios <= allowed):
            raise Http404
        return Response(TraceSerializer(trace).data)
