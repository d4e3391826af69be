"""Why an item was shown in one request, over HTTP."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from bandits import explaining
from bandits.serializers_why import WhySerializer
from firstlight.accounts.resources import Resource
from firstlight.doors.refusals import bad_query
from firstlight.kernel.withheld import Withheld

LONGEST = 200  # characters of an id
TRACE = OpenApiParameter("trace_id", {"type": "string", "minLength": 1, "maxLength": LONGEST}, required=True)


class Explained(Resource):
    """Of one campaign; a part of its resource."""

    @extend_schema(responses=WhySerializer, parameters=[TRACE])
    @action(detail=True, methods=["get"])
    def why(self, request: Request, key: str) -> Response:
        """What decided one logged request, given again: arm, table, row, draws, filter, cap, floor and propensities."""
        trace_id = request.query_params.get("trace_id", "")
        if not 1 <= len(trace_id) <= LONGEST or "\0" in trace_id:
            raise bad_query("trace_id", f"Name a trace of 1 to {LONGEST} characters.")
        told = explaining.why(self.get_object(), trace_id, at=timezone.now())
        if isinstance(told, Withheld):
            raise NotFound(f"{told.reason.value[0].upper()}{told.reason.value[1:]}.")
        return Response(WhySerializer(told).data)
