"""Refusals as RFC 9457 problem documents. Pure: the hot paths use it without a framework."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypedDict

import msgspec

CONTENT_TYPE = "application/problem+json"


class Place(TypedDict, total=False):
    """What is wrong where: a JSON pointer into the body, or the name of a query parameter."""

    pointer: str
    parameter: str
    detail: str


def problem(status: int, title: str, detail: str, errors: Sequence[Place] = ()) -> dict[str, Any]:
    """An empty `title` is that of the status."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return document | ({"errors": list(errors)} if errors else {})


def encoded(status: int, title: str, detail: str, errors: Sequence[Place] = ()) -> bytes:
    return msgspec.json.encode(problem(status, title, detail, errors))


def pointer(*steps: object) -> str:
    """RFC 6901: ("arms", 1, "weight") is /arms/1/weight.

    >>> pointer("a/b", 0)
    '/a~1b/0'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
