"""What did not change is a 304: bulk flags of OpenFeature and the payload of GrowthBook, requests per second.

50 live experiments; every request brings the tag of its last answer, bulk flags of a unit each. Beside them, in turns
and on the same server, a body of two bytes: what server and load generator cost by themselves.
"""

import json
from contextlib import ExitStack

import httpx

from bench import allocate, stack
from bench.evaluate import ATTRIBUTES
from firstlight.accounts import client_keys

UNITS = 500
FLAGS = "/ofrep/v1/evaluate/flags"


def run() -> None:
    with stack.database(), ExitStack() as running:
        secret = allocate.prepare()
        page = client_keys.create("bench", [], "bench", tells_lists=False).key
        ours = running.enter_context(stack.web(ready="/readyz"))
        bare = running.enter_context(stack.web("bench.constant_wsgi:application", CONSTANT_BODY="2"))
        asked = {
            "bulk 304": [flags(ours, secret, unit) for unit in range(UNITS)],
            "payload 304": [features(ours, page)],
        }
        for name, requests in asked.items():
            compare(name, requests, ours, bare)


def compare(name: str, requests: list[bytes], ours: str, bare: str) -> None:
    for address in (ours, bare):
        allocate.measure(address, requests, allocate.WARM)
    turns = range(allocate.ROUNDS)
    rounds = [[allocate.measure(address, requests, allocate.SECONDS) for address in (ours, bare)] for _ in turns]
    mine, theirs = (allocate.middle(one) for one in zip(*rounds, strict=True))
    reference = f"a body of 2 bytes {allocate.told(theirs)}"
    stack.line(name, allocate.told(mine), reference, mine.rate / theirs.rate)


def flags(address: str, secret: str, unit: int) -> bytes:
    context = {"targetingKey": f"u-{unit}", "scenario": "home_feed", **ATTRIBUTES}
    body = json.dumps({"context": context}).encode()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    headers["If-None-Match"] = httpx.post(address + FLAGS, content=body, headers=headers).headers["ETag"]
    assert httpx.post(address + FLAGS, content=body, headers=headers).status_code == 304
    return request("POST", FLAGS, {**headers, "Content-Length": str(len(body))}) + body


def features(address: str, key: str) -> bytes:
    path, headers = f"/api/features/{key}", {"Accept-Encoding": "gzip"}
    headers["If-None-Match"] = httpx.get(address + path, headers=headers).headers["ETag"]
    assert httpx.get(address + path, headers=headers).status_code == 304
    return request("GET", path, headers)


def request(method: str, path: str, headers: dict[str, str]) -> bytes:
    told = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items())
    return f"{method} {path} HTTP/1.1\r\n{told}\r\n".encode()
