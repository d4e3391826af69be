"""The reader of the environment: a wrong setting is refused by its name, and never with its value."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from firstlight import env


def test_the_variable_comes_before_the_file_before_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert env.text("X", "default") == "default"
    (tmp_path / "secret").write_text("from file\n")
    monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))
    assert env.text("X", "default") == "from file"
    monkeypatch.setenv("X", "from variable")
    assert env.text("X", "default") == "from variable"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "")
    assert env.text("X", "default") == "default"


def test_a_missing_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"X \(or X_FILE\) is not set"):
        env.text("X")


def test_an_unreadable_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match=r"X_FILE: cannot read .*absent: No such file"):
        env.text("X", "default")


@pytest.mark.parametrize(("raw", "value"), [("true", True), ("1", True), ("Yes", True), ("FALSE", False), ("0", False)])
def test_a_flag_is_a_word(monkeypatch: pytest.MonkeyPatch, raw: str, value: bool) -> None:
    monkeypatch.setenv("X", raw)
    assert env.flag("X", not value) is value


@given(st.text(min_size=1).filter(lambda t: "\0" not in t and t.isascii()))
def test_a_flag_is_no_other_word(raw: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("X", raw)
        if raw.lower() in {"true", "1", "yes", "false", "0", "no"}:
            assert env.flag("X", True) in (True, False)
        else:
            with pytest.raises(ImproperlyConfigured, match=r"^X: expected true or false$"):
                env.flag("X", True)


@pytest.mark.parametrize("raw", ["x", "1.5", "3", "-1", "11"])
def test_an_integer_outside_its_range_is_refused(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("X", raw)
    with pytest.raises(ImproperlyConfigured, match="X: expected a whole number from 4 to 10"):
        env.integer("X", 4, at_least=4, at_most=10)


def test_an_integer_inside_its_range_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "10")
    assert env.integer("X", 4, at_least=4, at_most=10) == 10


def test_words_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a, b ,,c")
    assert env.words("X") == ["a", "b", "c"]
    assert env.words("Y") == []


def test_a_choice_names_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "c")
    with pytest.raises(ImproperlyConfigured, match="X: expected one of a, b"):
        env.choice("X", "a", {"b", "a"})


def test_a_wrong_url_is_refused_without_repeating_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@db/shop")
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.url("DATABASE_URL", "", {"postgresql"})
    assert "DATABASE_URL" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("raw", ["redis://host:6379/0", "sqla+postgresql://host/db"])
def test_a_url_is_known_by_the_first_part_of_its_scheme(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("X", raw)
    assert env.url("X", "", {"redis", "sqla"}) == raw


def test_a_generated_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    kept = tmp_path / "var" / "secret"
    first = env.generated_secret("X", kept_at=kept)
    assert len(first) >= 50
    assert env.generated_secret("X", kept_at=kept) == first
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_given_secret_wins_over_a_generated_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X", "given")
    assert env.generated_secret("X", kept_at=tmp_path / "secret") == "given"
    assert not (tmp_path / "secret").exists()
