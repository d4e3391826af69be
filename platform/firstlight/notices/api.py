"""Webhooks over HTTP."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.authentication import actor
from firstlight.accounts.resources import Resource
from firstlight.doors.serializers import Named
from firstlight.notices import addresses, webhooks
from firstlight.notices.models import Delivery, Try, Webhook

SHOWN = 100  # newest deliveries that one call tells of


class WebhookSerializer(Named, serializers.ModelSerializer[Webhook]):
    kinds = serializers.ListSerializer[Any](child=serializers.CharField(max_length=60), required=False, max_length=50)

    class Meta:
        model = Webhook
        fields = ["key", "name", "url", "kinds", "enabled", "created_at"]
        read_only_fields = ["created_at"]

    def validate_url(self, url: str) -> str:
        if fault := addresses.fault(url):
            raise serializers.ValidationError(fault)
        return url

    def create(self, validated_data: dict[str, Any]) -> Webhook:
        return super().create({**validated_data, "salt": webhooks.new_salt()})


class MadeSerializer(WebhookSerializer):
    """With the secret, which no later answer holds."""

    secret = serializers.SerializerMethodField("signs", help_text="whsec_…; shown once.")

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]

    def signs(self, webhook: Webhook) -> str:
        return webhooks.secret(webhook)


class TrySerializer(serializers.ModelSerializer[Try]):
    class Meta:
        model = Try
        fields = ["at", "status", "failure", "seconds"]


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    kind = serializers.CharField(source="notice.kind")
    subject = serializers.CharField(source="notice.subject")
    sentence = serializers.CharField(source="notice.sentence")
    tries = TrySerializer(many=True)

    class Meta:
        model = Delivery
        fields = ["id", "kind", "subject", "sentence", "outcome", "first_at", "due_at", "tries"]


class DeliveriesSerializer(serializers.Serializer[dict[str, Any]]):
    results = DeliverySerializer(many=True)


class Webhooks(Resource):
    """Reading needs `manage` too: the address of a webhook may be a secret of its receiver."""

    queryset = Webhook.objects.all()
    serializer_class = WebhookSerializer
    scope = "manage"

    @extend_schema(responses={201: MadeSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Makes a webhook; the answer holds its secret, and no later one does."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        self.perform_create(asked)
        return Response(MadeSerializer(asked.instance).data, status=201)

    @extend_schema(request=None, responses=MadeSerializer)
    @action(detail=True, methods=["post"])
    def renew(self, request: Request, key: str) -> Response:
        """A new secret in place of the old one."""
        webhook = webhooks.renew(self.get_object().pk, actor=actor(request))
        return Response(MadeSerializer(webhook).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, key: str) -> Response:
        """Sends a notice of kind `webhook.test`; how it went stands under deliveries."""
        delivery = webhooks.try_out(self.get_object().pk, actor=actor(request), at=timezone.now())
        return Response(DeliverySerializer(delivery).data, status=202)

    @extend_schema(responses=DeliveriesSerializer)
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, key: str) -> Response:
        """The newest hundred, with every try."""
        rows = self.get_object().deliveries.select_related("notice").prefetch_related("tries")
        return Response(DeliveriesSerializer({"results": rows[:SHOWN]}).data)
