import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from firstlight import env
from firstlight.serving import cores

KEPT = """
import json, os, threading
from firstlight.serving import cores

held = threading.Event()
before = threading.Thread(target=held.wait)
before.start()
cores.keep({core})
after = threading.Thread(target=held.wait)
after.start()
print(json.dumps([sorted(os.sched_getaffinity(one.native_id)) for one in (threading.main_thread(), before, after)]))
held.set()
"""


@given(st.sets(st.integers(0, 63), min_size=1, max_size=8), st.sets(st.integers(1, 4_000_000), min_size=1, max_size=20))
def test_processes_share_the_cores_out_evenly(allowed: set[int], pids: set[int]) -> None:
    named = sorted(allowed)
    held = Counter(cores.own(named, pids, pid) for pid in pids)
    counts = [held[core] for core in named]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == len(pids)


def test_every_thread_is_kept_and_those_that_start_later() -> None:
    core = max(os.sched_getaffinity(0))
    told = subprocess.run(
        [sys.executable, "-c", KEPT.format(core=core)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "platform"},
    )
    assert json.loads(told.stdout) == [[core]] * 3


def test_a_web_process_is_left_alone_unless_it_is_told_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_CORES", raising=False)
    assert env.cores("WEB_CORES") == ()
    usable = sorted(os.sched_getaffinity(0))
    monkeypatch.setenv("WEB_CORES", "all")
    assert env.cores("WEB_CORES") == tuple(usable)
    monkeypatch.setenv("WEB_CORES", f" {usable[-1]},")
    assert env.cores("WEB_CORES") == (usable[-1],)


@pytest.mark.parametrize("said", ["some", "0;1", "-1", "99999"])
def test_cores_that_there_are_not_stop_the_start(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CORES", said)
    with pytest.raises(ImproperlyConfigured, match="WEB_CORES: expected all, or some of the cores"):
        env.cores("WEB_CORES")
