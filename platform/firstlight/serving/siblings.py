"""The web processes of one server: who they are, and the folder in which they add up what they count.

Must not import prometheus_client, which decides at its import whether it shares.
"""

import contextlib
import os
import shutil
import socket
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_meters(var_dir: Path) -> None:
    """Name the folder after the server, the parent of all its web processes; remove those of servers that ended.

    Process ids mean something on one host only, and hosts may share a volume.
    """
    if VARIABLE in os.environ:
        return
    folder = var_dir / "meters" / socket.gethostname()
    for other in folder.glob("*"):
        if not is_alive(int(other.name)):
            shutil.rmtree(other, ignore_errors=True)
    mine = folder / str(os.getppid())
    mine.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(mine)


def forget_gauges_of_the_dead() -> None:
    """A gauge of a process that ended tells nothing any more; its counters go on counting."""
    for file in Path(os.environ[VARIABLE]).glob("gauge_live*.db"):
        if not is_alive(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)


def pids() -> set[int]:
    """Of all that live, this one among them."""
    counting = {int(file.stem.rpartition("_")[2]) for file in Path(os.environ[VARIABLE]).glob("counter_*.db")}
    return {os.getpid(), *filter(is_alive, counting)}


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, 0)
        return True
    return Path(f"/proc/{pid}").exists()  # somebody else's
