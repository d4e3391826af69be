import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from firstlight.accounts import roles
from firstlight.accounts.models import Role, User

pytestmark = pytest.mark.django_db


def member(role: Role) -> User:
    user = User.objects.create(username=role.value)
    user.groups.add(Group.objects.get(name=role.value))
    return user


@pytest.mark.parametrize(
    ("may", "product_manager", "analyst", "operator", "viewer"),
    [
        ("experiments.view_look", True, True, True, True),
        ("accounts.view_auditentry", True, True, True, False),
        ("accounts.view_apikey", False, False, True, False),
        ("accounts.add_apikey", False, False, True, False),
        ("accounts.delete_apikey", False, False, False, False),
        ("accounts.add_clientkey", False, False, True, False),
        ("accounts.change_clientkey", False, False, True, False),
        ("accounts.change_auditentry", False, False, False, False),
        ("accounts.add_user", False, False, False, False),
        ("experiments.add_experiment", True, False, False, False),
        ("experiments.change_experiment", True, False, True, False),
        ("experiments.delete_arm", True, False, False, False),
        ("experiments.change_look", False, False, False, False),
        ("experiments.add_comment", True, True, True, False),
        ("experiments.change_comment", False, False, False, False),
        ("bandits.add_campaign", True, False, False, False),
        ("objectives.add_weights", True, False, False, False),
        ("metrics.add_metric", True, True, False, False),
        ("metrics.certify_metric", False, True, False, False),
        ("metrics.add_rate", True, True, False, False),
        ("metrics.change_metricversion", False, False, False, False),
        ("catalog.add_scenario", True, False, True, False),
        ("catalog.change_item", True, False, True, False),
    ],
)
def test_roles_may_what_the_matrix_says(may, product_manager, analyst, operator, viewer):
    allowed = [member(role).has_perm(may) for role in Role]
    assert allowed == [product_manager, analyst, operator, viewer]


def test_a_group_per_role_and_making_them_again_changes_nothing():
    before = {g.name: set(g.permissions.values_list("pk", flat=True)) for g in Group.objects.all()}
    roles.make_groups(Group.objects, Permission.objects)
    assert {g.name: set(g.permissions.values_list("pk", flat=True)) for g in Group.objects.all()} == before
    assert set(before) == {"product manager", "analyst", "operator", "viewer"}


def test_every_permission_exists_once_after_the_migrations():
    pairs = list(Permission.objects.values_list("content_type", "codename"))
    assert len(pairs) == len(set(pairs))
    call_command("migrate", "accounts", verbosity=0)  # post_migrate again
    assert Permission.objects.count() == len(pairs)
