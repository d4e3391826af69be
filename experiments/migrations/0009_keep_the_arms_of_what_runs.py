"""What runs was dealt anew by each phase: its units stay in the arms they have. The way units are kept is planned too."""

from importlib import import_module
from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations, models

from firstlight.accounts import roles
from firstlight.postgres import tables

TABLE, STARTED = "experiments_experiment", "OLD.started_at IS NOT NULL"
PLAN = import_module("experiments.migrations.0006_fix_the_plan_at_the_start").PLAN
BEFORE, AFTER = (tables.fixed_once(TABLE, STARTED, plan) for plan in (PLAN, (*PLAN, "sticky", "fallback")))


def keep(apps: Any, schema_editor: Any) -> None:
    apps.get_model("experiments", "Experiment").objects.filter(phase__gt=1).update(dealt_in=models.F("phase"))


def make_roles(apps: Any, schema_editor: Any) -> None:
    app = apps.get_app_config("experiments")
    app.models_module = True  # create_permissions skips an app without
    create_permissions(app, apps=apps, verbosity=0)
    app.models_module = None
    roles.make_groups(apps.get_model("auth", "Group").objects, apps.get_model("auth", "Permission").objects)


class Migration(migrations.Migration):
    dependencies = [
        ("experiments", "0008_require_save_groups_and_deal"),
        ("accounts", "0003_make_roles"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunPython(keep, migrations.RunPython.noop),
        migrations.RunSQL(BEFORE.reverse_sql, BEFORE.sql),
        AFTER,
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
