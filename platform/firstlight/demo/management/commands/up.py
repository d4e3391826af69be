"""`make up` and `make demo`: set up, start everything, run the main job, show it."""

import fcntl
import json
import logging
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from rich.console import Console

from firstlight import env
from firstlight.demo import client, job, preparation, printing, processes, services, waiting
from firstlight.demo.download import Unavailable
from firstlight.demo.preparation import Login, PortTaken
from firstlight.demo.processes import Died
from firstlight.demo.progress import Steps
from firstlight.events.flush import WentBack, check_ledger
from firstlight.snapshots import publication

WIDTH = 140  # characters a line where there is no terminal to ask
REFUSALS = (Unavailable, PortTaken, Died, client.Refused, waiting.TookTooLong, WentBack)


class Command(BaseCommand):
    help = "Set everything up, start web, worker and beat, run the main job on real data, and stay up until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--headless", action="store_true", help="end after the job; var/demo/report.json has all")

    def handle(self, *_: Any, headless: bool, **__: Any) -> None:
        console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request would bury the bars
        # A terminal that closes and a supervisor that says stop end this as Ctrl-C does: in order.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        try:
            _up(console, headless)
        except REFUSALS as refusal:
            raise CommandError(str(refusal)) from refusal
        except KeyboardInterrupt as asked:
            raise CommandError(
                "Stopped before the job was done; what it did so far is kept.", returncode=130
            ) from asked


def _up(console: Console, headless: bool) -> None:
    host, port = env.text("HOST", "127.0.0.1"), env.integer("PORT", 8000, at_least=1, at_most=65535)
    address = f"http://{host}:{port}"
    steps = Steps(console)
    preparation.make_folders()
    with _only_one():
        preparation.check_port(host, port)
        login, key = _prepare(steps)
        with services.running(host, port) as children, client.client(address, key) as api:
            try:
                _work(console, steps, api, lambda: processes.check(children))
            finally:  # also when the work failed: a new password is shown this once
                _greet(console, address, login)
            if not headless:
                _stay(console, lambda: processes.check(children))


def _prepare(steps: Steps) -> tuple[Login, str]:
    with steps.step("migrate", "Bring the database up to date"):
        call_command("migrate", interactive=False, verbosity=0)
        check_ledger()
    with steps.step("static", "Collect the static files"):
        preparation.collect_static()
    with steps.step("keys", "Make the first admin, a key, and a snapshot to serve from"):
        login, key = preparation.make_admin(), preparation.demo_key()
        publication.publish()
    return login, key


def _work(console: Console, steps: Steps, api: httpx.Client, check: Callable[[], None]) -> None:
    try:
        with steps.step("start", "Start web, worker and beat"):
            client.wait_until_ready(api, check)
        report = job.run(api, steps, check)
    except Exception:
        check()  # when a service has died, that is what is told
        raise
    _write(report)
    printing.show(console, report)


@contextmanager
def _only_one() -> Iterator[None]:
    with (Path(settings.VAR_DIR) / "demo" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(f"Firstlight is up already in {settings.VAR_DIR}.") from error
        yield


def _write(report: dict[str, Any]) -> None:
    path = Path(settings.VAR_DIR) / "demo" / "report.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(path)


def _greet(console: Console, address: str, login: Login) -> None:
    console.print(f"\n[bold]Admin[/] {address}/admin/  login {login}", highlight=False)
    console.print(f"[bold]API[/]   {address}/api/docs/  key in {settings.VAR_DIR / 'demo' / 'key'}", highlight=False)


def _stay(console: Console, check: Callable[[], None]) -> None:
    console.print("\nUp until Ctrl-C.", style="dim")
    try:
        while True:
            check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("\nStopping.", style="dim")
