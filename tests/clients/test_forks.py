"""A client in processes that fork: what is the parent's stays the parent's, and the child goes on by itself."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight_client import Firstlight
from tests.clients.pretend import Shop
from tests.clients.test_local import serve
from tests.firstlight.assignment.test_assignment import rule

Make = Callable[..., Firstlight]
UNIT = {"user_id": "u-81"}
SOURCE = Path(__file__).parents[2] / "clients" / "python" / "src"

# A process of its own: pytest has threads of others, which a fork of it would take along.
FORKS = """
import os, sys, time
from firstlight_client import Firstlight

url, folder, local = sys.argv[1], sys.argv[2] or None, sys.argv[3] == "local"
here = Firstlight(url, "fl_1_secret", folder=folder, local=local)
if local:
    assert here.wait_until_ready(10)
assert here.allocate({"user_id": "u"}, "home", timeout=10).source == "remote"
for i in range(100):
    here.track("visit", {"user_id": "u"}, properties={"i": i})
children = []
for child in range(1, 5):
    pid = os.fork()
    if pid == 0:
        assert here.counts == (0, 0, 0, 0, 0, 0), here.counts
        if local:
            assert here.assign({"user_id": "u"}, "home", expose=False).variant("a")
        assert here.allocate({"user_id": "u"}, "home", timeout=10).source == "remote"
        for i in range(100):
            here.track("visit", {"user_id": "u"}, properties={"i": 1000 * child + i})
        assert here.flush(20)
        here.close()
        os._exit(0)
    children.append(pid)
for i in range(100, 200):
    here.track("visit", {"user_id": "u"}, properties={"i": i})
ended = [os.waitpid(pid, 0)[1] for pid in children]
assert ended == [0] * 4, ended
assert here.flush(20)
"""


@pytest.mark.parametrize("folder", ["", "disk"])
@pytest.mark.parametrize("local", ["remote", "local"])
def test_each_process_sends_its_own_events_once(shop: Shop, tmp_path: Path, folder: str, local: str) -> None:
    serve(shop, [rule("a")])
    done = subprocess.run(
        [sys.executable, "-c", FORKS, shop.url, str(tmp_path) if folder else "", local],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = Counter(event["properties"]["i"] for event in shop.stored.values())
    assert found == Counter([*range(200), *(1_000 * child + i for child in range(1, 5) for i in range(100))])
    assert shop.received == len(shop.stored)


POOLS = """
import multiprocessing, sys, time
from firstlight_client import Firstlight

here = Firstlight(sys.argv[1], "fl_1_secret")

def work(i):
    here.track("visit", {"user_id": "u"}, properties={"i": i})  # and ends without a word of its own

if __name__ == "__main__":
    several = [multiprocessing.get_context("fork").Process(target=work, args=[i]) for i in range(4)]
    for one in several:
        one.start()
    for one in several:
        one.join(30)
    assert [one.exitcode for one in several] == [0] * 4
"""


def test_a_child_of_multiprocessing_sends_what_it_tracked_before_it_ends(shop: Shop) -> None:
    """Such a child ends without `atexit`."""
    done = subprocess.run(
        [sys.executable, "-c", POOLS, shop.url],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(event["properties"]["i"] for event in shop.stored.values()) == [0, 1, 2, 3]


STORM = """
import os, sys, threading, time
from firstlight_client import Firstlight

here = Firstlight(sys.argv[1], "fl_1_secret", folder=sys.argv[2])
stopped = threading.Event()

def busy():
    while not stopped.is_set():
        here.track("visit", {"user_id": "u"}, properties={"i": -1})
        here.allocate({"user_id": "u"}, "home")

threads = [threading.Thread(target=busy, daemon=True) for _ in range(4)]
for one in threads:
    one.start()
for child in range(25):
    pid = os.fork()
    if pid == 0:
        here.track("visit", {"user_id": "u"}, properties={"i": child})
        os._exit(0 if here.flush(20) else 1)
    began = time.monotonic()
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() - began < 30, "a child hangs"
        time.sleep(0.01)
stopped.set()
for one in threads:
    one.join()
here.close()
"""


def test_a_fork_in_the_middle_of_everything_hangs_nobody(shop: Shop, tmp_path: Path) -> None:
    """Locks are held by other threads at the moment of the fork, which do not exist in the child."""
    done = subprocess.run(
        [sys.executable, "-c", STORM, shop.url, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = Counter(event["properties"]["i"] for event in shop.stored.values())
    del found[-1]
    assert found == Counter(range(25))
