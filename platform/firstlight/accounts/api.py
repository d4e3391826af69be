"""Client keys over HTTP."""

from typing import Any

from django.db import models
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts import client_keys
from firstlight.accounts.authentication import actor, allowed_scenarios
from firstlight.accounts.models import ClientKey
from firstlight.accounts.resources import Listed
from firstlight.doors.serializers import Strict


class ClientKeySerializer(Strict, serializers.ModelSerializer[ClientKey]):
    scenarios = serializers.ListSerializer[Any](
        child=serializers.CharField(max_length=200), required=False, max_length=200, help_text="Empty means all."
    )

    class Meta:
        model = ClientKey
        fields = ["key", "name", "scenarios", "tells_lists", "created_at", "revoked_at"]
        read_only_fields = ["key", "created_at", "revoked_at"]


class ClientKeys(mixins.RetrieveModelMixin, Listed):
    """What SDKs in browsers and apps name themselves by: no secret, and public what it opens."""

    queryset = ClientKey.objects.all()
    serializer_class = ClientKeySerializer
    lookup_field = "key"
    lookup_value_regex = "[^/]+"
    http_method_names = ["get", "head", "post"]

    def visible(self, rows: models.QuerySet[Any], allowed: frozenset[str]) -> models.QuerySet[Any]:
        return rows.filter(scenarios__contained_by=sorted(allowed)).exclude(scenarios=[])

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Makes a key, which is good within two seconds."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        told = {"scenarios": [], "tells_lists": False, **asked.validated_data}
        allowed = allowed_scenarios(request)
        if allowed is not None and not (told["scenarios"] and allowed.issuperset(told["scenarios"])):
            raise PermissionDenied("The key is limited to other scenarios.")
        made = client_keys.create(**told, actor=actor(request))
        return Response(self.get_serializer(made).data, status=201)

    @extend_schema(request=None, responses=ClientKeySerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, key: str) -> Response:
        """From the next snapshot on it names nothing; revoking twice keeps the first time."""
        return Response(self.get_serializer(client_keys.revoke(self.get_object(), actor(request))).data)
