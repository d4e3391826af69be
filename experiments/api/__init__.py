"""Experiments and layers over HTTP."""

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins

from experiments import groups
from experiments.api.calculator import Calculator
from experiments.api.readings import Readings
from experiments.api.steps import Steps
from experiments.models import Experiment, Layer, SavedGroup, Status
from experiments.serializers import (
    FREE,
    ExperimentSerializer,
    LayerMapSerializer,
    LayerSerializer,
    SavedGroupLineSerializer,
    SavedGroupSerializer,
)
from firstlight.accounts import audit
from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource
from firstlight.catalog.models import Scenario
from firstlight.doors import queries
from firstlight.doors.refusals import Conflict


@extend_schema_view(retrieve=extend_schema(responses=LayerMapSerializer))
class Layers(Resource):
    queryset = Layer.objects.all()
    serializer_class = LayerSerializer

    def get_serializer_class(self) -> Any:
        return LayerMapSerializer if self.action == "retrieve" else LayerSerializer


class Groups(mixins.DestroyModelMixin, Resource):
    """Saved groups; the list leaves their values out."""

    queryset = SavedGroup.objects.all()
    serializer_class = SavedGroupSerializer
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_serializer_class(self) -> Any:
        return SavedGroupLineSerializer if self.action == "list" else SavedGroupSerializer

    @transaction.atomic
    def perform_destroy(self, instance: SavedGroup) -> None:
        groups.hold()
        if why := groups.why_kept(instance):
            raise Conflict(why)
        before = audit.state(instance)
        instance.delete()
        audit.record(actor(self.request), "deleted", "saved group", instance.key, before=before, after={})


FILTERS = {
    "status": "Only those in this state.",
    "scenario": "Only those that run in this scenario.",
    "decision": "shipped, rejected or inconclusive.",
    "owner": "Username.",
    "tag": "Only those with this tag.",
    "search": "Words in key, name or hypothesis.",
}


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter(name, str, description=text) for name, text in FILTERS.items()])
)
class Experiments(Steps, Readings, Calculator, Resource):
    queryset = Experiment.objects.select_related("owner", "layer", "copied_from").prefetch_related(
        "scenarios", "arms", "measured__metric", "ramp", "further_layers__layer", "requires__required"
    )
    serializer_class = ExperimentSerializer
    children = ("arms", "measured", "ramp", "further_layers", "requires")
    filters = {
        "status": "status",
        "scenario": "scenarios__key",
        "decision": "decision",
        "owner": "owner__username",
        "tag": "tags__contains",
    }
    # an analysis, or a question to the calculator, changes nothing of the experiment
    verbs = {"refresh": "view", "redraw": "view", "power": "view", "copy": "add"}

    def visible(self, rows: QuerySet[Experiment], allowed: frozenset[str]) -> QuerySet[Experiment]:
        """Those that run nowhere else."""
        return rows.exclude(scenarios__in=Scenario.objects.exclude(key__in=allowed))

    def filter_queryset(self, queryset: Any) -> Any:
        rows = queryset
        for name, field in self.filters.items():
            asked = queries.text(self.request, name)
            if asked is not None:
                rows = rows.filter(**{field: [asked] if name == "tag" else asked})
        words = (queries.text(self.request, "search") or "").split()
        for word in words:
            rows = rows.filter(Q(key__icontains=word) | Q(name__icontains=word) | Q(hypothesis__icontains=word))
        return rows

    def check_changeable(self, row: Experiment) -> None:
        """A draft is free. Later the plan stands: what is sent of it must say what it says already."""
        if row.status == Status.DRAFT:
            return
        stands = self.get_serializer(row).data
        sent: Any = self.request.data
        fixed = [name for name, value in sent.items() if name not in FREE and stands.get(name) != value]
        if fixed:
            raise Conflict(
                f"“{row.key}” is {row.get_status_display().lower()}: its plan is fixed, and {', '.join(sorted(fixed))} "
                "cannot change; only a draft can be changed. Copy it to try another plan."
            )
