"""From the announcement to a receiver that listens on a real socket and verifies what it gets."""

import base64
import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core import mail
from django.db import DatabaseError, transaction

from firstlight.accounts.models import AuditEntry, User
from firstlight.notices import delivering, tasks, webhooks
from firstlight.notices.announcing import announce
from firstlight.notices.models import Delivery, Notice, Outcome, Subscription, Webhook

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


class Receiver(HTTPServer):
    status = 204
    got: list[tuple[dict[str, str], bytes]]


@pytest.fixture
def receiver(settings):
    class Handler(BaseHTTPRequestHandler):
        server: Receiver

        def do_POST(self):
            self.server.got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(self.server.status)
            if self.server.status == 302:
                self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    server = Receiver(("127.0.0.1", 0), Handler)
    server.got = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hook(receiver):
    def make(key="chat", kinds=(), **fields):
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        made = {"name": key, "url": url, "kinds": list(kinds), "salt": webhooks.new_salt()} | fields
        return Webhook.objects.create(key=key, **made)

    return make


def tell(kind="experiment.guardrail", subject="ranker", **more):
    announce(kind, subject, "Refunds are worse.", evidence={"lift": -0.03}, at=NOW, **more)


def run(at=NOW):
    for pk in list(Delivery.objects.order_by("pk").values_list("pk", flat=True)):
        delivering.deliver(pk, at=at)


def test_a_receiver_gets_the_notice_signed_and_can_verify_it(hook, receiver):
    webhook = hook()
    tell()
    run()
    headers, body = receiver.got[0]
    document = json.loads(body)
    assert document["type"] == "experiment.guardrail"
    assert document["timestamp"] == "2026-11-23T10:00:00Z"
    assert document["data"] == {"subject": "ranker", "sentence": "Refunds are worse.", "evidence": {"lift": -0.03}}
    key = base64.b64decode(webhooks.secret(webhook).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    delivery = Delivery.objects.get()
    assert delivery.outcome == Outcome.DELIVERED
    assert [(one.status, one.failure) for one in delivery.tries.all()] == [(204, "")]


def test_only_those_who_want_this_kind_are_told(hook):
    hook("all"), hook("guards", ["experiment.guardrail"]), hook("ramps", ["experiment.ramp"])
    hook("off", enabled=False)
    tell()
    assert {delivery.webhook.key for delivery in Delivery.objects.all()} == {"all", "guards"}


def test_a_state_is_told_once(hook):
    hook()
    for _ in range(3):
        tell(once="phase 1")
    tell(once="phase 2"), tell(subject="other", once="phase 1")
    assert Notice.objects.count() == Delivery.objects.count() == 3
    for _ in range(2):
        tell()
    assert Notice.objects.count() == 5


def test_what_is_rolled_back_was_never_announced(hook):
    hook()
    with pytest.raises(RuntimeError), transaction.atomic():
        tell()
        raise RuntimeError
    assert not Notice.objects.exists()
    assert not Delivery.objects.exists()


def test_delivery_begins_at_the_commit_and_not_before(hook, monkeypatch, django_capture_on_commit_callbacks):
    asked = []
    monkeypatch.setattr(tasks.deliver, "delay", lambda **about: asked.append(about["delivery_id"]))
    hook()
    with django_capture_on_commit_callbacks(execute=True):
        tell()
        assert asked == []
    assert asked == [Delivery.objects.get().pk]


def test_what_fails_is_tried_again_with_the_same_id_until_a_day_is_over(hook, receiver):
    hook()
    tell()
    receiver.status = 500
    at, tried = NOW, 0
    while Delivery.objects.get().outcome == Outcome.WAITING:
        run(at)
        run(at)  # not due again yet
        tried += 1
        at = Delivery.objects.get().due_at
        assert at <= NOW + timedelta(hours=24)
    delivery = Delivery.objects.get()
    assert delivery.outcome == Outcome.GIVEN_UP
    assert len(receiver.got) == tried == delivery.n_tries == delivery.tries.count() > 5
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({headers["webhook-signature"] for headers, _ in receiver.got}) == tried
    assert {one.failure for one in delivery.tries.all()} == {"It answered 500."}


def test_it_goes_through_once_the_receiver_is_back(hook, receiver):
    hook()
    tell()
    receiver.status = 503
    run()
    receiver.status = 200
    run(NOW + timedelta(seconds=30))
    assert Delivery.objects.get().outcome == Outcome.DELIVERED
    run(NOW + timedelta(hours=1))
    assert len(receiver.got) == 2


def test_a_redirect_is_not_followed(hook, receiver):
    hook()
    tell()
    receiver.status = 302
    run()
    assert len(receiver.got) == 1
    assert Delivery.objects.get().outcome == Outcome.WAITING


def test_gone_switches_the_webhook_off_and_the_trail_says_so(hook, receiver):
    hook()
    tell()
    receiver.status = 410
    run()
    assert not Webhook.objects.get().enabled
    assert Delivery.objects.get().outcome == Outcome.GIVEN_UP
    assert AuditEntry.objects.get(subject="chat").changes == {"enabled": [True, False]}


def test_a_private_address_is_not_called_and_the_log_says_why(hook, receiver, settings):
    hook()
    tell()
    settings.WEBHOOK_NETWORKS = []
    run()
    assert receiver.got == []
    assert "private address" in Delivery.objects.get().tries.get().failure


def test_nobody_there_is_a_failure_in_words(hook, receiver):
    hook(url="http://127.0.0.1:1/")
    tell()
    run()
    assert Delivery.objects.get().tries.get().failure == "No answer: ConnectError."


def test_a_worker_that_dies_in_between_leaves_a_delivery_that_is_made_again(hook, receiver, monkeypatch):
    hook()
    tell()
    monkeypatch.setattr(delivering, "_post", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.undo()
    run()
    assert receiver.got == []  # it may still be on its way
    run(NOW + delivering.LEASE)
    assert len(receiver.got) == 1
    assert Delivery.objects.get().outcome == Outcome.DELIVERED


def test_subscribers_and_named_people_get_a_letter(hook):
    ada, bob, eve, out = (User.objects.create(username=name, email=f"{name}@shop.example") for name in "abeo")
    User.objects.filter(pk=out.pk).update(is_active=False)
    Subscription.objects.create(user=ada)
    Subscription.objects.create(user=bob, kinds=["experiment.ramp"])
    Subscription.objects.create(user=out)
    tell(people=[ada, eve])
    run()
    assert sorted(letter.to[0] for letter in mail.outbox) == ["a@shop.example", "e@shop.example"]
    letter = mail.outbox[0]
    assert letter.subject == "ranker: Refunds are worse."
    assert "lift: -0.03" in letter.body


def test_a_sentence_of_several_lines_makes_no_header_of_its_own():
    user = User.objects.create(username="a", email="a@shop.example")
    Subscription.objects.create(user=user)
    announce("x", "s", "One.\nBcc: all@shop.example", evidence={}, at=NOW)
    run()
    assert mail.outbox[0].subject == "s: One. Bcc: all@shop.example"
    assert mail.outbox[0].recipients() == ["a@shop.example"]


def test_the_database_refuses_to_change_a_notice():
    tell()
    with pytest.raises(DatabaseError), transaction.atomic():
        Notice.objects.update(sentence="All is well.")


def test_the_clock_finds_what_the_broker_never_got(hook, receiver, monkeypatch):
    hook()
    tell()
    Delivery.objects.update(due_at=NOW)
    monkeypatch.setattr(tasks.deliver, "delay", tasks.deliver)
    tasks.deliver_due()
    assert len(receiver.got) == 1


def test_what_was_told_long_ago_is_forgotten_but_the_notice_stays(hook, receiver):
    hook()
    tell(), tell(), tell()
    run()
    old, waiting, fresh = Delivery.objects.order_by("pk")
    long_ago = datetime.now(UTC) - tasks.KEEP - timedelta(days=1)
    Delivery.objects.filter(pk__in=[old.pk, waiting.pk]).update(first_at=long_ago)
    Delivery.objects.filter(pk=waiting.pk).update(outcome=Outcome.WAITING)
    Delivery.objects.filter(pk=fresh.pk).update(first_at=datetime.now(UTC))
    tasks.forget_deliveries()
    assert set(Delivery.objects.all()) == {waiting, fresh}
    assert Notice.objects.count() == 3
