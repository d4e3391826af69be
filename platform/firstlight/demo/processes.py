"""Child processes that start together and stop together, however their parent ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
GRACE = 15.0  # seconds between asking to stop and SIGKILL: a worker finishes its task meanwhile


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Child:
    program: Program
    process: "subprocess.Popen[bytes]"
    log: Path


class Died(Exception):
    """A child ended by itself; the words carry the tail of its log."""


@contextlib.contextmanager
def running(programs: Sequence[Program], *, environment: dict[str, str], logs: Path) -> Iterator[list[Child]]:
    """All programs, for the length of the block; on the way out every process of theirs is gone."""
    logs.mkdir(parents=True, exist_ok=True)
    children: list[Child] = []
    try:
        for program in programs:
            children.append(start(program, environment=environment, log=logs / f"{program.name}.log"))  # noqa: PERF401
        yield children
    finally:
        with undisturbed():
            stop(children)


def start(program: Program, *, environment: dict[str, str], log: Path) -> Child:
    """One program in a process group of its own: Ctrl-C reaches us only, and we stop it in order."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(TETHER), str(os.getpid()), *program.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    return Child(program, process, log)


def stop(children: Sequence[Child], *, grace: float = GRACE) -> None:
    """Ask every child to end, wait, and kill what is left of its group."""
    for child in children:
        # The child alone, not its group: a Celery worker whose pool is told as well waits for it for ever.
        child.process.terminate()
    deadline = time.monotonic() + grace
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, deadline - time.monotonic()))
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def check(children: Sequence[Child]) -> None:
    """Raise `Died` when one of them has ended."""
    for child in children:
        if (code := child.process.poll()) is not None:
            raise Died(
                f"{child.program.name} ended by itself ({_how(code)}). The end of {child.log}:\n{tail(child.log)}"
            )


def tail(log: Path, lines: int = 20) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not cut the stopping short."""
    held = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
