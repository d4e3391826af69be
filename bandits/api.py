"""Discovery campaigns over HTTP."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from bandits import lifecycle, pool, valued
from bandits.models import Campaign, Posterior
from bandits.outcome_api import Outcomes
from bandits.plan import changeable
from bandits.serializers import (
    BecauseSerializer,
    PoolItemSerializer,
    PosteriorSerializer,
    told,
)
from bandits.serializers_evaluation import ValuedSerializer
from bandits.serializers_plan import CampaignSerializer, PoolCountSerializer, PoolRuleSerializer, changed
from bandits.simulation_api import Simulations
from bandits.why_api import Explained
from bandits.worth_api import VERBS, Looks
from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource, filtered
from firstlight.console import words
from firstlight.doors import pagination
from firstlight.doors.refusals import Conflict

NEWEST = 20  # items of a rule that is only asked about


@filtered
class Campaigns(Outcomes, Looks, Simulations, Explained, Resource):
    queryset = Campaign.objects.select_related("owner", "scenario").prefetch_related(
        "pool_categories", "pool_merchants"
    )
    serializer_class = CampaignSerializer
    filters = {"status": "status", "scenario": "scenario__key"}
    verbs = {**VERBS, "count_pool": "view"}

    def visible(self, rows: QuerySet[Campaign], allowed: frozenset[str]) -> QuerySet[Campaign]:
        return rows.filter(scenario__key__in=allowed)

    @transaction.atomic
    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """On the row as it is now: a step taken meanwhile must not be overwritten."""
        assert serializer.instance is not None
        row = self.get_queryset().select_for_update(of=("self",)).get(pk=serializer.instance.pk)
        fixed = [name for name in changed(row, serializer.validated_data) if name not in changeable(row)]
        if fixed:
            raise Conflict(f"“{row.key}” is {row.status}: {words.listing(fixed)} cannot change any more.")
        serializer.instance = row
        super().perform_update(serializer)

    @extend_schema(request=PoolRuleSerializer, responses=PoolCountSerializer)
    @action(detail=False, methods=["post"], url_path="pool", pagination_class=None)
    def count_pool(self, request: Request) -> Response:
        """How many items a rule takes now, and the newest of them; nothing is stored."""
        body = PoolRuleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = pool.matching(pool.Rule.given(body.validated_data), timezone.now())
        newest = found.order_by("-listed_at", "key")[:NEWEST]
        return Response(PoolCountSerializer({"count": found.count(), "newest": newest}).data)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, key: str) -> Response:
        """Fills its slots, from the next snapshot on."""
        return self._move(lifecycle.start, lifecycle.UnableToStart)

    @extend_schema(request=BecauseSerializer, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, key: str) -> Response:
        """Gives its slots to the recommender until it is resumed; they stay its own."""
        body = BecauseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._move(partial(lifecycle.pause, **body.validated_data), lifecycle.UnableToPause)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, key: str) -> Response:
        """Fills its slots again, with what it had learned."""
        return self._move(lifecycle.resume, lifecycle.UnableToResume)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, key: str) -> Response:
        """Gives its slots back."""
        return self._move(lifecycle.stop, lifecycle.UnableToStop)

    def _move(self, command: Callable[..., Campaign], refusals: type[Exception]) -> Response:
        campaign = self.get_object()
        try:
            command(campaign.pk, actor=actor(self.request), at=timezone.now())
        except refusals as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses=PoolItemSerializer(many=True), filters=True)
    @action(detail=True, methods=["get"])
    def items(self, request: Request, key: str) -> Response:
        """The pool as it is now, and what is believed of each item."""
        campaign = self.get_object()
        page: Any = self.paginate_queryset(pool.items(campaign))
        posterior = _newest(campaign)
        known: dict[str, Any] = {}
        if posterior:
            place = {item: i for i, item in enumerate(posterior.items)}
            places = [place[item.key] for item in page if item.key in place]
            known = {belief.item: belief for belief in told(posterior, places)}
        return self.get_paginated_response(PoolItemSerializer(page, many=True, context={"beliefs": known}).data)

    @extend_schema(
        responses=PosteriorSerializer,
        parameters=[OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": pagination.MOST})],
    )
    @action(detail=True, methods=["get"])
    def posterior(self, request: Request, key: str) -> Response:
        """What it believes, best items first."""
        posterior = _newest(self.get_object())
        if posterior is None:
            raise Http404
        return Response(PosteriorSerializer(posterior, context={"limit": pagination.limit(request)}).data)

    @extend_schema(responses=ValuedSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def evaluation(self, request: Request, key: str) -> Response:
        """What other policies would have earned, by every estimator, from the choices logged in 30 days."""
        found: Any = valued.values(self.get_object(), at=timezone.now())
        return Response(ValuedSerializer(found, many=True).data)


def _newest(campaign: Campaign) -> Posterior | None:
    return campaign.posteriors.order_by("-number").first()
