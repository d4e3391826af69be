"""Versions over HTTP: the list, what differs between two, back to an earlier one, and the lifting of that."""

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.authentication import actor, allowed_scenarios
from firstlight.doors.pagination import NewestFirst
from firstlight.doors.refusals import Conflict
from firstlight.snapshots import diffs, returning
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.models import Hold, Version
from firstlight.snapshots.serializers import (
    HoldSerializer,
    PublishedSerializer,
    RollBackSerializer,
    SnapshotDifferenceSerializer,
    SnapshotSerializer,
)

OTHER = OpenApiParameter("other", {"type": "integer", "minimum": 1}, OpenApiParameter.PATH)


class Newest(NewestFirst):
    by = "number"


class Snapshots(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Version]):
    """What serving was told, newest first. A version tells of everything, so a key limited to scenarios sees none."""

    queryset = Version.objects.all()
    model = Hold  # whose permission a person needs
    serializer_class = SnapshotSerializer
    pagination_class = Newest
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,18}"
    verbs = {"roll_back": "add", "lift": "change"}

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        if allowed_scenarios(request) is not None:
            raise PermissionDenied("The key is limited to scenarios; a snapshot tells of all of them.")

    @extend_schema(responses=SnapshotDifferenceSerializer, parameters=[OTHER])
    @action(detail=True, url_path="diff/(?P<other>[0-9]{1,18})")
    def diff(self, request: Request, number: str, other: str) -> Response:
        """From this version to the other: parts added, removed and changed, field by field, and by whom."""
        after = Version.objects.filter(number=int(other)).first()
        if after is None:
            raise Http404
        try:
            return Response(SnapshotDifferenceSerializer(diffs.between(self.get_object(), after)).data)
        except Damaged as error:
            raise Conflict(f"A version is damaged: {error}.") from error

    @extend_schema(request=RollBackSerializer, responses=PublishedSerializer)
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, number: str) -> Response:
        """Serve by this version again, until the hold is lifted; keys go on. Every process follows in two seconds."""
        body = RollBackSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = {"actor": actor(request), "at": timezone.now(), "reason": body.validated_data["reason"]}
        try:
            return Response({"number": returning.roll_back(self.get_object().number, **said)})
        except returning.UnableToReturn as refusal:
            raise Conflict(str(refusal)) from refusal

    @extend_schema(responses=HoldSerializer(many=True), filters=False)
    @action(detail=False, pagination_class=None)
    def holds(self, request: Request) -> Response:
        """The last hundred times that somebody returned to an earlier state; one that stands has no `lifted_at`."""
        return Response(HoldSerializer(Hold.objects.all()[:100], many=True).data)

    @extend_schema(request=None, responses=PublishedSerializer)
    @action(detail=False, methods=["post"])
    def lift(self, request: Request) -> Response:
        """Publish the present state again."""
        try:
            return Response({"number": returning.lift(actor=actor(request), at=timezone.now())})
        except returning.UnableToReturn as refusal:
            raise Conflict(str(refusal)) from refusal
