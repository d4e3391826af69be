"""Every refusal of the REST API as a problem document; nothing under /api/ answers in HTML."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from firstlight.doors.problems import CONTENT_TYPE, Place, encoded, pointer, problem

RETRY_SECONDS = 5  # a database that restarts is back by then


class Conflict(exceptions.APIException):
    """The request is fine, but not now: what the command refused, in its words."""

    status_code = 409


class Unprocessable(exceptions.APIException):
    """Well-formed but wrong, with the places already known."""

    status_code = 422

    def __init__(self, errors: Sequence[Place]) -> None:
        self.errors = list(errors)
        super().__init__(_count(self.errors))


class Unavailable(exceptions.APIException):
    """Something we stand on is away for the moment."""

    status_code = 503


def bad_query(parameter: str, detail: str) -> Unprocessable:
    return Unprocessable([{"parameter": parameter, "detail": detail}])


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler. What it does not know is an error of ours: None, and Django answers 500."""
    match exc:
        case exceptions.ValidationError():
            errors = list(places(exc.detail))
            return _answer(422, _count(errors), errors)
        case Unprocessable():
            return _answer(422, str(exc.detail), exc.errors)
        case exceptions.Throttled():
            wait = math.ceil(getattr(exc, "wait", None) or 1)
            return _answer(429, str(exc.detail), headers={"Retry-After": str(wait)})
        case Unavailable():
            return _answer(503, str(exc.detail), headers={"Retry-After": str(RETRY_SECONDS)})
        case exceptions.APIException():
            challenge = getattr(exc, "auth_header", None)
            return _answer(
                exc.status_code, str(exc.detail), headers={"WWW-Authenticate": challenge} if challenge else {}
            )
        case Http404():
            return _answer(404, "There is nothing of this name here.")
        case IntegrityError():
            return _answer(409, "Somebody else changed the same thing at the same time. Read it again and retry.")
        case OperationalError() | InterfaceError():
            detail = "The database cannot be reached at the moment."
            return _answer(503, detail, headers={"Retry-After": str(RETRY_SECONDS)})
    return None


def _answer(status: int, detail: str, errors: Sequence[Place] = (), headers: dict[str, str] | None = None) -> Response:
    return Response(problem(status, "", detail, errors), status=status, headers=headers, content_type=CONTENT_TYPE)


def _count(errors: Sequence[Place]) -> str:
    return "One thing is wrong." if len(errors) == 1 else f"{len(errors)} things are wrong."


def places(detail: Any, *steps: object) -> Iterator[Place]:
    """REST framework's nested messages as JSON pointers; a code that is a pointer goes deeper."""
    match detail:
        case dict():
            for field, inner in detail.items():
                whole = field == api_settings.NON_FIELD_ERRORS_KEY
                yield from places(inner, *steps, *([] if whole else [field]))
        case list():
            for index, inner in enumerate(detail):
                # a list holds the messages of one value, or one entry per row
                yield from places(inner, *steps, *([] if isinstance(inner, str) else [index]))
        case _:
            code = getattr(detail, "code", "")
            yield {"pointer": pointer(*steps) + (code if code.startswith("/") else ""), "detail": str(detail)}


# --- what Django itself refuses -------------------------------------------------------------------------------------


@csrf_exempt  # the token of a form that does not exist is not what is wrong here
def absent(request: HttpRequest, path: str = "") -> HttpResponse:
    """The last route under /api/: Django would answer in HTML, or redirect a POST into a GET to add a slash."""
    return _document(404, "There is no such address. Addresses of the REST API end in a slash.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _document(400, "Bad request.") if _is_api(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _document(403, "Not allowed.") if _is_api(request) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return absent(request) if _is_api(request) else defaults.page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponseBase:
    if not _is_api(request):
        return defaults.server_error(request)
    return _document(500, "This is a fault of ours. It is logged under the id in the header X-Request-ID.")


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _document(status: int, detail: str) -> HttpResponse:
    return HttpResponse(encoded(status, "", detail), status=status, content_type=CONTENT_TYPE)
