"""What the server costs by itself: a constant body of CONSTANT_BODY bytes, whatever is asked."""

import os
from collections.abc import Callable, Iterable
from typing import Any

BODY = b"x" * int(os.environ["CONSTANT_BODY"])
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", HEADERS)
    return [BODY]
