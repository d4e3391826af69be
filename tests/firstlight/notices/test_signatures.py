"""Against the example that the Standard Webhooks specification publishes, and a verifier written from its text."""

import base64
import hashlib
import hmac

from firstlight.notices import signatures


def test_the_published_example_gives_the_published_signature():
    # https://github.com/standard-webhooks/standard-webhooks, tests of its libraries
    secret, message, timestamp = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    found = signatures.signature(secret, message, timestamp, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_that_knows_the_secret_can_verify(settings):
    secret = signatures.secret(b"s" * 32)
    sent = signatures.headers(secret, "notice_7", 1_800_000_000, b"{}")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + b"{}"
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert sent["webhook-signature"] == f"v1,{wanted}"
    assert len(key) == 32


def test_nothing_of_it_can_be_changed():
    sign, secret = signatures.signature, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    changed = [
        sign(secret, "notice_8", 1, b"{}"),
        sign(secret, "notice_7", 2, b"{}"),
        sign(secret, "notice_7", 1, b"{ }"),
        sign("whsec_AA==", "notice_7", 1, b"{}"),
    ]
    assert len({sign(secret, "notice_7", 1, b"{}"), *changed}) == 5


def test_the_secret_hangs_on_the_salt_and_on_the_key_of_the_site(settings):
    first = signatures.secret(b"a" * 32)
    assert signatures.secret(b"a" * 32) == first
    assert signatures.secret(b"b" * 32) != first
    settings.SECRET_KEY = "another"
    assert signatures.secret(b"a" * 32) != first
