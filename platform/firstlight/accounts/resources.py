"""What every resource of the REST API does alike: pages, keys as names, scenarios of the API key, the audit trail."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import models, transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.serializers import BaseSerializer

from firstlight.accounts import audit
from firstlight.accounts.authentication import actor, allowed_scenarios
from firstlight.doors import queries

View = TypeVar("View", bound="type[Listed]")


class Limited(viewsets.GenericViewSet[Any]):
    """Shows and changes only what the API key is limited to."""

    def get_queryset(self) -> models.QuerySet[Any]:
        allowed = allowed_scenarios(self.request)
        rows = super().get_queryset()
        return rows if allowed is None else self.visible(rows, allowed)

    def visible(self, rows: models.QuerySet[Any], allowed: frozenset[str]) -> models.QuerySet[Any]:
        """The rows that a key limited to these scenarios may see. Here: of what all scenarios share, all, to read."""
        if self.request.method not in SAFE_METHODS:
            raise PermissionDenied("A key that is limited to scenarios cannot change what they all share.")
        return rows


class Listed(mixins.ListModelMixin, Limited):
    """GET of a list, cut down by query parameters."""

    filters: Mapping[str, str] = {}  # {parameter: field it must equal}

    def filter_queryset(self, queryset: Any) -> Any:
        asked = {field: queries.text(self.request, name) for name, field in self.filters.items()}
        return queryset.filter(**{field: value for field, value in asked.items() if value is not None})


def filtered(view: View) -> View:
    """Tells the schema of the view's filters."""
    parameters = [OpenApiParameter(name, str, description=f"Only those of this {name}.") for name in view.filters]
    described: View = extend_schema_view(list=extend_schema(parameters=parameters))(view)
    return described


class Resource(mixins.RetrieveModelMixin, mixins.CreateModelMixin, mixins.UpdateModelMixin, Listed):
    """List, one, create, change; every write is recorded with what it was and what it is."""

    lookup_field = "key"
    lookup_value_regex = "[^/]+"
    http_method_names = ["get", "head", "post", "patch"]
    children: tuple[str, ...] = ()  # rows that are recorded with it: ("arms", "measured")

    @transaction.atomic
    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        row = serializer.save()
        self._record("created", row, {})

    @transaction.atomic
    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        assert serializer.instance is not None
        row = self.get_queryset().select_for_update(of=("self",)).get(pk=serializer.instance.pk)
        self.check_changeable(row)
        before = audit.state(row, *self.children)
        self._record("changed", serializer.save(), before)

    def check_changeable(self, row: Any) -> None:
        """Raises `Conflict` when this row is past changing; it is locked."""

    def _record(self, action: str, row: Any, before: dict[str, Any]) -> None:
        if not self.get_queryset().filter(pk=row.pk).exists():
            raise PermissionDenied("The key is limited to other scenarios.")
        row = type(row)._default_manager.get(pk=row.pk)  # without what was fetched before the change
        after = audit.state(row, *self.children)
        kind = str(row._meta.verbose_name)
        audit.record(actor(self.request), action, kind, row.key, before=before, after=after)
