"""How `make test` shares the tests among the cores: a pytest plugin (`-p tests.workers`).

A file stays with one worker, for its fixtures are made once per file. What starts servers, kills them or drives a
browser stays with one worker altogether: side by side such tests would take each other's time, and they watch clocks.
"""

from typing import Any

import pytest

WATCH_CLOCKS = ("tests/flows/", "tests/faults/", "tests/browser/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first, that no core waits at the end for the other one's last file."""
    slow = {_file(item.nodeid) for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not item.nodeid.startswith(WATCH_CLOCKS), _file(item.nodeid) not in slow))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # the order above says more than the number of tests
    sharing = LoadScopeScheduling(config, log)
    sharing._split_scope = _together
    return sharing


def pytest_make_parametrize_id(val: object) -> str | None:
    """Workers must give a test the same name; gzip writes the second in which it was made."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and not val.isascii() else None


def _together(nodeid: str) -> str:
    """What goes to the same worker as this test."""
    return "what watches clocks" if nodeid.startswith(WATCH_CLOCKS) else _file(nodeid)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
