"""One try over HTTP, within seconds: a whole reply or why there is none. Nothing else is raised.

`httpx` bounds each step of a request (connecting, every chunk), not all of it; a server that sends a byte now and then
would be waited for without end. Here the whole try is bounded.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

import httpx

LONGEST_REPLY = 256 * 2**20  # bytes
CONNECTIONS = 64


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes
    took: float = 0.0  # seconds


class Failure(NamedTuple):
    reason: str


class TooSlow(Exception):
    """The time for this try is over."""


class TooLong(Exception):
    """A reply, inflated, is longer than any there is."""


BROKEN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TooSlow, TooLong, OSError, RuntimeError)


class Address(NamedTuple):
    """Where the server is and who asks."""

    url: str
    key: str

    def options(self, connections: int) -> dict[str, object]:
        return {
            "base_url": self.url,
            "headers": {"Authorization": f"Bearer {self.key}", "User-Agent": "firstlight-client"},
            "limits": httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            "follow_redirects": False,
        }


class Transport:
    """For threads."""

    def __init__(self, address: Address, connections: int = CONNECTIONS) -> None:
        self._address, self._connections = address, connections
        self._http = self._made()

    def _made(self) -> httpx.Client:
        return httpx.Client(**self._address.options(self._connections))  # type: ignore[arg-type]

    def renew(self) -> None:
        """In a forked child: the sockets are the parent's, who goes on talking on them."""
        self._http = self._made()

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, within: float
    ) -> Reply | Failure:
        began = time.monotonic()
        try:
            with self._http.stream(
                method, path, content=body or None, headers=headers, timeout=max(within, 0.001)
            ) as response:
                body = _read(response, began + within)
            return Reply(response.status_code, response.headers, body, time.monotonic() - began)
        except BROKEN as error:
            return failure(error)

    def close(self) -> None:
        self._http.close()


class AsyncTransport:
    """For asyncio."""

    def __init__(self, address: Address, connections: int = CONNECTIONS) -> None:
        self._address, self._connections = address, connections
        self._http = self._made()

    def _made(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(**self._address.options(self._connections))  # type: ignore[arg-type]

    def renew(self) -> None:
        self._http = self._made()

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, within: float
    ) -> Reply | Failure:
        began = time.monotonic()
        try:
            async with asyncio.timeout(within):
                # Without limits of its own: the one around it is the whole of it.
                async with self._http.stream(
                    method, path, content=body or None, headers=headers, timeout=None
                ) as response:
                    body = await _read_async(response)
            return Reply(response.status_code, response.headers, body, time.monotonic() - began)
        except TimeoutError:
            return failure(TooSlow())
        except BROKEN as error:
            return failure(error)

    async def close(self) -> None:
        await self._http.aclose()


def failure(error: Exception) -> Failure:
    if isinstance(error, TooSlow | httpx.TimeoutException):
        return Failure("no answer in time")
    return Failure(f"{type(error).__name__}: {error}".rstrip(": "))


def _read(response: httpx.Response, until: float) -> bytes:
    read = bytearray()
    for chunk in response.iter_bytes():
        _append(read, chunk)
        if time.monotonic() > until:
            raise TooSlow
    return bytes(read)


async def _read_async(response: httpx.Response) -> bytes:
    read = bytearray()
    async for chunk in response.aiter_bytes():
        _append(read, chunk)
    return bytes(read)


def _append(read: bytearray, chunk: bytes) -> None:
    read += chunk
    if len(read) > LONGEST_REPLY:
        raise TooLong("the reply is longer than any there is")
