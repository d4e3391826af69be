import pytest

from firstlight.accounts.models import AuditEntry
from firstlight.notices import tasks, webhooks
from firstlight.notices.models import Delivery, Webhook
from tests.api.conftest import pointers

HOOK = {"key": "chat", "name": "Chat", "url": "https://chat.example/hook", "kinds": ["experiment.guardrail"]}


@pytest.fixture
def made(api):
    return api.send("post", "/webhooks/", HOOK).json()


def test_the_secret_is_shown_once(api):
    made = api.send("post", "/webhooks/", HOOK)
    assert made.status_code == 201, made.content
    assert made.json()["secret"] == webhooks.secret(Webhook.objects.get())
    found = api.get("/api/v1/webhooks/chat/").json()
    assert {name: found[name] for name in HOOK} == HOOK
    assert "secret" not in found
    assert made.json()["secret"] not in str(AuditEntry.objects.values_list("changes"))


def test_a_changed_webhook_keeps_its_secret_and_a_renewed_one_does_not(api, made):
    changed = api.send("patch", "/webhooks/chat/", {"enabled": False, "kinds": []}).json()
    assert (changed["enabled"], changed["kinds"]) == (False, [])
    assert webhooks.secret(Webhook.objects.get()) == made["secret"]
    renewed = api.send("post", "/webhooks/chat/renew/").json()["secret"]
    assert renewed == webhooks.secret(Webhook.objects.get()) != made["secret"]
    assert AuditEntry.objects.first().action == "secret renewed"


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"url": "ftp://chat.example/"}, {"/url"}),
        ({"url": "https://ada:secret@chat.example/"}, {"/url"}),
        ({"key": "a b"}, {"/key"}),
        ({"kinds": ["x" * 61]}, {"/kinds/0"}),
        ({"secret": "mine"}, {"/secret"}),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(api, change, places):
    assert pointers(api.send("post", "/webhooks/", HOOK | change)) == places


def test_a_test_is_sent_and_its_tries_can_be_read(api, made, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(tasks.deliver, "delay", tasks.deliver)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.0.0.1", 443))])
    with django_capture_on_commit_callbacks(execute=True):
        asked = api.send("post", "/webhooks/chat/test/")
    assert asked.status_code == 202, asked.content
    assert Delivery.objects.get().webhook.key == "chat"
    (found,) = api.get("/api/v1/webhooks/chat/deliveries/").json()["results"]
    assert (found["kind"], found["outcome"]) == ("webhook.test", "waiting")
    assert "private address" in found["tries"][0]["failure"]


def test_reading_needs_manage_for_an_address_may_be_a_secret(client_with, made):
    reader = client_with(["read"])
    assert reader.get("/api/v1/webhooks/").status_code == 403
    assert reader.send("post", "/webhooks/chat/test/").status_code == 403


@pytest.mark.parametrize(("role", "status"), [("operator", 200), ("product manager", 403), ("viewer", 403)])
def test_people_may_what_their_role_says(person, made, role, status):
    assert person(role).get("/api/v1/webhooks/").status_code == status
