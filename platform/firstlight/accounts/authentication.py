"""Who asks, and may they: API keys by their scopes, people by the permissions of their role."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from firstlight.accounts.keys import HeldKey, parts, verify
from firstlight.accounts.models import ApiKey


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer fl_<id>_<secret>`, looked up in the database: a revocation counts at once."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, HeldKey] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if not header:
            return None
        public_id, _ = parts(header)
        rows = ApiKey.objects.filter(public_id=public_id, revoked_at=None) if public_id.isalnum() else []
        key = verify({row.public_id: HeldKey.of(row) for row in rows}, header)
        if key is None:
            raise AuthenticationFailed("The API key is unknown or revoked.")
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="firstlight"'


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = KeyAuthentication
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "fl_<id>_<secret>"}


class HasScope(BasePermission):
    """A key needs the scope `read` or `manage`; a person the Django permission to view, add or change the view's model.

    A view says `model` when it has no queryset, and `verbs = {"refresh": "view"}` for an action that is neither adding
    (`create`) nor changing (any other write). `scope = "export"` asks every key for that scope, whatever the verb.
    """

    message = "The key lacks the scope, or the role the permission, that this needs."

    def has_permission(self, request: Request, view: Any) -> bool:
        verb = self._verb(request, view)
        if isinstance(request.auth, HeldKey):
            usual = "read" if verb == "view" else "manage"
            return getattr(view, "scope", usual) in request.auth.scopes
        model = getattr(view, "model", None) or view.queryset.model
        return request.user.has_perm(f"{model._meta.app_label}.{verb}_{model._meta.model_name}")

    def _verb(self, request: Request, view: Any) -> str:
        action = getattr(view, "action", None)
        if request.method in SAFE_METHODS:
            return "view"
        return str(getattr(view, "verbs", {}).get(action) or ("add" if action == "create" else "change"))


def actor(request: Request) -> str:
    """Who the audit trail names."""
    if isinstance(request.auth, HeldKey):
        return f"key {request.auth.public_id}"
    return request.user.get_username()


def allowed_scenarios(request: Request) -> frozenset[str] | None:
    """The scenarios that the key is limited to; None for no limit."""
    return request.auth.scenarios or None if isinstance(request.auth, HeldKey) else None
