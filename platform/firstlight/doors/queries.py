"""Query parameters, read or refused by name."""

from collections.abc import Collection
from datetime import UTC, datetime

from rest_framework.request import Request

from firstlight.doors.refusals import bad_query


def text(request: Request, name: str, *, longest: int = 200) -> str | None:
    """What was sent under this name; None when nothing was."""
    value = request.query_params.get(name)
    if value is not None and (not value or len(value) > longest or "\0" in value):
        raise bad_query(name, f"A text of 1 to {longest} characters.")
    return value


def choice(request: Request, name: str, choices: Collection[str], default: str) -> str:
    value = request.query_params.get(name, default)
    if value not in choices and value != default:
        raise bad_query(name, f"One of {', '.join(choices)}.")
    return value


def time(request: Request, name: str) -> datetime | None:
    """An RFC 3339 time with a zone, in UTC."""
    value = request.query_params.get(name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise bad_query(name, "A time with a zone, as in 2026-11-23T10:00:00Z.") from error
