from django.contrib.auth.management import create_permissions
from django.db import migrations

from firstlight.accounts import roles

HOUSE = ("accounts", "catalog", "lake", "metrics", "objectives", "snapshots", "experiments", "bandits")


def make(apps, schema_editor):
    # Django makes permissions after the last migration only, too late for a group that needs them.
    for label in HOUSE:
        app = apps.get_app_config(label)
        app.models_module = True  # create_permissions skips an app without
        create_permissions(app, apps=apps, verbosity=0)
        app.models_module = None
    roles.make_groups(apps.get_model("auth", "Group").objects, apps.get_model("auth", "Permission").objects)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_let_the_audit_trail_only_grow"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        *[(label, "0001_initial") for label in HOUSE if label != "accounts"],
    ]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
