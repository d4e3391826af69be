"""What was found: looks as JSON or as tidy tables, a new look on demand, and what people say of them."""

from itertools import chain
from typing import Any

from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import comments, exports, progress, redrawing, tasks, tidy
from experiments.api import bodies
from experiments.models import PLANNED, Experiment, Look, Progress, Redrawn
from experiments.serializers import (
    CommentSerializer,
    LookLineSerializer,
    LookSerializer,
    ProgressSerializer,
    RedrawnSerializer,
)
from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource
from firstlight.doors import queries
from firstlight.doors.pagination import NewestFirst
from firstlight.doors.queueing import enqueue, queued
from firstlight.doors.refusals import Conflict, bad_query
from firstlight.exports import formats, jobs
from firstlight.exports.api import may_export
from firstlight.exports.columns import batches, schema
from firstlight.exports.formats import CONTENT_TYPES, Format
from firstlight.exports.sources import Asked

SHOWN = 1_000  # newest comments

PARAMETERS = [
    OpenApiParameter("as_of", str, description="The look that stood at this time; else the newest."),
    OpenApiParameter("look", int, description="The look of this number."),
    OpenApiParameter("segment", str, description="country, or country:IN: only these segments."),
    OpenApiParameter("format", enum=[form.value for form in Format], default="json"),
]
TABLES = {(200, CONTENT_TYPES[form]): OpenApiTypes.BINARY for form in Format if form is not Format.JSON}


class CommentsSerializer(serializers.Serializer[dict[str, Any]]):
    results = CommentSerializer(many=True)


class Readings(Resource):
    @extend_schema(responses={(200, "application/json"): LookSerializer, **TABLES}, parameters=PARAMETERS)
    @action(detail=True, methods=["get"])
    def results(self, request: Request, key: str) -> HttpResponseBase:
        """The verdict and the numbers behind it; as a table with the columns of docs/exports.md, scope `export`."""
        form = Format(queries.choice(request, "format", [form.value for form in Format], "json"))
        segment = queries.text(request, "segment") or ""
        look = _look(request, self.get_object())
        if form is not Format.JSON:
            return _table(request, look, segment, form)
        if segment:
            look.results = _narrowed(look.results, segment)
        return Response(LookSerializer(look).data)

    @extend_schema(responses=LookLineSerializer(many=True), filters=True)
    @action(detail=True, methods=["get"], pagination_class=NewestFirst)
    def looks(self, request: Request, key: str) -> Response:
        """Every look that was taken, the newest first, with the address of its results."""
        page: Any = self.paginate_queryset(self.get_object().looks.select_related("experiment").defer("results"))
        return self.get_paginated_response(LookLineSerializer(page, many=True, context={"request": request}).data)

    @queued
    @action(detail=True, methods=["post"], url_path="results/refresh")
    def refresh(self, request: Request, key: str) -> Response:
        """Asks the workers for a new look; it appears under results, how far it is under results/progress."""
        experiment = self.get_object()
        if experiment.status in PLANNED:
            raise Conflict(f"“{experiment.key}” has not started; there is nothing to analyse.")
        answer = enqueue(tasks.analyse, experiment_id=experiment.pk)
        progress.ask(experiment, at=timezone.now())
        return answer

    @extend_schema(responses=ProgressSerializer)
    @action(detail=True, methods=["get"], url_path="results/progress", url_name="progress")
    def progress(self, request: Request, key: str) -> Response:
        """How far the analysis that runs now, or ran last, has come."""
        found = Progress.objects.filter(experiment=self.get_object()).first()
        if found is None:
            raise Http404
        return Response(ProgressSerializer(found).data)

    @queued
    @action(detail=True, methods=["post"], url_path="results/redraw")
    def redraw(self, request: Request, key: str) -> Response:
        """Asks the workers to check the newest look by the bootstrap; what comes of it is under results/redrawn."""
        look = self.get_object().looks.select_related("experiment").first()
        if look is None:
            raise Conflict(f"“{key}” has no look yet; there is nothing to check.")
        if (why := redrawing.refusal(look.experiment)) is not None:
            raise Conflict(why)
        answer = enqueue(tasks.redraw, look_id=look.pk)
        progress.ask(look.experiment, at=timezone.now())
        return answer

    @extend_schema(responses=RedrawnSerializer, parameters=PARAMETERS[:2])
    @action(detail=True, methods=["get"], url_path="results/redrawn")
    def redrawn(self, request: Request, key: str) -> Response:
        """What the bootstrap says of a look; 404 when nobody asked for it."""
        found = Redrawn.objects.filter(look=_look(request, self.get_object())).select_related("look").first()
        if found is None:
            raise Http404
        return Response(RedrawnSerializer(found).data)

    @extend_schema(responses=CommentsSerializer)
    @action(detail=True, methods=["get"])
    def comments(self, request: Request, key: str) -> Response:
        """What people said about it, newest first."""
        rows = self.get_object().comments.order_by("-at", "-pk")[:SHOWN]
        return Response(CommentsSerializer({"results": rows}).data)

    @extend_schema(request=bodies.Said, responses={201: CommentSerializer})
    @comments.mapping.post
    def comment(self, request: Request, key: str) -> Response:
        """Says something about it; it stands as it was said."""
        body = bodies.Said(data=request.data)
        body.is_valid(raise_exception=True)
        experiment = self.get_object()
        try:
            said = comments.add(experiment, author=actor(request), text=body.validated_data["text"])
        except comments.UnableToComment as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(CommentSerializer(said).data, status=201)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Who asks for a table says so by `format`; whatever the header accepts, that is what comes."""
        return super().perform_content_negotiation(request, force or self.action == "results")


def _look(request: Request, experiment: Experiment) -> Look:
    """The one asked for; 404 where none was taken."""
    looks = experiment.looks.select_related("experiment").order_by("-number")
    if (as_of := queries.time(request, "as_of")) is not None:
        looks = looks.filter(computed_at__lte=as_of)
    if (number := queries.text(request, "look", longest=9)) is not None:
        if not (number.isascii() and number.isdigit()):
            raise bad_query("look", "The number of a look.")
        looks = looks.filter(number=int(number))
    look = looks.first()
    if look is None:
        raise Http404
    return look


def _narrowed(results: dict[str, Any], segment: str) -> dict[str, Any]:
    """The same with the segments of one slice alone."""
    slice_ = segment.partition(":")[0]
    segments = [one for one in results.get("segments", []) if tidy.is_asked(one, segment)]
    tests = [one for one in results.get("heterogeneity", []) if one["slice"] == slice_]
    return {**results, "segments": segments, "heterogeneity": tests}


def _table(request: Request, look: Look, segment: str, form: Format) -> StreamingHttpResponse:
    """One look as rows; the first bytes are made before the answer begins, so that a refusal is still one."""
    if not may_export(request):
        raise PermissionDenied("A table needs the scope export, or a role that may export.")
    rows = batches(tidy.COLUMNS, exports.rows_of(look, segment))
    chunks = formats.stream(form, schema(tidy.COLUMNS), rows)
    try:
        first = next(chunks, b"")
    except formats.TooManyRows as refusal:
        raise Conflict(str(refusal)) from refusal
    asked = Asked(experiment=look.experiment.key, look=look.number, segment=segment)
    jobs.record(actor(request), "exported", "results", asked, form)
    name = f"firstlight-{look.experiment.key}-look-{look.number}.{form}"
    return StreamingHttpResponse(
        chain([first], chunks),
        content_type=CONTENT_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
