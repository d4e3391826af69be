"""Children stop when told, and when their parent is gone, however it went."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight.demo import processes
from firstlight.demo.processes import Program

PLATFORM = str(Path(__file__).parents[3] / "platform")
SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
# Leaves a grandchild behind and ignores SIGTERM, as badly behaved as a program can be.
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True); time.sleep(600)",
)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(question: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not question() and time.monotonic() < deadline:
        time.sleep(0.02)
    return question()


def test_programs_run_inside_the_block_and_are_gone_after_it(tmp_path: Path) -> None:
    with processes.running(
        [Program("one", SLEEPER), Program("two", SLEEPER)], environment={}, logs=tmp_path
    ) as children:
        assert eventually(lambda: all(child.log.read_text() == "up\n" for child in children))
        processes.check(children)
    assert not any(is_alive(child.process.pid) for child in children)


def test_they_are_gone_when_the_block_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        processes.running([Program("one", SLEEPER)], environment={}, logs=tmp_path) as children,
    ):
        1 / 0  # noqa: B018
    assert not is_alive(children[0].process.pid)


def test_whoever_ignores_the_asking_is_killed_with_its_own_children(tmp_path: Path) -> None:
    child = processes.start(Program("stubborn", STUBBORN), environment={}, log=tmp_path / "log")
    assert eventually(lambda: child.log.read_text().endswith("\n"))
    grandchild = int(child.log.read_text())
    processes.stop([child], grace=0.3)
    assert eventually(lambda: not is_alive(child.process.pid) and not is_alive(grandchild))


def test_grandchildren_of_a_child_that_died_are_stopped_too(tmp_path: Path) -> None:
    child = processes.start(Program("stubborn", STUBBORN), environment={}, log=tmp_path / "log")
    assert eventually(lambda: child.log.read_text().endswith("\n"))
    grandchild = int(child.log.read_text())
    child.process.kill()
    child.process.wait()
    assert is_alive(grandchild)
    processes.stop([child], grace=5)
    assert eventually(lambda: not is_alive(grandchild))


@pytest.mark.parametrize(
    ("code", "how"), [("raise SystemExit(3)", "exit code 3"), ("import os; os.kill(os.getpid(), 9)", "signal SIGKILL")]
)
def test_a_death_is_told_with_its_manner_and_the_end_of_the_log(tmp_path: Path, code: str, how: str) -> None:
    program = Program("worker", (sys.executable, "-c", f"print('last words', flush=True); {code}"))
    with processes.running([program], environment={}, logs=tmp_path) as children:
        children[0].process.wait()
        with pytest.raises(processes.Died, match=rf"(?s)worker ended by itself \({how}\).*last words"):
            processes.check(children)


def test_the_tail_is_the_end_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n" for n in range(100_000)))
    assert processes.tail(log, 2) == "line 99998\nline 99999"


def test_children_see_the_environment_they_are_given(tmp_path: Path) -> None:
    program = Program("one", (sys.executable, "-c", "import os; print(os.environ['GIVEN'])"))
    with processes.running([program], environment={"GIVEN": "this"}, logs=tmp_path) as children:
        children[0].process.wait()
    assert children[0].log.read_text() == "this\n"


PARENT = """
import sys, time
from pathlib import Path
from firstlight.demo import processes
from firstlight.demo.processes import Program
with processes.running([Program("one", tuple(sys.argv[2:]))], environment={}, logs=Path(sys.argv[1])) as children:
    print(children[0].process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the tether is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), *SLEEPER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": PLATFORM},
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert eventually(lambda: (tmp_path / "one.log").read_text() == "up\n")
    parent.send_signal(number)
    parent.wait(timeout=20)
    parent.stdout.close()
    assert eventually(lambda: not is_alive(child))
