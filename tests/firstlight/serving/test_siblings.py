import os
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight.serving import siblings


@pytest.fixture
def dead() -> int:
    """Id of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.fixture(autouse=True)
def memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system has its memory by the name of a folder."""
    monkeypatch.setenv(siblings.VARIABLE, "")
    monkeypatch.delenv(siblings.VARIABLE)
    folder = tmp_path_factory.mktemp("memory")
    monkeypatch.setattr(siblings, "MEMORY", folder)
    return folder


def test_what_is_shared_lies_in_memory_where_nobody_else_may_enter(tmp_path: Path, memory: Path) -> None:
    siblings.share_meters(tmp_path)
    (mine,) = memory.iterdir()
    assert Path(os.environ[siblings.VARIABLE]).is_relative_to(mine)
    assert mine.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", ["none", "a file", "a link"])
def test_without_such_a_place_it_lies_on_the_disk(
    taken: str, tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = memory / f"firstlight-{os.getuid()}"
    match taken:
        case "none":
            monkeypatch.setattr(siblings, "MEMORY", memory / "absent")
        case "a file":
            name.touch()
        case "a link":
            name.symlink_to(memory)
    siblings.share_meters(tmp_path)
    assert Path(os.environ[siblings.VARIABLE]).is_relative_to(tmp_path)


def test_the_folder_is_that_of_the_server_and_those_of_dead_servers_go(tmp_path: Path, dead: int) -> None:
    siblings.share_meters(tmp_path)
    mine = Path(os.environ[siblings.VARIABLE])
    assert mine.is_dir()
    assert mine.name == str(os.getppid())
    (mine.parent / str(dead)).mkdir()
    (mine / "counter_1.db").touch()
    del os.environ[siblings.VARIABLE]
    siblings.share_meters(tmp_path)
    assert [p.name for p in mine.parent.iterdir()] == [mine.name]
    assert (mine / "counter_1.db").exists(), "a process that starts anew does not reset its siblings"


def test_a_folder_that_was_chosen_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(siblings.VARIABLE, "/chosen")
    siblings.share_meters(tmp_path)
    assert os.environ[siblings.VARIABLE] == "/chosen"
    assert list(tmp_path.iterdir()) == []


def test_only_gauges_of_the_dead_are_forgotten(tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(siblings.VARIABLE, str(tmp_path))
    alive = os.getpid()
    for name in (f"gauge_livesum_{dead}.db", f"gauge_livesum_{alive}.db", f"counter_{dead}.db"):
        (tmp_path / name).touch()
    siblings.forget_gauges_of_the_dead()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"gauge_livesum_{alive}.db", f"counter_{dead}.db"])


def test_siblings_are_those_that_count_and_live(tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(siblings.VARIABLE, str(tmp_path))
    assert siblings.pids() == {os.getpid()}
    for pid in (dead, os.getppid()):
        (tmp_path / f"counter_{pid}.db").touch()
    assert siblings.pids() == {os.getpid(), os.getppid()}
