"""The whole platform from outside, as `make demo` runs it: real logs in, a verdict and a slate out, twice."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import scipy.stats

from firstlight.postgres import embedded

ROOT = Path(__file__).parents[2]
CLICKS = {"all": (38, 42), "men": (46, 69), "women": (46, 46)}  # of 10,000 each, random and bernoulli_ts
N_ITEMS = {"all": 80, "men": 34, "women": 46}


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo")
    if (ROOT / "var" / "cache").is_dir():  # what was fetched once; else the run fetches it
        shutil.copytree(ROOT / "var" / "cache", folder / "cache", dirs_exist_ok=True)
    yield folder
    embedded.remove(embedded.cluster(folder))


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(var: Path, port: int) -> dict[str, str]:
    ours = {name for name in os.environ if name.endswith("_URL") or name.startswith(("DJANGO", "PYTEST"))}
    return {**{k: v for k, v in os.environ.items() if k not in ours}, "VAR_DIR": str(var), "PORT": str(port)}


def demo(var: Path, port: int) -> tuple[str, float]:
    began = time.monotonic()
    finished = subprocess.run(
        [sys.executable, "manage.py", "up", "--headless"],
        cwd=ROOT,
        env=environment(var, port),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout, time.monotonic() - began


def read(var: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((var / "demo" / "report.json").read_text())
    return report


@pytest.fixture(scope="module")
def first(var: Path, port: int) -> tuple[dict[str, Any], str]:
    said, _ = demo(var, port)
    return read(var), said


@pytest.mark.parametrize("campaign", CLICKS)
def test_arms_have_the_impressions_and_clicks_of_the_logs(first: tuple[dict[str, Any], str], campaign: str) -> None:
    arms = first[0]["scenarios"][campaign]["arms"]
    assert list(arms) == ["random", "bernoulli_ts"]
    for arm, clicks in zip(arms.values(), CLICKS[campaign], strict=True):
        assert arm == {"impressions": 10_000, "clicks": clicks, "rate": pytest.approx(clicks / 10_000)}


@pytest.mark.parametrize("campaign", CLICKS)
def test_the_effect_is_what_welch_finds_in_the_raw_data(first: tuple[dict[str, Any], str], campaign: str) -> None:
    found = first[0]["scenarios"][campaign]
    control, treatment = (np.repeat([1.0, 0.0], [clicks, 10_000 - clicks]) for clicks in CLICKS[campaign])
    raw = scipy.stats.ttest_ind(treatment, control, equal_var=False)
    assert found["p"] == pytest.approx(raw.pvalue, rel=1e-6)
    assert found["lift"] == pytest.approx(treatment.mean() / control.mean() - 1)
    low, high = found["interval"]
    assert low < found["lift"] < high
    assert (low > 0 or high < 0) == (found["p"] < 0.05)
    assert found["srm_p"] == pytest.approx(1.0)
    assert found["verdict"]


def test_every_kind_of_experiment_stands_on_the_real_logs(first: tuple[dict[str, Any], str]) -> None:
    """Clicks over the campaigns add up; the halves of the control are alike; both are decided, and a plan waits."""
    found = {one["key"]: one for one in first[0]["experiments"]}
    clicks = [sum(one[i] for one in CLICKS.values()) for i in (0, 1)]
    shop = found["open-bandit-shop"]
    assert (shop["status"], shop["decision"]) == ("decided", "inconclusive")
    assert [arm["clicks"] for arm in shop["arms"].values()] == clicks
    assert shop["scenarios"] == ["all", "men", "women"]
    same = found["open-bandit-aa"]
    assert (same["type"], same["decision"]) == ("aa", "inconclusive")
    assert sum(arm["impressions"] for arm in same["arms"].values()) == 10_000
    assert sum(arm["clicks"] for arm in same["arms"].values()) == CLICKS["all"][0]
    assert found["posteriors-of-the-shop"]["status"] == "draft"


def test_thompson_sampling_is_worth_what_is_known(first: tuple[dict[str, Any], str]) -> None:
    value = first[0]["scenarios"]["all"]["policy_value"]
    assert value["ips"] == pytest.approx(0.00456274, abs=5e-9)
    assert value["snips"] == pytest.approx(0.00478603, abs=5e-9)
    assert value["ess"] == pytest.approx(1643.2, abs=0.05)


@pytest.mark.parametrize("campaign", CLICKS)
def test_five_items_lead_and_a_live_answer_fills_three_slots(first: tuple[dict[str, Any], str], campaign: str) -> None:
    found = first[0]["scenarios"][campaign]
    leaders = found["leaders"]
    assert len({leader["item"] for leader in leaders}) == 5
    assert all(leader["interval"][0] < leader["mean"] < leader["interval"][1] for leader in leaders)
    answer = found["allocation"]
    assert answer["scenario"] == campaign
    (assigned,) = answer["experiments"]
    assert assigned["experiment"] == f"open-bandit-{campaign}"
    assert answer["parameters"]["ranker"] == assigned["variant"]
    assert [slot["position"] for slot in answer["discovery"]] == [1, 2, 3]
    items = {slot["item_id"] for slot in answer["discovery"]}
    assert items <= {f"{campaign}-{k}" for k in range(N_ITEMS[campaign])}
    assert len(items) == 3
    assert all(0 < slot["propensity"] <= 1 for slot in answer["discovery"])


def test_the_report_names_every_step_and_its_note(first: tuple[dict[str, Any], str]) -> None:
    report, said = first
    assert {"migrate", "start", "send", "flush", "measure", "analyse", "learn", "evaluate"} <= set(report["seconds"])
    assert "each impression is a unit of its own" in report["note"]
    assert "password" in said


def test_a_second_run_finds_everything_as_it_was(first: tuple[dict[str, Any], str], var: Path, port: int) -> None:
    before, _ = first
    said, seconds = demo(var, port)
    after = read(var)
    for campaign, found in after["scenarios"].items():
        for name in set(found) - {"allocation"}:
            assert found[name] == before["scenarios"][campaign][name], name
    assert "changepassword admin" in said
    assert seconds < 30  # mostly the start of Python in four processes; the first run takes its minute


def processes_of(var: Path) -> list[str]:
    """Ours that were started with this folder, not the embedded server, which has a check of its own."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"VAR_DIR={var}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (OSError, PermissionError):
            continue
    return [command for command in found if command and "postgres" not in command]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_stays_until_it_is_told_and_leaves_nothing_behind(
    first: tuple[dict[str, Any], str], var: Path, port: int, number: signal.Signals
) -> None:
    (var / "demo" / "report.json").unlink(missing_ok=True)
    with (var / "up.log").open("wb") as said:
        command = [sys.executable, "manage.py", "up"]
        up = subprocess.Popen(command, cwd=ROOT, env=environment(var, port), stdout=said, stderr=said)
    deadline = time.monotonic() + 120
    while not (var / "demo" / "report.json").exists() and time.monotonic() < deadline and up.poll() is None:
        time.sleep(0.2)
    assert (var / "demo" / "report.json").exists(), (var / "up.log").read_text()
    time.sleep(1)
    assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == httpx.codes.OK
    up.send_signal(number)
    assert up.wait(timeout=60) == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    deadline = time.monotonic() + 30
    while processes_of(var) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(var) == []
    assert embedded.is_running(embedded.cluster(var)) == (number == signal.SIGKILL)
    embedded.stop(embedded.cluster(var))
