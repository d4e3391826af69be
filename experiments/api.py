"""Experiments and layers over HTTP."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import lifecycle, tasks
from experiments.models import Experiment, Layer, Status
from experiments.serializers import ExperimentSerializer, LayerSerializer, LookSerializer
from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource, filtered
from firstlight.catalog.models import Scenario
from firstlight.doors import queries
from firstlight.doors.queueing import enqueue, queued
from firstlight.doors.refusals import Conflict


class Layers(Resource):
    queryset = Layer.objects.all()
    serializer_class = LayerSerializer


@filtered
class Experiments(Resource):
    queryset = Experiment.objects.select_related("owner", "layer").prefetch_related(
        "scenarios", "arms", "measured__metric"
    )
    serializer_class = ExperimentSerializer
    children = ("arms", "measured")
    filters = {"status": "status", "scenario": "scenarios__key"}
    verbs = {"refresh": "view"}  # an analysis changes nothing of the experiment

    def visible(self, rows: QuerySet[Experiment], allowed: frozenset[str]) -> QuerySet[Experiment]:
        """Those that run nowhere else."""
        return rows.exclude(scenarios__in=Scenario.objects.exclude(key__in=allowed))

    def check_changeable(self, row: Experiment) -> None:
        if row.status != Status.DRAFT:
            raise Conflict(f"“{row.key}” is {row.status}; only a draft can be changed.")

    @extend_schema(request=None, responses=ExperimentSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, key: str) -> Response:
        """Lets units in, from the next snapshot on."""
        return self._move(lifecycle.start, lifecycle.UnableToStart)

    @extend_schema(request=None, responses=ExperimentSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, key: str) -> Response:
        """Lets no unit in any more and frees its buckets."""
        return self._move(lifecycle.stop, lifecycle.UnableToStop)

    def _move(self, command: Any, refusals: type[Exception]) -> Response:
        experiment = self.get_object()
        try:
            command(experiment.pk, actor=actor(self.request), at=timezone.now())
        except refusals as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        responses=LookSerializer,
        parameters=[OpenApiParameter("as_of", str, description="The look that stood at this time; else the latest.")],
    )
    @action(detail=True, methods=["get"])
    def results(self, request: Request, key: str) -> Response:
        """The verdict and the numbers behind it."""
        looks = self.get_object().looks.select_related("experiment")
        if (as_of := queries.time(request, "as_of")) is not None:
            looks = looks.filter(computed_at__lte=as_of)
        look = looks.order_by("-number").first()
        if look is None:
            raise Http404
        return Response(LookSerializer(look).data)

    @queued
    @action(detail=True, methods=["post"], url_path="results/refresh")
    def refresh(self, request: Request, key: str) -> Response:
        """Asks the workers for a new look; it appears under results."""
        experiment = self.get_object()
        if experiment.status == Status.DRAFT:
            raise Conflict(f"“{experiment.key}” has not started; there is nothing to analyse.")
        return enqueue(tasks.analyse, experiment_id=experiment.pk)
