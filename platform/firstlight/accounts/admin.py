"""Admin of people, roles, keys, and the trail of what they changed."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from firstlight.accounts import (
    audit,
    client_admin,  # noqa: F401 - registers its page
    keys,
)
from firstlight.accounts.audited import SHORT_FIELDS, AuditedAdmin, ModelAdmin, ShownAdmin, actor
from firstlight.accounts.confirmation import Step, confirmed
from firstlight.accounts.models import ApiKey, AuditEntry, Scope, User

admin.site.unregister(Group)

if TYPE_CHECKING:
    _UserAdmin = BaseUserAdmin[User]
else:
    _UserAdmin = BaseUserAdmin


@admin.register(User)
class UserAdmin(AuditedAdmin[User], _UserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "roles", "is_active", "last_login"]
    list_filter = ["groups", "is_active"]
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": [("username", "password"), ("first_name", "last_name"), "email"]}),
        ("Roles", {"fields": ["groups", ("is_active", "is_staff", "is_superuser")]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "password1", "password2"]}),
        ("Roles", {"fields": ["groups", "is_staff"], "description": "Whoever is to sign in here must be staff."}),
    ]

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or ("everything" if user.is_superuser else "–")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        answer = super().user_change_password(request, id, form_url)
        if answer.status_code == 302:
            user = User.objects.get(pk=id)
            audit.record(actor(request.user), "password set", "user", user.get_username(), before={}, after={})
        return answer


@admin.register(Group)
class GroupAdmin(AuditedAdmin[Group], BaseGroupAdmin):
    """Roles come by migration; further ones may be made here."""


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="A recommender needs “Ask for allocations” and “Send events”.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "scenarios", "rate", "burst")


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin[ApiKey]):
    """Made and revoked, never changed: what a key may do is fixed when its secret is handed out."""

    form = ApiKeyForm
    formfield_overrides = SHORT_FIELDS
    compressed_fields = False
    list_display = ["name", "public_id", "may", "created_by", "created_at", "state"]
    list_select_related = ["created_by"]
    search_fields = ["name", "public_id"]
    change_form_outer_before_template = "accounts/key_strip.html"

    @admin.display(description="May")
    def may(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="State")
    def state(self, key: ApiKey) -> str:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "live"

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[Any]:
        made = ["name", "scopes", "scenarios", ("rate", "burst")]
        return [*made, "public_id", "created_by", "created_at", "revoked_at"] if obj else made

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        made, secret = keys.create(
            obj.name, obj.scopes, obj.scenarios, actor(request.user), rate=obj.rate, burst=obj.burst
        )
        obj.pk, obj.public_id = made.pk, made.public_id
        form.instance.secret = secret  # lives until the answer to this request is written

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """The one page that ever shows the secret: no redirect, so it is in no history; never cached, as all here."""
        context = {**self.admin_site.each_context(request), "title": "Keep this key", "key": obj, "opts": self.opts}
        return TemplateResponse(request, "accounts/key_made.html", context)

    def get_urls(self) -> list[URLPattern]:
        revoke = path("<int:pk>/revoke/", self.admin_site.admin_view(self.revoke), name="accounts_apikey_revoke")
        return [revoke, *super().get_urls()]

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        key = ApiKey.objects.filter(pk=pk).first()
        if key is None:
            raise Http404
        step = Step(
            question=f"Revoke “{key.name}”?",
            consequence="Whoever uses this key is refused within two seconds. This cannot be undone.",
            button="Revoke",
            done=f"“{key.name}” opens nothing any more.",
            act=lambda: keys.revoke(key, actor(request.user)),
            stops=True,
        )
        return confirmed(request, key, step, back=reverse("admin:accounts_apikey_changelist"))


@admin.register(AuditEntry)
class AuditEntryAdmin(ShownAdmin[AuditEntry]):
    list_display = ["at", "actor", "action", "kind", "subject", "what"]
    list_filter = ["action", "kind"]
    search_fields = ["actor", "subject"]
    show_full_result_count = False
    fields = ["at", "actor", "action", "kind", "subject", "what"]

    @admin.display(description="From → to")
    def what(self, entry: AuditEntry) -> SafeString:
        rows = ((name, _brief(old), _brief(new)) for name, (old, new) in entry.changes.items())
        return format_html_join("", '<span class="fl-change"><b>{}</b> {} → {}</span>', rows) or SafeString("–")


def _brief(value: Any) -> str:
    text = "nothing" if value in (None, "", [], {}) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
