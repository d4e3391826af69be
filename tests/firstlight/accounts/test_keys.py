from hashlib import sha256

import pytest
from django.test import TestCase
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from firstlight.accounts import keys, section
from firstlight.accounts.models import ApiKey, AuditEntry, User


@pytest.fixture
def made(db):
    User.objects.create(username="ada")
    return keys.create("home feed", {"read", "allocate"}, ["home_feed"], "ada")


def held(*rows: ApiKey) -> dict[str, keys.HeldKey]:
    return {row.public_id: keys.HeldKey.of(row) for row in rows}


def test_only_a_hash_of_the_secret_is_stored(made):
    key, text = made
    secret = text.split("_", 2)[2]
    key.refresh_from_db()
    assert bytes(key.secret_hash) == sha256(secret.encode()).digest()
    assert secret not in str(ApiKey.objects.values().get()) + str(list(AuditEntry.objects.values()))
    assert (key.scopes, key.scenarios, key.created_by.username) == (["allocate", "read"], ["home_feed"], "ada")


def test_the_text_opens_and_nothing_else_does(made):
    key, text = made
    known = held(key)
    assert keys.verify(known, f"Bearer {text}") == known[key.public_id]
    assert keys.verify(known, f"bearer {text}") is not None  # the scheme has no case (RFC 9110)
    for wrong in (None, "", text, f"Basic {text}", f"Bearer {text}x", f"Bearer {text[:-1]}", "Bearer fl__", "Bearer x"):
        assert keys.verify(known, wrong) is None
    assert keys.verify({}, f"Bearer {text}") is None


@given(st.text())
def test_no_header_is_too_strange_to_be_refused(header):
    assert keys.verify({}, header) is None
    assert keys.verify({}, f"Bearer fl_{header}_{header}") is None


def test_nobodys_key_is_not_opened_by_an_empty_id():
    assert keys.verify({}, "Bearer fl__") is None
    assert keys.verify({}, None) is None


def test_a_revoked_key_leaves_the_snapshot_and_the_trail_says_who_did_it(made, django_user_model):
    key, _ = made
    assert set(section.gather({n: section.load(p) for n, p in section.compile(timezone.now()).items()})) == {
        key.public_id
    }
    keys.revoke(key, "grace")
    assert section.compile(timezone.now()) == {}
    keys.revoke(key, "late")
    entry = AuditEntry.objects.get(action="revoked")
    assert (entry.actor, entry.subject, list(entry.changes)) == ("grace", key.public_id, ["revoked_at"])


def test_the_same_key_compiles_to_the_same_bytes_and_loads_as_it_was(made):
    key, _ = made
    payload = section.compile(timezone.now())[key.public_id]
    assert payload == section.compile(timezone.now())[key.public_id]
    assert section.load(payload) == keys.HeldKey.of(key)
    assert payload.index(b"allocate") < payload.index(b"read")  # sets have no order, bytes must


def test_a_key_covers_its_scenarios_only(made):
    key, _ = made
    limited, free = keys.HeldKey.of(key), keys.HeldKey("x", b"", frozenset(), frozenset())
    assert limited.covers(["home_feed"])
    assert not limited.covers(["home_feed", "search"])
    assert free.covers(["search"])


class WhatIsRecordedIsPublished(TestCase):
    def test_once_per_transaction(self):
        called.clear()
        with self.settings(AFTER_CHANGE=f"{__name__}.publish"), self.captureOnCommitCallbacks(execute=True):
            keys.create("a", ["read"], [], "ada")
            keys.create("b", ["read"], [], "ada")
        assert called == [1]


called: list[int] = []


def publish():
    called.append(1)
