"""Ten minutes at 70 % of what the server can answer, with a new snapshot every ten seconds: does it stay as it was?

What web processes hold is read at the end of each minute: it may rise in the first, not after. No request may fail,
and every decision must be in the inbox at the end. `SOAK_SECONDS=600`, whole minutes.
"""

import os
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from bench import memory, paced, stack
from bench.allocate import UNITS, logged, measure, prepare, request
from bench.load import Measured
from bench.snapshots import change
from firstlight.snapshots import publication

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
SHARE, CONNECTIONS, EVERY = 0.7, 16, 10.0  # of the rate that was reached; seconds between two snapshots
WARM, FULL = 3.0, 8.0  # seconds
PATIENCE = 60.0  # seconds for the last decisions to arrive


def run() -> None:
    with stack.database():
        secret = prepare()
        requests = [request(unit, secret) for unit in range(UNITS)]
        with stack.web(ready="/readyz") as address:
            measure(address, requests, WARM)
            top = measure(address, requests, FULL).rate
            before = settled()
            soaked, held = soak(address, requests, SHARE * top)
            tell(top, soaked, held)
            asked = sum(one.requests for one in soaked)
            stored = settled(before + asked) - before
    print(
        f"           {asked:,} asked, all answered; decisions stored: {stored:,}{'' if stored == asked else ' (LOST)'}"
    )


def soak(address: str, requests: list[bytes], rate: float) -> tuple[list[Measured], list[float]]:
    """What was measured of each minute, and MiB held by all web processes at its end."""
    netloc = urlsplit(address)
    process = paced.started(
        netloc.hostname or "", netloc.port or 0, requests, connections=CONNECTIONS, seconds=SECONDS, rate=rate
    )
    held, began = [], time.monotonic()
    for number, moment in enumerate(moments(), 1):
        time.sleep(max(0.0, began + moment - time.monotonic()))
        change(number)
        publication.publish()
        if moment % paced.MINUTE == 0:
            held.append(sum(memory.of_web(address).values()) / memory.MIB)
    return paced.minutes(process), held


def moments() -> Iterator[float]:
    """Seconds after the beginning at which something is published, the last at the end."""
    return (EVERY * number for number in range(1, round(SECONDS / EVERY) + 1))


def tell(top: float, soaked: Sequence[Measured], held: Sequence[float]) -> None:
    for minute, (one, mebibytes) in enumerate(zip(soaked, held, strict=True), 1):
        figures = f"p50 {one.p50 * 1e3:.2f} ms, p99 {one.p99 * 1e3:5.1f} ms, web processes {mebibytes:,.1f} MiB"
        print(f"soak       minute {minute:2}: {one.rate:,.0f} requests/s of {top:,.0f}, {figures}", flush=True)
    figure = f"{held[-1]:,.1f} MiB at the end, p99 {soaked[-1].p99 * 1e3:.1f} ms"
    reference = f"after the first minute {held[0]:,.1f} MiB, p99 {soaked[0].p99 * 1e3:.1f} ms"
    stack.line("soak", figure, reference, held[-1] / held[0])


def settled(wanted: int | None = None) -> int:
    """Decisions in the inbox, once there are as many as wanted or, if nothing is, once no more come."""
    deadline, found = time.monotonic() + PATIENCE, -1
    while time.monotonic() < deadline:
        last, found = found, logged()
        if found == wanted or (wanted is None and found == last):
            break
        time.sleep(1.5)
    return found
