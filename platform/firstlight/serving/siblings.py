"""The web processes of one server: who they are, and the folder in which they add up what they count.

Must not import prometheus_client, which decides at its import whether it shares.
"""

import contextlib
import os
import shutil
import socket
import stat
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")  # noqa: S108 - for a folder that only we may enter


def share_meters(var_dir: Path) -> None:
    """Name the folder after the server, the parent of all its web processes; remove those of servers that ended.

    In memory where there is such a place, else in `var_dir`: whoever touches a new page of a mapped file while the disk
    is full is killed (SIGBUS). Process ids mean something on one host only, and hosts may share a volume.
    """
    if VARIABLE in os.environ:
        return
    folder = (_in_memory() or var_dir / "meters") / socket.gethostname()
    for other in folder.glob("*"):
        if not is_alive(int(other.name)):
            shutil.rmtree(other, ignore_errors=True)
    mine = folder / str(os.getppid())
    mine.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(mine)


def _in_memory() -> Path | None:
    """A folder of this user; None where there is no such place, or somebody else took the name."""
    mine = MEMORY / f"firstlight-{os.getuid()}"
    with contextlib.suppress(OSError):
        mine.mkdir(mode=0o700, exist_ok=True)
        found = mine.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            return mine
    return None


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
