"""Pages of a list by the key of the last row seen, so that rows which come and go shift no page."""

from base64 import b64decode, urlsafe_b64encode
from typing import Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from firstlight.doors.refusals import Unprocessable, bad_query

DEFAULT, MOST = 100, 1_000


class CursorPagination(BasePagination):
    """`{"results": [...], "next": url|null}` in the order of `key`, which is unique in every list."""

    by = "key"
    next: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        size = limit(request)
        cursor = request.query_params.get("cursor")
        page = list(self.rows(queryset, _key(cursor) if cursor else None)[: size + 1])
        if len(page) > size:
            last = str(getattr(page[size - 1], self.by))
            self.next = replace_query_param(request.build_absolute_uri(), "cursor", _cursor(last))
        return page[:size]

    def rows(self, queryset: Any, after: str | None) -> Any:
        """In order, those behind the last one seen."""
        return (queryset if after is None else queryset.filter(key__gt=after)).order_by("key")

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": {"type": ["string", "null"], "format": "uri"}},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT}
        return [
            {"name": "limit", "in": "query", "required": False, "schema": size},
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "schema": {"type": "string"},
                "description": "From `next` of the page before.",
            },
        ]


class NewestFirst(CursorPagination):
    """The same of what is numbered (`by`): the highest first."""

    by = "number"

    def rows(self, queryset: Any, after: str | None) -> Any:
        seen = {} if after is None else {f"{self.by}__lt": _number(after)}
        return queryset.filter(**seen).order_by(f"-{self.by}")


class OldestFirst(NewestFirst):
    """The lowest number first: a feed that grows at its end."""

    def rows(self, queryset: Any, after: str | None) -> Any:
        seen = {} if after is None else {f"{self.by}__gt": _number(after)}
        return queryset.filter(**seen).order_by(self.by)


def limit(request: Request) -> int:
    """How many rows the client asks for."""
    raw = request.query_params.get("limit", str(DEFAULT))
    if not (raw.isascii() and raw.isdigit() and len(raw) < 10 and 1 <= int(raw) <= MOST):
        raise bad_query("limit", f"A whole number from 1 to {MOST:,}.")
    return int(raw)


def _cursor(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode()


def _key(cursor: str) -> str:
    try:
        key = b64decode(cursor.encode("ascii"), b"-_", validate=True).decode()
    except ValueError:
        key = "\0"
    if "\0" in key:
        raise _no_cursor()
    return key


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise _no_cursor()
    return int(cursor)


def _no_cursor() -> Unprocessable:
    return bad_query("cursor", "This is not a cursor that a page gave.")
