"""Admin of notices: what was told, to whom, how it went; webhooks; everybody's own subscription."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from firstlight.accounts.audited import AuditedAdmin, ShownAdmin, TabularInline, actor
from firstlight.accounts.confirmation import Step, confirmed
from firstlight.accounts.models import User
from firstlight.notices import webhooks
from firstlight.notices.models import Delivery, Notice, Subscription, Try, Webhook

if TYPE_CHECKING:
    _Tries = TabularInline[Try, Delivery]
else:
    _Tries = TabularInline


@admin.register(Notice)
class NoticeAdmin(ShownAdmin[Notice]):
    says_when_empty = "Ramps, guardrails and health tell here what happened. Subscribe to have it as a letter."
    list_display = ["at", "kind", "subject", "sentence"]
    list_filter = ["kind"]
    search_fields = ["subject", "sentence"]
    show_full_result_count = False
    fields = ["at", "kind", "subject", "sentence", "figures", "told"]

    @admin.display(description="Figures")
    def figures(self, notice: Notice) -> SafeString:
        return format_html_join("", "<div>{}: {}</div>", notice.evidence.items()) or SafeString("–")

    @admin.display(description="Told")
    def told(self, notice: Notice) -> SafeString:
        rows = notice.deliveries.select_related("webhook", "user")
        lines = ((one.webhook or one.user, one.get_outcome_display()) for one in rows)
        return format_html_join("", "<div>{}: {}</div>", lines) or SafeString("nobody asked for it")


class TryInline(_Tries):
    model = Try
    fields = ("at", "status", "failure", "seconds")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(ShownAdmin[Delivery]):
    list_display = ["first_at", "notice", "addressee", "outcome", "n_tries", "last"]
    list_filter = ["outcome", "webhook"]
    list_select_related = ["notice", "webhook", "user"]
    show_full_result_count = False
    inlines = [TryInline]
    fields = ["notice", "addressee", "outcome", "n_tries", "first_at", "due_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).prefetch_related("tries")

    @admin.display(description="To")
    def addressee(self, delivery: Delivery) -> str:
        return str(delivery.webhook or delivery.user)

    @admin.display(description="Last try")
    def last(self, delivery: Delivery) -> str:
        newest = next(iter(delivery.tries.all()), None)
        return "not yet" if newest is None else newest.failure or "went through"


@admin.register(Webhook)
class WebhookAdmin(AuditedAdmin[Webhook]):
    says_when_empty = "A webhook tells another system, signed, what is told here."
    list_display = ["name", "key", "url", "told_of", "enabled"]
    search_fields = ["key", "name", "url"]
    fields = [("name", "key"), "url", "kinds", "enabled"]
    change_form_outer_before_template = "notices/webhook_strip.html"

    @admin.display(description="Kinds")
    def told_of(self, webhook: Webhook) -> str:
        return ", ".join(webhook.kinds) or "every kind"

    def get_readonly_fields(self, request: HttpRequest, obj: Webhook | None = None) -> list[str]:
        return ["key"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Webhook | None = None) -> bool:
        return False  # switched off instead: its deliveries stay told

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "url":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Webhook, form: ModelForm[Webhook], change: bool) -> None:
        if not change:
            obj.salt = webhooks.new_salt()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None) -> HttpResponse:
        return self._shown(request, obj)

    def _shown(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """The one page that shows the secret: no redirect, so it is in no history; never cached, as all here."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Keep this secret",
            "webhook": webhook,
            "secret": webhooks.secret(webhook),
            "opts": self.opts,
        }
        return TemplateResponse(request, "notices/webhook_made.html", context)

    def get_urls(self) -> list[URLPattern]:
        steps = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"notices_webhook_{name}")
            for name, view in (("renew", self.renew), ("test", self.test))
        ]
        return [*steps, *super().get_urls()]

    def renew(self, request: HttpRequest, pk: int) -> HttpResponse:
        webhook = self._changeable(request, pk)
        if request.method == "POST":
            return self._shown(request, webhooks.renew(pk, actor=actor(request.user)))
        step = Step(
            question=f"Renew the secret of “{webhook.name}”?",
            consequence="From now on deliveries are signed with the new secret; the old one proves nothing any more.",
            button="Renew",
            done="",
            act=lambda: None,
            stops=True,
        )
        return confirmed(request, webhook, step, back=self._page(pk))

    def test(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._changeable(request, pk)
        if request.method == "POST":
            webhooks.try_out(pk, actor=actor(request.user), at=timezone.now())
            messages.success(request, "A test is on its way; the deliveries show how it went.")
        return HttpResponseRedirect(self._page(pk))

    def _changeable(self, request: HttpRequest, pk: int) -> Webhook:
        if not self.has_change_permission(request):
            raise PermissionDenied
        webhook = Webhook.objects.filter(pk=pk).first()
        if webhook is None:
            raise Http404
        return webhook

    def _page(self, pk: int) -> str:
        return reverse("admin:notices_webhook_change", args=[pk])


@admin.register(Subscription)
class SubscriptionAdmin(AuditedAdmin[Subscription]):
    """Everybody subscribes themselves; only who manages people sees those of others."""

    says_when_empty = "Choose what you want to be told by letter."
    list_display = ["user", "told_of"]
    fields = ["user", "kinds"]

    @admin.display(description="Kinds")
    def told_of(self, subscription: Subscription) -> str:
        return ", ".join(subscription.kinds) or "every kind"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        rows = super().get_queryset(request)
        return rows if _manages_people(request) else rows.filter(user__username=request.user.get_username())

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            people = User.objects.filter(is_active=True)
            kwargs["queryset"] = (
                people if _manages_people(request) else people.filter(username=request.user.get_username())
            )
            kwargs["initial"] = request.user.pk
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def _manages_people(request: HttpRequest) -> bool:
    return request.user.has_perm("accounts.change_user")
