"""What a campaign was worth and whether it does harm, over HTTP: every stored look, and a new one on demand."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from bandits import tasks
from bandits.models import Campaign, CampaignLook, Status
from bandits.serializers_worth import CampaignLookLineSerializer, CampaignLookSerializer
from firstlight.accounts.resources import Resource
from firstlight.doors import queries
from firstlight.doors.pagination import NewestFirst
from firstlight.doors.queueing import enqueue, queued
from firstlight.doors.refusals import Conflict, bad_query

LOOK = OpenApiParameter("look", {"type": "integer", "minimum": 1}, description="The look of this number; else newest.")
VERBS = {"refresh_worth": "view"}  # a look changes nothing of the plan


class Looks(Resource):
    """Of one campaign; a part of its resource."""

    @extend_schema(responses=CampaignLookSerializer, parameters=[LOOK])
    @action(detail=True, methods=["get"])
    def worth(self, request: Request, key: str) -> Response:
        """What it brought against its control share, what exploring cost, and whether its guards hold."""
        return Response(CampaignLookSerializer(_look(request, self.get_object())).data)

    @queued
    @action(detail=True, methods=["post"], url_path="worth/refresh", url_name="refresh-worth")
    def refresh_worth(self, request: Request, key: str) -> Response:
        """Asks the workers for a new look; it appears under worth. A broken guard then pauses the campaign."""
        campaign = self.get_object()
        if campaign.status == Status.DRAFT:
            raise Conflict(f"“{campaign.key}” has not started; there is nothing it could be worth yet.")
        return enqueue(tasks.look, campaign_id=campaign.pk)

    @extend_schema(responses=CampaignLookLineSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=NewestFirst)
    def looks(self, request: Request, key: str) -> Response:
        """Every look that was taken, the newest first."""
        page: Any = self.paginate_queryset(self.get_object().looks.all())
        return self.get_paginated_response(CampaignLookLineSerializer(page, many=True).data)


def _look(request: Request, campaign: Campaign) -> CampaignLook:
    asked = queries.text(request, "look")
    if asked is not None and not (asked.isascii() and asked.isdigit() and 1 <= int(asked) < 2**31):
        raise bad_query("look", "The number of a look.")
    rows = campaign.looks.all() if asked is None else campaign.looks.filter(number=int(asked))
    found: CampaignLook | None = rows.first()
    if found is None:
        raise Http404
    return found
