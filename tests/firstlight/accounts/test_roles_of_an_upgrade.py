"""A database that was made long ago gives each role what a new one does."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from firstlight.accounts import roles
from firstlight.accounts.models import Role

# Those that give to the roles, in order, each with all that it needs and no more.
GIVING = (
    ("accounts", "0003_make_roles"),
    ("notices", "0003_let_roles_see_them"),
    ("exports", "0002_let_roles_export"),
    ("metrics", "0006_let_roles_certify"),
)


@pytest.fixture
def empty(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database of its own beside that of the tests, which stays as it is."""
    with django_db_blocker.unblock():
        of_the_tests = connection.settings_dict["NAME"]
        own = f"{of_the_tests}_upgraded"
        _run(f'CREATE DATABASE "{own}"')
        _turn_to(own)
        try:
            yield
        finally:
            _turn_to(of_the_tests)
            _run(f'DROP DATABASE "{own}"')
            connection.close()


@pytest.mark.parametrize("old", GIVING)
def test_every_role_of_an_upgraded_database_may_what_it_may_in_a_new_one(empty: None, old: tuple[str, str]) -> None:
    call_command("migrate", *old, verbosity=0)
    assert set(may()) == {role.value for role in Role}
    if old != GIVING[-1]:
        for group in Group.objects.all():  # the table that an old release gave by is gone: the least is nothing
            group.permissions.clear()
        assert may() != wanted()
    call_command("migrate", verbosity=0)
    assert may() == wanted()


def test_a_new_database_lets_each_role_do_all_of_the_table(empty: None) -> None:
    call_command("migrate", verbosity=0)
    assert may() == wanted()


def may() -> dict[str, set[tuple[str, str]]]:
    """What the database lets each role do."""
    return {
        group.name: {*group.permissions.values_list("content_type__app_label", "codename")}
        for group in Group.objects.all()
    }


def wanted() -> dict[str, set[tuple[str, str]]]:
    return {role.value: {*roles.permissions(role)} for role in Role}


def _turn_to(database: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = database
    ContentType.objects.clear_cache()  # another database counts them otherwise


def _run(sql: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(sql)
