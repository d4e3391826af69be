"""What every test may use."""

import os
import shutil
from collections.abc import Iterator

import pytest

# Durability is not under test where the power cannot fail; the tests that do kill the server keep their own.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """A PostgreSQL of the tests' own, in a folder of its own, gone when they end."""
    from django.conf import settings

    from firstlight.postgres import embedded

    if not settings.EMBEDDED_POSTGRES:
        yield
        return
    here = embedded.cluster(settings.VAR_DIR)
    embedded.start(here, **FAST)
    yield
    embedded.remove(here)
    shutil.rmtree(settings.VAR_DIR, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that empties the tables gives back what migrations put there (metrics, roles), so their order is free."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        names: list[str] = getattr(item, "fixturenames", [])
        if {"transactional_db", "live_server"} & {*names} or (marker and marker.kwargs.get("transaction")):
            names.append("django_db_serialized_rollback")


PROGRAMS = {"browser": "chromium", "redis": "redis-server"}  # what a marker needs


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without the program a marked test is skipped on a desk, and fails where everything must be proven."""
    for marker, program in PROGRAMS.items():
        if item.get_closest_marker(marker) and not shutil.which(program):
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {program}")
