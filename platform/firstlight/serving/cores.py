"""A core for each web process, where the operator gives them some (WEB_CORES).

Python runs one thread of a process at a time, so a second core gives it nothing, while threads that wander between
cores find cold caches and wake each other across them: kept together they answer a third more (docs/operations.md).
Nothing is agreed on: each process takes the core of its rank among its siblings, and looks again now and then, since
a deploy replaces them.
"""

import contextlib
import os
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import structlog

from firstlight.serving import siblings

EVERY = 1.0  # seconds between two looks

log = structlog.get_logger(__name__)


def start(cores: Sequence[int]) -> None:
    """Keep this process on one of `cores`; with fewer than two, or where the system cannot, leave it alone."""
    if len(cores) > 1 and hasattr(os, "sched_setaffinity"):
        threading.Thread(target=_run, args=(cores,), name="cores", daemon=True).start()


def own(cores: Sequence[int], pids: Collection[int], pid: int) -> int:
    """The core of `pid`, which is one of `pids`; no core has two processes more than another."""
    return cores[sorted(pids).index(pid) % len(cores)]


def keep(core: int) -> None:
    """Every thread of this process; those that they start will follow."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # ended meanwhile
            os.sched_setaffinity(int(thread.name), {core})


def _run(cores: Sequence[int]) -> None:
    held = None
    while True:
        core = own(cores, siblings.pids(), os.getpid())
        if core != held:
            try:
                keep(core)
            except OSError as error:
                log.error("web process not kept on its core", core=core, reason=str(error))
                return
            held = core
        time.sleep(EVERY)
