"""HTTP on the hot path: an answer, a refusal, and a body that is read within bounds."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from firstlight.doors import bodies, problems

Environ = dict[str, Any]  # PEP 3333
Headers = tuple[tuple[str, str], ...]

LONGEST_BODY = bodies.LIMIT


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Headers = ()


class Refusal(Exception):
    """A request that is not answered, and why: a problem document (RFC 9457)."""

    def __init__(self, status: int, detail: str, errors: Sequence[problems.Place] = (), headers: Headers = ()) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers

    def document(self) -> dict[str, Any]:
        return problems.problem(self.status, HTTPStatus(self.status).phrase, self.detail, self.errors)

    def answer(self) -> Answer:
        body = problems.encoded(self.status, HTTPStatus(self.status).phrase, self.detail, self.errors)
        return Answer(self.status, body, problems.CONTENT_TYPE, self.headers)


def media_type(environ: Environ, *accepted: str) -> str:
    """The one of `accepted` that the body claims to be, in UTF-8; else refused."""
    claimed: str = environ.get("CONTENT_TYPE", "")
    if claimed in accepted:
        return claimed
    kind, *parameters = (word.strip().lower() for word in claimed.split(";"))
    charset = [p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")]
    if kind not in accepted or charset not in ([], ["utf-8"]):
        raise Refusal(415, f"Send {' or '.join(accepted)}, in UTF-8.")
    return kind


def body(environ: Environ) -> bytes:
    """The body as the client wrote it, inflated if it came as gzip."""
    try:
        return bodies.inflated(_read(environ), environ.get("HTTP_CONTENT_ENCODING", ""))
    except bodies.UnknownEncoding as error:
        raise Refusal(415, str(error)) from error
    except bodies.Broken as error:
        raise Refusal(400, str(error)) from error
    except bodies.TooLarge as error:
        raise Refusal(413, str(error)) from error


def _read(environ: Environ) -> bytes:
    """Never more than a byte past the bound, whatever length was announced or not (chunked)."""
    announced = environ.get("CONTENT_LENGTH", "")
    if announced and not (announced.isascii() and announced.isdigit()):
        raise Refusal(400, "Content-Length is not a number.")
    if announced and int(announced) > LONGEST_BODY:
        raise _too_long()
    # Without a length the input ends by itself, or there is none: only a server that says so may be read to its end.
    left = int(announced) if announced else LONGEST_BODY + 1 if environ.get("wsgi.input_terminated") else 0
    chunks = []
    while left and (chunk := environ["wsgi.input"].read(left)):
        chunks.append(chunk)
        left -= len(chunk)
    if announced and left:
        raise Refusal(400, "The body ended before its Content-Length.")
    if not announced and not left and chunks:
        raise _too_long()
    return b"".join(chunks)


def _too_long() -> Refusal:
    return Refusal(413, f"The body may have {LONGEST_BODY} bytes, compressed or not.")
