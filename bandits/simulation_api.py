"""A campaign played through before it starts, over HTTP: asked for, followed, read."""

import json
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from bandits import simulating, tasks
from bandits.serializers_simulation import PlayedSerializer, SimulationSerializer
from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource
from firstlight.doors.pagination import NewestFirst


class ByRow(NewestFirst):
    by = "id"


class Simulations(Resource):
    """Of one campaign; a part of its resource."""

    @extend_schema(responses=SimulationSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=ByRow)
    def simulations(self, request: Request, key: str) -> Response:
        """Every time it was played, the newest first."""
        page: Any = self.paginate_queryset(self.get_object().simulations.all())
        return self.get_paginated_response(SimulationSerializer(page, many=True).data)

    @extend_schema(request=PlayedSerializer, responses={202: SimulationSerializer})
    @simulations.mapping.post
    def simulate(self, request: Request, key: str) -> Response:
        """Asks the workers to play it; `state` and `progress` tell how far they are."""
        asked = PlayedSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = simulating.ask(self.get_object(), plain(asked.validated_data), actor=actor(request))
        transaction.on_commit(lambda: tasks.simulate.delay(simulation_id=made.pk), robust=True)
        return Response(SimulationSerializer(made).data, status=202)

    @extend_schema(responses=SimulationSerializer)
    @action(detail=True, methods=["get"], url_path=r"simulations/(?P<number>\d{1,18})", url_name="simulation")
    def simulation(self, request: Request, key: str, number: str) -> Response:
        """How far it is, and what was found."""
        found = self.get_object().simulations.filter(pk=int(number)).first()
        if found is None:
            raise Http404
        return Response(SimulationSerializer(found).data)


def plain(asked: Any) -> dict[str, Any]:
    """As JSON holds it: fractions are numbers."""
    told: dict[str, Any] = json.loads(json.dumps(asked, cls=_Plain))
    return told


class _Plain(JSONEncoder):
    def default(self, obj: Any) -> Any:
        return float(obj) if isinstance(obj, Decimal) else super().default(obj)
