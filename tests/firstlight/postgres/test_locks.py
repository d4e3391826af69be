"""One at a time, also across processes and however the holder ends."""

import threading

import pytest
from django.db import OperationalError, connection, connections, transaction

from firstlight.postgres import locks


def in_another_session(work: object) -> list[object]:
    """What `work()` gives on a connection of its own."""
    answers: list[object] = []

    def run() -> None:
        try:
            answers.append(work())  # type: ignore[operator]
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers


def try_to_hold() -> str:
    try:
        with locks.alone("analyse", "7"):
            return "held"
    except locks.Busy:
        return "busy"


@pytest.mark.django_db(transaction=True)
def test_only_one_holds_a_lock_and_it_is_free_afterwards() -> None:
    with locks.alone("analyse", "7"):
        assert in_another_session(try_to_hold) == ["busy"]
    assert in_another_session(try_to_hold) == ["held"]


@pytest.mark.django_db(transaction=True)
def test_a_lock_is_free_after_an_error_and_after_its_session_died() -> None:
    with pytest.raises(ZeroDivisionError), locks.alone("analyse", "7"):
        raise ZeroDivisionError
    assert in_another_session(try_to_hold) == ["held"]

    with pytest.raises(OperationalError), locks.alone("analyse", "7"):
        connection.close()
        assert in_another_session(try_to_hold) == ["held"]


@pytest.mark.django_db(transaction=True)
def test_a_lock_of_a_transaction_ends_with_it() -> None:
    with transaction.atomic():
        locks.wait_in_transaction("analyse", "7")
        assert in_another_session(try_to_hold) == ["busy"]
    assert in_another_session(try_to_hold) == ["held"]


def test_parts_of_a_name_are_kept_apart() -> None:
    assert locks.lock_key("a", "bc") != locks.lock_key("ab", "c")
    assert -(2**63) <= locks.lock_key("a") < 2**63
