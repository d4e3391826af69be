"""Who left the pool of a campaign, over HTTP: a feed to follow, decisions with their evidence, taking them back."""

from typing import Any

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from bandits import ecosystem as spreading
from bandits import graduating, judged
from bandits.models import Outcome
from bandits.serializers_outcomes import (
    ByHandSerializer,
    EcosystemSerializer,
    JudgementSerializer,
    LeftSerializer,
    OutcomeSerializer,
    ReasonSerializer,
)
from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource
from firstlight.doors import queries
from firstlight.doors.pagination import NewestFirst, OldestFirst
from firstlight.doors.refusals import Conflict

KINDS = (*Outcome.Kind.values, "all")
KIND = OpenApiParameter("kind", {"type": "string", "enum": [*KINDS]})
SINCE = OpenApiParameter("since", {"type": "string", "format": "date-time"}, description="Decided or taken back since.")


class Newest(NewestFirst):
    by = "id"


class Oldest(OldestFirst):
    by = "id"


class Outcomes(Resource):
    """Of one campaign; a part of its resource."""

    @extend_schema(responses=LeftSerializer(many=True), parameters=[KIND, SINCE], filters=False)
    @action(detail=True, methods=["get"], pagination_class=Oldest)
    def graduated(self, request: Request, key: str) -> Response:
        """The feed: what graduated (or `kind`), oldest first. What was taken back stays in it, no longer in force.

        To follow it, ask again with the time of the last call in `since`.
        """
        page: Any = self.paginate_queryset(_asked(self.get_object().outcomes.all(), request, Outcome.Kind.GRADUATED))
        return self.get_paginated_response(LeftSerializer(page, many=True).data)

    @extend_schema(methods=["get"], responses=OutcomeSerializer(many=True), parameters=[KIND, SINCE], filters=False)
    @extend_schema(methods=["post"], request=ByHandSerializer, responses={201: OutcomeSerializer})
    @action(detail=True, methods=["get", "post"], pagination_class=Newest)
    def outcomes(self, request: Request, key: str) -> Response:
        """Every decision with its evidence, newest first. A person may graduate or retire an item with a reason."""
        campaign = self.get_object()
        if request.method == "POST":
            return self._by_hand(campaign.pk)
        page: Any = self.paginate_queryset(_asked(campaign.outcomes.all(), request, "all"))
        return self.get_paginated_response(OutcomeSerializer(page, many=True).data)

    def _by_hand(self, campaign_id: int) -> Response:
        body = ByHandSerializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        given = {**body.validated_data, "kind": Outcome.Kind(body.validated_data["kind"])}
        try:
            row = graduating.decide_by_hand(campaign_id, actor=actor(self.request), at=timezone.now(), **given)
        except graduating.UnableToDecide as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(OutcomeSerializer(row).data, status=201)

    @extend_schema(
        request=ReasonSerializer,
        responses=OutcomeSerializer,
        parameters=[OpenApiParameter("outcome", {"type": "integer", "minimum": 1}, OpenApiParameter.PATH)],
    )
    @action(detail=True, methods=["post"], url_path=r"outcomes/(?P<outcome>[0-9]{1,18})/reverse")
    def reverse(self, request: Request, key: str, outcome: str) -> Response:
        """Takes a decision back: the item is in the pool again from the next draw table on."""
        row = get_object_or_404(self.get_object().outcomes, pk=int(outcome))
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            row = graduating.reverse(row.pk, actor=actor(request), at=timezone.now(), **body.validated_data)
        except graduating.UnableToReverse as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(OutcomeSerializer(row).data)

    @extend_schema(responses=JudgementSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def judgement(self, request: Request, key: str) -> Response:
        """Whether past decisions were right: precision, recall, survival, and what was discovered how fast."""
        return Response(JudgementSerializer(judged.judge(self.get_object(), at=timezone.now())).data)

    @extend_schema(responses=EcosystemSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def ecosystem(self, request: Request, key: str) -> Response:
        """Who gets what: how even impressions are over items and merchants, and which promises yesterday kept."""
        return Response(EcosystemSerializer(spreading.spread(self.get_object(), at=timezone.now())).data)


def _asked(rows: QuerySet[Outcome], request: Request, usual: str) -> QuerySet[Outcome]:
    kind, since = queries.choice(request, "kind", KINDS, usual), queries.time(request, "since")
    if kind != "all":
        rows = rows.filter(kind=kind)
    return rows if since is None else rows.filter(Q(decided_at__gte=since) | Q(reversed_at__gte=since))
