"""What every test may use."""

import os
import shutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from pytest_django.plugin import blocking_manager_key

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """A test that commits empties every table at its end; the next one, if any, finds metrics and roles again."""
    yield
    if nextitem is None or not _commits(item):
        return
    with item.config.stash[blocking_manager_key].unblock():
        _put_there_what_migrations_did()


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    if marker is not None and marker.kwargs.get("transaction"):
        return True
    return bool({"transactional_db", "live_server"} & {*getattr(item, "fixturenames", ())})


def _put_there_what_migrations_did() -> None:
    from django.apps import apps
    from django.contrib.auth.models import Group, Permission

    from firstlight.accounts import roles

    for name in ("0002_add_standard_metrics", "0004_add_metrics_of_a_cross_border_shop"):
        import_module(f"firstlight.metrics.migrations.{name}").add(apps, None)
    roles.make_groups(Group.objects, Permission.objects)


PROGRAMS = {"browser": "chromium", "redis": "redis-server"}  # what a marker needs


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without the program a marked test is skipped on a desk, and fails where everything must be proven."""
    for marker, program in PROGRAMS.items():
        if item.get_closest_marker(marker) and not shutil.which(program):
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {program}")
