"""The one typed reader of the environment.

Every setting that an operator can change is read here, so that a wrong one is refused once, by name. A secret may be
given as `NAME` or as `NAME_FILE`, the path of a file that holds it (the form of Docker and Kubernetes secrets).
"""

import os
import secrets
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


def text(name: str, default: str | None = None) -> str:
    """`name`, else the content of the file that `name_FILE` points at, else `default`; refused when all are absent."""
    if value := os.environ.get(name, ""):
        return value
    if path := os.environ.get(f"{name}_FILE", ""):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}") from error
    if default is None:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) is not set")
    return default


def integer(name: str, default: int, *, at_least: int = 0, at_most: int = 2**31 - 1) -> int:
    def read(raw: str) -> int:
        value = int(raw)
        if not at_least <= value <= at_most:
            raise ValueError
        return value

    return _parsed(name, str(default), read, f"a whole number from {at_least} to {at_most}")


def flag(name: str, default: bool) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    return _parsed(name, str(default), lambda raw: words[raw.lower()], "true or false")


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str, default: str = "") -> list[str]:
    """A comma-separated list of networks: 10.1.0.0/16, fd00::/8."""
    return _parsed(
        name,
        default,
        lambda raw: [str(ip_network(one.strip())) for one in raw.split(",") if one.strip()],
        "networks such as 10.1.0.0/16, comma-separated",
    )


def cores(name: str) -> tuple[int, ...]:
    """Of those that this process may use: `all`, or a comma-separated list of numbers; none by default."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()

    def read(raw: str) -> tuple[int, ...]:
        named = usable if raw == "all" else {int(one) for one in raw.split(",") if one.strip()}
        if not named <= usable:
            raise ValueError
        return tuple(sorted(named))

    return _parsed(name, "", read, f"all, or some of the cores {sorted(usable)}, comma-separated")


def choice(name: str, default: str, options: set[str]) -> str:
    return _parsed(name, default, lambda raw: {o: o for o in options}[raw], f"one of {', '.join(sorted(options))}")


def url(name: str, default: str, schemes: set[str]) -> str:
    def read(raw: str) -> str:
        if urlsplit(raw).scheme.split("+")[0] not in schemes:
            raise ValueError
        return raw

    return _parsed(name, default, read, f"a URL that starts with {' or '.join(sorted(f'{s}://' for s in schemes))}")


def generated_secret(name: str, *, kept_at: Path) -> str:
    """`name` from the environment, else a random secret made once and kept in a file only its owner can read."""
    if value := text(name, ""):
        return value
    if not kept_at.exists():
        kept_at.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(kept_at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
    return kept_at.read_text(encoding="utf-8")


def _parsed(name: str, default: str, read: Callable[[str], T], wanted: str) -> T:
    raw = text(name, default)
    try:
        return read(raw)
    except (ValueError, KeyError) as error:
        # The value itself may hold a password (a URL), so it is not repeated.
        raise ImproperlyConfigured(f"{name}: expected {wanted}") from error
