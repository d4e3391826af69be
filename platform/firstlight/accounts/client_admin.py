"""Admin of client keys: made and revoked, with the address to paste into an SDK."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from firstlight.accounts import client_keys
from firstlight.accounts.audited import SHORT_FIELDS, ModelAdmin, actor
from firstlight.accounts.confirmation import Step, confirmed
from firstlight.accounts.models import ClientKey

MADE = ("name", "scenarios", "tells_lists")


class ClientKeyForm(forms.ModelForm[ClientKey]):
    class Meta:
        model = ClientKey
        fields = MADE


@admin.register(ClientKey)
class ClientKeyAdmin(ModelAdmin[ClientKey]):
    """Never changed: what a key names is out in pages and apps."""

    form = ClientKeyForm
    formfield_overrides = SHORT_FIELDS
    compressed_fields = False
    list_display = ["name", "key", "tells_lists", "created_by", "created_at", "state"]
    list_select_related = ["created_by"]
    search_fields = ["name", "key"]
    change_form_outer_before_template = "accounts/client_key_strip.html"

    @admin.display(description="State")
    def state(self, key: ClientKey) -> str:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "live"

    def get_fields(self, request: HttpRequest, obj: ClientKey | None = None) -> list[Any]:
        return [*MADE, "key", "created_by", "created_at", "revoked_at"] if obj else [*MADE]

    def has_change_permission(self, request: HttpRequest, obj: ClientKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ClientKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ClientKey, form: Any, change: bool) -> None:
        made = client_keys.create(obj.name, obj.scenarios, actor(request.user), tells_lists=obj.tells_lists)
        obj.pk, obj.key = made.pk, made.key

    def response_add(self, request: HttpRequest, obj: ClientKey, post_url_continue: str | None = None) -> HttpResponse:
        """To its page, which has the address."""
        return HttpResponseRedirect(reverse("admin:accounts_clientkey_change", args=[obj.pk]))

    def get_urls(self) -> list[URLPattern]:
        revoke = path("<int:pk>/revoke/", self.admin_site.admin_view(self.revoke), name="accounts_clientkey_revoke")
        return [revoke, *super().get_urls()]

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("accounts.change_clientkey"):
            raise PermissionDenied
        key = ClientKey.objects.filter(pk=pk).first()
        if key is None:
            raise Http404
        step = Step(
            question=f"Revoke “{key.name}”?",
            consequence="SDKs that use this key fetch nothing any more and go on with what they have. "
            "This cannot be undone.",
            button="Revoke",
            done=f"“{key.name}” names nothing any more.",
            act=lambda: client_keys.revoke(key, actor(request.user)),
            stops=True,
        )
        return confirmed(request, key, step, back=reverse("admin:accounts_clientkey_changelist"))
