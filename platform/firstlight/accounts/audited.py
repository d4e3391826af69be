"""Admin pages whose every change goes into the audit trail, and pages that only show."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import transaction
from django.db.models import Model, QuerySet, TextField
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminExpandableTextareaWidget, UnfoldAdminTextInputWidget

from firstlight.accounts import audit

if TYPE_CHECKING:  # unfold ships no types; its classes are Django's with another look
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline

__all__ = ["AuditedAdmin", "ModelAdmin", "ShownAdmin", "TabularInline", "actor"]

Row = TypeVar("Row", bound=Model)

SHORT_FIELDS: Any = {  # unfold gives lists and texts ten lines each
    ArrayField: {"widget": UnfoldAdminTextInputWidget},
    TextField: {"widget": UnfoldAdminExpandableTextareaWidget},
}


def actor(user: AbstractBaseUser | AnonymousUser) -> str:
    """Name of this person in the trail."""
    return user.get_username()


class AuditedAdmin(ModelAdmin[Row], Generic[Row]):
    """Records what was saved or deleted, from which value to which; publication follows by itself."""

    audited_children: tuple[str, ...] = ()  # sets of rows edited on the same page: ("arms", "measured")
    warn_unsaved_form = True
    formfield_overrides = SHORT_FIELDS
    compressed_fields = False  # labels above their fields, help below

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["show_save_and_add_another"] = False  # nobody plans two in a row
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Row, form: ModelForm[Row], change: bool) -> None:
        form.state_before = self._state(self._kept(obj)) if change else {}  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        action = "changed" if change else "created"
        self.record(
            request, action, form.instance, before=form.state_before, after=self._state(self._kept(form.instance))
        )

    def delete_model(self, request: HttpRequest, obj: Row) -> None:
        with transaction.atomic():
            self.record(request, "deleted", obj, before=self._state(obj), after={})
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Row]) -> None:
        with transaction.atomic():
            for obj in queryset:
                self.delete_model(request, obj)

    def record(
        self, request: HttpRequest, action: str, obj: Model, *, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        subject = str(getattr(obj, "key", None) or obj)
        audit.record(actor(request.user), action, str(obj._meta.verbose_name), subject, before=before, after=after)

    def _kept(self, obj: Row) -> Row:
        """As the database has it, for the form has already changed the instance."""
        return self.model._default_manager.get(pk=obj.pk)

    def _state(self, obj: Row) -> dict[str, Any]:
        return audit.state(obj, *self.audited_children)


class _Shown(BaseModelAdmin[Row], Generic[Row]):
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ShownAdmin(_Shown[Row], ModelAdmin[Row], Generic[Row]):
    """A list and its pages to read; nobody adds, changes or deletes here."""
