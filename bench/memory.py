"""What the processes of a server hold, as Linux counts it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

MIB = 2**20


def of_web(address: str) -> dict[int, int]:
    """By process id, bytes resident in each worker of the server at this address, the oldest first."""
    told = f"--port\0{urlsplit(address).port}\0".encode()
    ours = {pid for pid in _processes() if told in _read(pid, "cmdline")}
    return {pid: _resident(pid) for pid in sorted(ours) if _parent(pid) in ours}


def _processes() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").glob("[0-9]*"))


def _read(pid: int, name: str) -> bytes:
    """Empty for one that is gone by now."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _resident(pid: int) -> int:
    lines = _read(pid, "status").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"VmRSS")), 0)
