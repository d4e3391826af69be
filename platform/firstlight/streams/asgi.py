"""The ASGI application of the streams: server-sent events, one loop, thousands of clients that mostly wait.

`/ofrep/v1/stream` speaks OFREP 0.3 (service/event-streams.yaml), `/sub/{client_key}` what SDKs of GrowthBook listen to.
Both say only that something changed: who is told asks again where keys are checked.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "firstlight.settings")

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import django

django.setup()  # of other processes the loggers, and settings that are read once

from firstlight.doors import problems  # noqa: E402
from firstlight.serving import announcing  # noqa: E402
from firstlight.streams.changes import changes  # noqa: E402
from firstlight.streams.hub import Full, Hub, Stream  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Told = Callable[[int], bytes]

HEARTBEAT = 15.0  # seconds: proxies end what is silent for longer
RETRY = 3_000  # milliseconds that a client waits before it connects again
SUB = "/sub/"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"access-control-allow-origin", b"*"),
]

hub = Hub()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)


def ofrep(number: int) -> bytes:
    data = json.dumps({"type": "refetchEvaluation", "etag": str(number), "lastModified": int(time.time())})
    return f"id: {number}\nevent: message\ndata: {data}\n\n".encode()


def growthbook(number: int) -> bytes:
    """Whoever hears it fetches the features again."""
    return f"id: {number}\nevent: features-updated\ndata: {{}}\n\n".encode()


async def _lifespan(receive: Receive, send: Send) -> None:
    listening: asyncio.Task[None] | None = None
    while True:
        match (await receive())["type"]:
            case "lifespan.startup":
                listening = asyncio.create_task(_listen())
                await send({"type": "lifespan.startup.complete"})
            case "lifespan.shutdown":
                if listening is not None:
                    listening.cancel()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _listen() -> None:
    async for number in changes():
        hub.tell(number)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path == "/healthz":
        return await _say(send, 200, json.dumps({"status": "alive", "streams": len(hub)}).encode())
    if scope["method"] != "GET":
        return await _refuse(send, 405, "Use GET.", (b"allow", b"GET"))
    if path == announcing.PATH:
        who = announcing.whose(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0])
        if who is None:
            return await _refuse(send, 401, "This address is not of ours, or too old: evaluate the flags again.")
        return await _stream(scope, receive, send, who, ofrep)
    if path.startswith(SUB) and len(path) > len(SUB):
        return await _stream(scope, receive, send, path, growthbook)
    return await _refuse(send, 404, "There is nothing here.")


async def _stream(scope: Scope, receive: Receive, send: Send, who: str, told: Told) -> None:
    try:
        with hub.joined(who, _seen(scope)) as stream:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await _part(send, f"retry: {RETRY}\n\n".encode())
            gone = asyncio.create_task(_gone(receive))
            try:
                await _tell(stream, gone, send, told)
            finally:
                gone.cancel()
    except Full:
        await _refuse(send, 503, "There are as many streams as may be.", (b"retry-after", b"30"))


async def _tell(stream: Stream, gone: "asyncio.Task[None]", send: Send, told: Told) -> None:
    """Until the client is gone."""
    while not gone.done():
        change = asyncio.create_task(stream.next())
        await asyncio.wait({change, gone}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        if change.done():
            await _part(send, told(change.result()))
        else:
            change.cancel()
            await _part(send, b": still here\n\n")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _seen(scope: Scope) -> int | None:
    """Number of the last change that the client says it heard of; None of one that comes anew."""
    told = dict(scope["headers"]).get(b"last-event-id", b"").decode("latin-1")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None


async def _part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _refuse(send: Send, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    title = {401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}[status]
    await _say(send, status, problems.encoded(status, title, detail, ()), problems.CONTENT_TYPE.encode(), *headers)


async def _say(
    send: Send, status: int, body: bytes, kind: bytes = b"application/json", *headers: tuple[bytes, bytes]
) -> None:
    told = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})
