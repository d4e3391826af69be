"""The embedded server: found by everyone, left by nobody, and harmless to folders that are not its own."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from firstlight.postgres import embedded

FAST = {"fsync": "off"}


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o700)
    yield home
    embedded.remove(embedded.cluster(home / "var"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def answer(here: embedded.Cluster, query: str) -> object:
    with psycopg.connect(here.url()) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return row[0]


def test_it_answers_is_durable_by_default_and_stops_with_its_last_user(private: Path) -> None:
    with embedded.running(private / "var") as here:
        assert answer(here, "SHOW fsync") == "on"
        assert answer(here, "SHOW synchronous_commit") == "on"
        with embedded.running(private / "var"):
            pass
        assert embedded.is_running(here), "an inner user leaves, the outer one still needs it"
    assert not embedded.is_running(here)


def test_what_was_written_is_there_after_a_crash(private: Path) -> None:
    here = embedded.cluster(private / "var")
    embedded.start(here)
    with psycopg.connect(here.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    embedded.stop(here, mode="immediate")
    assert embedded.start(here)
    assert answer(here, "SELECT answer FROM kept") == 42


def test_folders_that_are_not_ours_keep_their_mode(private: Path) -> None:
    before = {path: mode(path) for path in [private, *private.parents]}
    with embedded.running(private / "var", **FAST):
        pass
    assert {path: mode(path) for path in before} == before


def test_a_long_path_still_fits_a_socket(private: Path) -> None:
    deep = private / ("d" * 120)
    here = embedded.cluster(deep)
    assert len(os.fsencode(here.socket_dir / embedded.SOCKET)) <= embedded.LONGEST_SOCKET_PATH
    try:
        with embedded.running(deep, **FAST):
            assert answer(here, "SELECT 1") == 1
    finally:
        embedded.remove(here)


def test_two_folders_have_two_servers_and_one_has_the_same_again(tmp_path: Path) -> None:
    assert embedded.cluster(tmp_path / "a") != embedded.cluster(tmp_path / "b")
    assert embedded.cluster(tmp_path / "a") == embedded.cluster(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's data lies outside of the folder")
def test_who_deletes_the_folder_starts_anew(tmp_path: Path) -> None:
    before = embedded.cluster(tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    assert embedded.cluster(tmp_path / "a") != before


def test_a_libpq_url_becomes_a_django_database() -> None:
    database = embedded.django_database("postgresql://ann:s%40cret@db.example:6432/shop?sslmode=require")
    assert {k: database[k] for k in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "shop",
        "USER": "ann",
        "PASSWORD": "s@cret",
        "HOST": "db.example",
        "PORT": "6432",
    }
    assert database["OPTIONS"]["sslmode"] == "require"
