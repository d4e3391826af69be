"""What stands before the services start is made once and found again."""

import socket
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth import authenticate

from firstlight.accounts.models import ApiKey, User
from firstlight.demo import preparation


@pytest.fixture
def var(settings: LazySettings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    settings.AFTER_CHANGE = "builtins.int"  # publication has tests of its own
    preparation.make_folders()
    return tmp_path


@pytest.mark.django_db
def test_the_first_admin_gets_a_password_that_opens_and_is_not_kept(var: Path) -> None:
    login = preparation.make_admin()
    assert login.password
    assert authenticate(username="admin", password=login.password) == User.objects.get(is_superuser=True)
    assert login.password not in User.objects.get().password
    assert login.password in str(login)


@pytest.mark.django_db
def test_the_second_time_the_login_is_there_and_the_words_say_how_to_reset_it(var: Path) -> None:
    preparation.make_admin()
    again = preparation.make_admin()
    assert again.password is None
    assert "changepassword admin" in str(again)
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_the_key_is_made_once_and_only_its_owner_reads_it(var: Path) -> None:
    text = preparation.demo_key()
    assert preparation.demo_key() == text
    assert ApiKey.objects.count() == 1
    assert (var / "demo" / "key").stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
def test_a_key_that_opens_nothing_any_more_is_replaced(var: Path) -> None:
    text = preparation.demo_key()
    ApiKey.objects.all().delete()  # another database behind the same folder
    other = preparation.demo_key()
    assert other != text
    assert (var / "demo" / "key").read_text() == other


def test_a_taken_port_is_told_with_the_variable_to_set() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(preparation.PortTaken, match=rf"127.0.0.1:{port} .*PORT={port % 65534 + 1} make up"):
            preparation.check_port("127.0.0.1", port)
    preparation.check_port("127.0.0.1", port)


def test_static_files_are_collected_when_they_changed_and_only_then(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Any] = []

    def collect(*_: Any, **__: Any) -> None:
        runs.append(1)
        (var / "static").mkdir(exist_ok=True)

    files = ["a 1 1"]
    monkeypatch.setattr(preparation, "call_command", collect)
    monkeypatch.setattr(preparation, "_static_files", lambda: iter(files))
    preparation.collect_static()
    preparation.collect_static()
    assert len(runs) == 1
    files.append("b 1 1")
    preparation.collect_static()
    assert len(runs) == 2
    (var / "static").rmdir()
    preparation.collect_static()
    assert len(runs) == 3


def test_every_static_file_is_part_of_the_stamp() -> None:
    lines = list(preparation._static_files())
    assert any(line.startswith("admin/") for line in lines)
    assert lines == list(preparation._static_files())
