"""The ASGI application of the streams: server-sent events, one loop, thousands of clients that mostly wait.

`/ofrep/v1/stream` speaks OFREP 0.3 (service/event-streams.yaml), `/sub/{client_key}` what SDKs of GrowthBook listen to.
OpenFeature's clients hear only that something changed and ask again; GrowthBook's get the features themselves, for a
page that asks again within half a minute is answered by its own cache.
"""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "firstlight.streams.settings"  # whatever the processes beside it have

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import django
import structlog

django.setup()  # of other processes the loggers, and settings that are read once

from firstlight.doors import problems  # noqa: E402
from firstlight.serving import announcing, growthbook  # noqa: E402
from firstlight.snapshots import memory  # noqa: E402
from firstlight.streams import frames  # noqa: E402
from firstlight.streams.changes import changes  # noqa: E402
from firstlight.streams.hub import Full, Hub, Stream  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Told = Callable[[int, str], bytes]  # of the number of a snapshot and a key

HEARTBEAT = 15.0  # seconds: proxies end what is silent for longer
RETRY = 3_000  # milliseconds that a client waits before it connects again
BEGIN = 3.0  # seconds that it waits for its first snapshot before it takes connections
PAUSE = 1.0  # seconds before a snapshot that could not be read is tried again
SUB = "/sub/"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"access-control-allow-origin", b"*"),
]

hub = Hub()
log = structlog.get_logger(__name__)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)


def ofrep(number: int, who: str) -> bytes:
    return frames.refetch(number, int(memory.current().published_at.timestamp()))


def features(number: int, who: str) -> bytes:
    held = memory.current()
    return frames.features(number, growthbook.body_of(held, held.state("client_keys")[who]).plain)


async def _lifespan(receive: Receive, send: Send) -> None:
    listening: asyncio.Task[None] | None = None
    while True:
        match (await receive())["type"]:
            case "lifespan.startup":
                listening = asyncio.create_task(_listen())
                await _first_look()
                await send({"type": "lifespan.startup.complete"})
            case "lifespan.shutdown":
                if listening is not None:
                    listening.cancel()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _first_look() -> None:
    """So that who comes first is answered; a database that is away is not waited for."""
    end = time.monotonic() + BEGIN
    while not hub.newest and time.monotonic() < end:
        await asyncio.sleep(0.02)


async def _listen() -> None:
    """What the experiments were decides whether there is something to tell; a key that is gone ends its streams."""
    known: tuple[Any, ...] = ()
    async for _ in changes():
        held = await _renewed()
        state = held.state("experiments"), held.state("scenarios")
        hub.end(lambda who: _key(who) is None)
        if not known or any(one is not other for one, other in zip(state, known, strict=True)):
            known = state
            hub.tell(held.number)


async def _renewed() -> memory.Held:
    """What is held once it is fresh; while it cannot be, it is tried again."""
    while True:
        try:
            return await asyncio.to_thread(memory.refresh)
        except Exception as error:  # the last good one stays, as in the web processes
            log.warning("snapshot not renewed", reason=f"{type(error).__name__}: {error}".strip())
            await asyncio.sleep(PAUSE)


def _key(who: str) -> Any:
    """As it is held; None for one that is not in force."""
    held = memory.current()
    return held.state("keys").get(who) or held.state("client_keys").get(who)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path == "/healthz":
        return await _say(send, 200, json.dumps({"status": "alive", "streams": len(hub)}).encode())
    if scope["method"] != "GET":
        return await _refuse(send, 405, "Use GET.", (b"allow", b"GET"))
    if not hub.newest:
        return await _refuse(send, 503, "No snapshot has been loaded yet.", (b"retry-after", b"1"))
    if path == announcing.PATH:
        who = announcing.whose(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0])
        if who is None or _key(who) is None:
            return await _refuse(send, 401, "This address is not of ours, or its key was revoked.")
        return await _stream(scope, receive, send, who, ofrep)
    if path.startswith(SUB):
        who = path.removeprefix(SUB)
        if who not in memory.current().state("client_keys"):
            return await _refuse(send, 404, "There is no such client key, or it was revoked.")
        return await _stream(scope, receive, send, who, features)
    return await _refuse(send, 404, "There is nothing here.")


async def _stream(scope: Scope, receive: Receive, send: Send, who: str, told: Told) -> None:
    try:
        with hub.joined(who, _seen(scope)) as stream:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await _part(send, frames.begun(RETRY))
            gone = asyncio.create_task(_gone(receive))
            try:
                await _tell(stream, gone, send, told)
            finally:
                gone.cancel()
    except Full:
        await _refuse(send, 503, "There are as many streams as may be.", (b"retry-after", b"30"))


async def _tell(stream: Stream, gone: "asyncio.Task[None]", send: Send, told: Told) -> None:
    """Until the client is gone, or its key."""
    while not gone.done():
        change = asyncio.create_task(stream.next())
        await asyncio.wait({change, gone}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        if not change.done():
            change.cancel()
            await _part(send, frames.BEAT)
        elif (number := change.result()) is None or _key(stream.who) is None:
            await send({"type": "http.response.body", "body": b""})
            return
        else:
            await _part(send, told(number, stream.who))


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
