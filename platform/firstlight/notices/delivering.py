"""Take a delivery, send it, write down how it went. At least once: what is lost in between is sent again."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from firstlight.accounts import audit
from firstlight.notices import addresses, messages, signatures, tries
from firstlight.notices.models import Delivery, Notice, Outcome, Webhook

LEASE = timedelta(minutes=2)  # a try that has said nothing by then is lost with its worker
TIMEOUT = httpx.Timeout(10, connect=5)
GONE = 410  # the receiver wants no more


@dataclass(frozen=True, slots=True)
class Answer:
    """How a try went."""

    status: int | None = None  # of HTTP
    failure: str = ""  # why, in words
    is_final: bool = False  # trying again changes nothing


def deliver(delivery_id: int, *, at: datetime) -> None:
    """Try once, unless it was delivered, given up, or is being tried at this moment."""
    delivery = _take(delivery_id, at)
    if delivery is None:
        return
    began = time.monotonic()
    answer = _post(delivery.webhook, delivery.notice, at) if delivery.webhook else _mail(delivery)
    _note(delivery, answer, at, time.monotonic() - began)


def _take(delivery_id: int, at: datetime) -> Delivery | None:
    """Counted before it is sent, so that a try which kills its worker is not repeated without pause."""
    with transaction.atomic():
        waiting = Delivery.objects.filter(outcome=Outcome.WAITING, due_at__lte=at)
        rows = waiting.select_for_update(skip_locked=True, of=("self",)).select_related("notice", "webhook", "user")
        delivery = rows.filter(pk=delivery_id).first()
        if delivery is None:
            return None
        delivery.n_tries += 1
        delivery.due_at = at + LEASE
        delivery.save(update_fields=["n_tries", "due_at"])
    return delivery


def _post(webhook: Webhook, notice: Notice, at: datetime) -> Answer:
    """Nothing that comes back is kept but the status: an answer is nobody's to read here."""
    if not webhook.enabled:
        return Answer(failure="The webhook is switched off.", is_final=True)
    try:
        target = addresses.resolved(webhook.url)
        status = _status(
            target, messages.body(notice), messages.name(notice), signatures.secret(bytes(webhook.salt)), at
        )
    except addresses.Refused as refusal:
        return Answer(failure=str(refusal))
    except (httpx.HTTPError, OSError) as error:
        return Answer(failure=f"No answer: {type(error).__name__}.")  # its text may hold parts of the URL
    if 200 <= status < 300:
        return Answer(status)
    return Answer(status, f"It answered {status}.", is_final=status == GONE)


def _status(target: addresses.Target, body: bytes, message: str, secret: str, at: datetime) -> int:
    """Redirects are not followed and no proxy is asked: both would lead past the check of the address."""
    headers = {"Host": target.authority, "Content-Type": "application/json", "User-Agent": "Firstlight"}
    headers |= signatures.headers(secret, message, int(at.timestamp()), body)
    with (
        httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client,
        client.stream(
            "POST", target.url, content=body, headers=headers, extensions={"sni_hostname": target.host}
        ) as response,
    ):
        return response.status_code


def _mail(delivery: Delivery) -> Answer:
    if delivery.user is None or not delivery.user.is_active or not delivery.user.email:
        return Answer(failure="This person has no e-mail address any more.", is_final=True)
    subject, text = messages.letter(delivery.notice, settings.PUBLIC_URL)
    try:
        send_mail(subject, text, None, [delivery.user.email])
    except OSError as error:  # smtplib's errors are OSErrors
        return Answer(failure=f"The mail server did not take it: {type(error).__name__}.")
    return Answer()


def _note(delivery: Delivery, answer: Answer, at: datetime, seconds: float) -> None:
    with transaction.atomic():
        delivery.tries.create(at=at, status=answer.status, failure=answer.failure, seconds=seconds)
        due = None if answer.is_final else tries.next_try(delivery.first_at, at, delivery.n_tries)
        if not answer.failure:
            delivery.outcome = Outcome.DELIVERED
        elif due is None:
            delivery.outcome = Outcome.GIVEN_UP
        else:
            delivery.due_at = due
        delivery.save(update_fields=["outcome", "due_at"])
        if delivery.webhook and answer.status == GONE:
            _switch_off(delivery.webhook)


def _switch_off(webhook: Webhook) -> None:
    before = audit.state(webhook)
    webhook.enabled = False
    webhook.save(update_fields=["enabled"])
    audit.record("deliver", "switched off", "webhook", webhook.key, before=before, after=audit.state(webhook))
