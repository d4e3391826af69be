"""Announce: one row in the caller's transaction, and one delivery for everybody who wants to know."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from firstlight.accounts.models import User
from firstlight.notices import tasks
from firstlight.notices.models import Delivery, Notice, Subscription, Webhook


@transaction.atomic
def announce(
    kind: str,
    subject: str,
    sentence: str,
    *,
    evidence: Mapping[str, Any],
    at: datetime,
    once: str = "",
    people: Iterable[User] = (),
) -> None:
    """Store the notice, deliver it after the commit: to webhooks and subscribers of its kind, and to `people`.

    `once` names the state that it tells of: a second notice of the same kind, subject and state is not made.
    """
    made = {"sentence": sentence, "evidence": dict(evidence), "at": at}
    if once:
        notice, is_new = Notice.objects.get_or_create(kind=kind, subject=subject, once=once, defaults=made)
    else:
        notice, is_new = Notice.objects.create(kind=kind, subject=subject, **made), True
    if not is_new:
        return
    deliveries = Delivery.objects.bulk_create(_addressed(notice, people, at))
    if deliveries:
        # robust: the rows stand, and the beat finds them when the broker is away now
        transaction.on_commit(lambda: tasks.send_off([one.pk for one in deliveries]), robust=True)


def _addressed(notice: Notice, people: Iterable[User], at: datetime) -> list[Delivery]:
    wants = Q(kinds=[]) | Q(kinds__contains=[notice.kind])
    subscribed = Subscription.objects.filter(wants, user__is_active=True).values_list("user", flat=True)
    told = {*subscribed, *(user.pk for user in people if user.is_active)}
    reachable = User.objects.filter(pk__in=told).exclude(email="").order_by("pk").values_list("pk", flat=True)
    common = {"notice": notice, "first_at": at, "due_at": at}
    hooks = Webhook.objects.filter(wants, enabled=True)
    return [Delivery(webhook=hook, **common) for hook in hooks] + [Delivery(user_id=pk, **common) for pk in reachable]
