"""The trail of who changed what, from which value to which.

A change is recorded in the transaction that makes it, and what is recorded is published after the commit: nobody can
forget the one who does the other.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils.module_loading import import_string

from firstlight.accounts.models import AuditEntry, User


def record(
    actor: str, action: str, kind: str, subject: str, *, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """One entry with the fields that differ; none when a state was given and nothing in it changed."""
    if before and before == after:
        return
    fields = sorted({*before, *after})
    changes = {f: [before.get(f), after.get(f)] for f in fields if before.get(f) != after.get(f)}
    AuditEntry.objects.create(actor=actor, action=action, kind=kind, subject=subject, changes=changes)
    if not any(call is _announce for _, call, *_ in connection.run_on_commit):  # once per transaction
        # robust: the change stands already, and the beat publishes it if this attempt fails
        transaction.on_commit(_announce, robust=True)


def _announce() -> None:
    import_string(settings.AFTER_CHANGE)()


def state(instance: models.Model, *children: str) -> dict[str, Any]:
    """Field values of a row as JSON holds them, related rows by key; `children` names sets of rows that are its own.

    `state(experiment, "arms", "measured")`. Bytes (tables), passwords and the row's own number are left out.
    """
    options = instance._meta
    columns = (f for f in options.concrete_fields if not (f.primary_key or _is_kept_back(f)))
    values = {f.name: plain(getattr(instance, f.name)) for f in columns}
    many = {
        f.name: sorted(_name(row) for row in getattr(instance, f.name).all())
        for f in options.many_to_many
        if f.remote_field.through and f.remote_field.through._meta.auto_created
    }
    own = {name: [state(row) for row in getattr(instance, name).all()] for name in children}
    return values | many | own


def _is_kept_back(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, models.BinaryField) or field.name == "password"  # its hash is nobody's to read


def plain(value: Any) -> Any:
    """A field's value as JSON holds it."""
    match value:
        case models.Model():
            return _name(value)
        case Decimal():
            return str(value)
        case date():  # and datetime
            return value.isoformat()
        case str() | Mapping():
            return value
        case Iterable():
            return [plain(v) for v in value]
    return value


def _name(row: models.Model) -> str:
    """What people call it."""
    if isinstance(row, User):
        return row.get_username()
    return str(getattr(row, "key", row.pk))
