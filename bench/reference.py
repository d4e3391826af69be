"""The reference of `allocate`: the same work in a DRF view, served by the same server.

Same snapshot, same key check, same sections, same decision log; validation by serializers.
"""

from datetime import UTC, datetime
from typing import Any

import uuid_utils
from django.urls import path
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from firstlight.accounts import keys
from firstlight.serving import allocations, decisions, journal
from firstlight.snapshots import memory
from firstlight.snapshots.sections import Request


class Unit(serializers.Serializer[Any]):
    user_id = serializers.CharField(max_length=200, required=False)
    device_id = serializers.CharField(max_length=200, required=False)


class Recent(serializers.Serializer[Any]):
    event = serializers.CharField(max_length=50)
    item_id = serializers.CharField(max_length=200, required=False)
    at = serializers.DateTimeField(required=False)


class Asked(serializers.Serializer[Any]):
    unit = Unit()
    scenario = serializers.CharField(max_length=200)
    attributes = serializers.DictField(default=dict)
    recent = Recent(many=True, default=list)
    slots = serializers.IntegerField(min_value=1, max_value=500, required=False)
    exclude_items = serializers.ListField(child=serializers.CharField(max_length=200), default=list)


class Key(BaseAuthentication):
    def authenticate(self, request: HttpRequest) -> tuple[None, keys.HeldKey]:
        key = keys.verify(memory.current().state("keys"), request.META.get("HTTP_AUTHORIZATION"))
        if key is None:
            raise AuthenticationFailed
        return None, key


class MayAllocate(BasePermission):
    def has_permission(self, request: HttpRequest, view: APIView) -> bool:
        return isinstance(request.auth, keys.HeldKey) and "allocate" in request.auth.scopes


class Allocate(APIView):
    authentication_classes = [Key]
    permission_classes = [MayAllocate]

    def post(self, request: HttpRequest) -> Response:
        said = request._request.body
        asked = Asked(data=request.data)
        asked.is_valid(raise_exception=True)
        held, given = memory.current(), asked.validated_data
        if given["scenario"] not in held.state("scenarios"):
            raise ValidationError("unknown scenario")
        question = Request(
            unit=dict(given["unit"]),
            scenario=given["scenario"],
            trace_id=str(uuid_utils.uuid7()),
            at=datetime.now(UTC),
            attributes=given["attributes"],
            recent=tuple(dict(r) for r in given["recent"]),
            slots=given.get("slots"),
            exclude_items=frozenset(given["exclude_items"]),
        )
        answer = allocations.decide(held, question)
        journal.add(decisions.decided(held, question, said, answer, decisions.encoded(answer)))
        return Response({name: value for name, value in answer.items() if name[0] != "_"})


urlpatterns = [path("api/v1/allocations", Allocate.as_view())]
