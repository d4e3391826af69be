"""Exports over HTTP."""

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.authentication import HasScope, actor, allowed_scenarios
from firstlight.accounts.keys import HeldKey
from firstlight.accounts.models import Scope
from firstlight.accounts.resources import Listed, filtered
from firstlight.doors.refusals import Conflict
from firstlight.doors.serializers import Strict
from firstlight.exports import jobs, tasks
from firstlight.exports.formats import CONTENT_TYPES, Format
from firstlight.exports.models import Job, State
from firstlight.exports.sources import Asked, Refused

FILES = {(200, content_type): OpenApiTypes.BINARY for content_type in CONTENT_TYPES.values()}


class AskedSerializer(Strict):
    """What to export. Which fields a kind takes, and which it needs, stands in docs/exports.md."""

    kind = serializers.CharField(max_length=30, help_text="results, units, posteriors, outcomes, exposures, …")
    format = serializers.ChoiceField(choices=[form.value for form in Format], default=Format.PARQUET.value)
    experiment = serializers.CharField(max_length=100, required=False, help_text="Key of the experiment.")
    campaign = serializers.CharField(max_length=100, required=False, help_text="Key of the campaign.")
    look = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False, help_text="Else all looks.")
    segment = serializers.CharField(max_length=200, required=False, help_text="Slice, or slice:segment.")
    start = serializers.DateTimeField(required=False, help_text="Included.")
    end = serializers.DateTimeField(required=False, help_text="Not included.")
    pseudonyms = serializers.BooleanField(required=False, help_text="Units under names that tell nobody who they are.")


class JobSerializer(serializers.ModelSerializer[Job]):
    id = serializers.CharField(source="key")
    progress = serializers.SerializerMethodField("share", help_text="Done, from 0 to 1; null while nobody can tell.")
    download = serializers.SerializerMethodField("link", help_text="Opens the file without a key until `expires_at`.")
    asked = serializers.DictField()

    class Meta:
        model = Job
        fields = [
            *("id", "kind", "asked", "format", "state", "rows_done", "rows_total", "progress", "n_bytes", "failure"),
            *("asked_by", "asked_at", "finished_at", "expires_at", "download"),
        ]

    def share(self, job: Job) -> float | None:
        return share_of(job)

    def link(self, job: Job) -> str | None:
        return link_to(self.context["request"], job)


def share_of(job: Job) -> float | None:
    """Done, from 0 to 1; None while the number of rows is not known."""
    if job.state in (State.DONE, State.EXPIRED):
        return 1.0
    return min(1.0, job.rows_done / job.rows_total) if job.rows_total else None


def link_to(request: HttpRequest | Request, job: Job) -> str | None:
    """Absolute, signed; None where there is no file."""
    if job.state != State.DONE:
        return None
    return request.build_absolute_uri(f"{reverse('export-file', args=[job.key])}?token={jobs.token(job)}")


def may_export(request: Request) -> bool:
    """Whether this key or this person may take data out of the house."""
    if isinstance(request.auth, HeldKey):
        return Scope.EXPORT in request.auth.scopes
    return request.user.has_perm("exports.add_job")


class HoldsTokenOrScope(BasePermission):
    """The file goes to whoever holds the signed link, and to whoever may export."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return "token" in request.query_params or HasScope().has_permission(request, view)


@filtered
class Exports(mixins.RetrieveModelMixin, Listed):
    queryset = Job.objects.all()
    serializer_class = JobSerializer
    lookup_field = "key"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    filters = {"state": "state", "kind": "kind"}
    scope = Scope.EXPORT

    def visible(self, rows: QuerySet[Job], allowed: frozenset[str]) -> QuerySet[Job]:
        """What the key asked for itself."""
        return rows.filter(asked_by=actor(self.request))

    @extend_schema(request=AskedSerializer, responses={202: JobSerializer})
    def create(self, request: Request) -> Response:
        """Asks a worker for a table; `state` and `progress` tell how far it is, `download` where it lies."""
        body = AskedSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = dict(body.validated_data)
        kind, form = wanted.pop("kind"), Format(wanted.pop("format"))
        try:
            asked = Asked(**wanted, scenarios=tuple(sorted(allowed_scenarios(request) or ())))
            job = jobs.ask(kind, form, asked, actor=actor(request), at=timezone.now())
        except Refused as refusal:
            raise refused(refusal) from refusal
        tasks.hand_over(job.key)
        return Response(self.get_serializer(job).data, status=202)

    @extend_schema(parameters=[OpenApiParameter("token", str, description="Of `download`.")], responses=FILES)
    @action(detail=True, methods=["get"], permission_classes=[HoldsTokenOrScope])
    def file(self, request: Request, id: str) -> FileResponse:
        """The file, for a key with the scope `export` or with the token of a link."""
        job = self._job(request, id)
        try:
            path = jobs.opened(job, at=timezone.now())
        except jobs.NoFile as reason:
            raise Conflict(str(reason)) from reason
        jobs.record_download(job, actor=actor(request) or "a signed link")
        content_type = CONTENT_TYPES[Format(job.format)]
        return FileResponse(path.open("rb"), as_attachment=True, filename=job.file_name, content_type=content_type)

    def _job(self, request: Request, key: str) -> Job:
        if token := request.query_params.get("token"):
            job = Job.objects.filter(key=key).first() if "\0" not in key else None
            if job is None or not jobs.is_token_of(job, token):
                raise PermissionDenied("This link is not valid, or no longer.")
            return job
        found: Job = self.get_object()
        return found


def refused(refusal: Refused) -> Exception:
    """As a problem document, at its place where it has one."""
    if refusal.field:
        return ValidationError({refusal.field: [str(refusal)]})
    return Conflict(str(refusal))
