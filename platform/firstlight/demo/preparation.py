"""What must stand before the services start. Each step finds its work done the second time."""

import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from firstlight.accounts import keys
from firstlight.accounts.models import ApiKey, Scope, User

ADMIN = "admin"
KEY_NAME = "demo"
SCOPES = (Scope.ALLOCATE, Scope.INGEST, Scope.BACKFILL, Scope.READ)


class PortTaken(Exception):
    """Somebody else listens there; the words name the variable to set."""


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str | None  # None when the login was there already: only a hash of its password is kept

    def __str__(self) -> str:
        if self.password is None:
            return f"{self.username}, with its password (forgotten? .venv/bin/python manage.py changepassword {ADMIN})"
        return f"{self.username}, password {self.password} (shown this once; only its hash is kept)"


def check_port(host: str, port: int) -> None:
    """That port and the next: the web processes and the streams listen there."""
    for one in (port, port + 1):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, one))
            except (OSError, OverflowError) as error:
                why = getattr(error, "strerror", None) or "there is no such port"
                told = f"{host}:{one} cannot be used ({why}). Set PORT: PORT={one % 65534 + 1} make up"
                raise PortTaken(told) from error


def make_folders() -> None:
    for name in ("cache", "demo", "log"):
        (settings.VAR_DIR / name).mkdir(parents=True, exist_ok=True)


def collect_static() -> None:
    """Copy the static files when they changed: to compress them all takes seconds that a second start need not take."""
    kept = settings.VAR_DIR / "demo" / "static"
    stamp = hashlib.sha256("\n".join(_static_files()).encode()).hexdigest()
    if kept.exists() and kept.read_text() == stamp and Path(settings.STATIC_ROOT).is_dir():
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    kept.write_text(stamp)


def make_admin() -> Login:
    """The first person: `admin`, with a password made here and now."""
    if User.objects.filter(username=ADMIN).exists():
        return Login(ADMIN, None)
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(ADMIN, password=password)
    return Login(ADMIN, password)


def demo_key() -> str:
    """The text of the key that the demo calls the API with, kept in a file that only its owner can read."""
    kept = settings.VAR_DIR / "demo" / "key"
    if kept.exists() and _opens(text := kept.read_text()):
        return text
    _, text = keys.create(KEY_NAME, SCOPES, [], actor=KEY_NAME)
    kept.unlink(missing_ok=True)
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return text


def _opens(text: str) -> bool:
    live = ApiKey.objects.filter(name=KEY_NAME, revoked_at=None)
    return keys.verify({key.public_id: keys.HeldKey.of(key) for key in live}, f"Bearer {text}") is not None


def _static_files() -> Iterator[str]:
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            yield f"{path} {status.st_size} {status.st_mtime_ns}"
