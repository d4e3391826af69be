"""Make a webhook, renew its secret, try it out."""

import secrets
from datetime import datetime

from django.db import transaction

from firstlight.accounts import audit
from firstlight.notices import signatures, tasks
from firstlight.notices.models import Delivery, Notice, Webhook


def new_salt() -> bytes:
    return secrets.token_bytes(32)


def secret(webhook: Webhook) -> str:
    """Shown when it was made or renewed, and at no other time."""
    return signatures.secret(bytes(webhook.salt))


@transaction.atomic
def renew(webhook_id: int, *, actor: str) -> Webhook:
    """A new secret: deliveries from now on are signed with it, also those that wait."""
    webhook = Webhook.objects.select_for_update().get(pk=webhook_id)
    webhook.salt = new_salt()
    webhook.save(update_fields=["salt"])
    audit.record(actor, "secret renewed", "webhook", webhook.key, before={}, after={})
    return webhook


@transaction.atomic
def try_out(webhook_id: int, *, actor: str, at: datetime) -> Delivery:
    """Sends a notice of kind `webhook.test` to this webhook alone, whatever kinds it wants."""
    webhook = Webhook.objects.get(pk=webhook_id)
    notice = Notice.objects.create(
        kind="webhook.test",
        subject=webhook.key,
        sentence=f"A test of the webhook “{webhook.name}”.",
        evidence={"asked_by": actor},
        at=at,
    )
    delivery = Delivery.objects.create(notice=notice, webhook=webhook, first_at=at, due_at=at)
    transaction.on_commit(lambda: tasks.send_off([delivery.pk]), robust=True)
    return delivery
