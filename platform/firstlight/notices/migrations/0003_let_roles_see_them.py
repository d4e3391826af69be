from django.contrib.auth.management import create_permissions
from django.db import migrations

from firstlight.accounts import roles


def make(apps, schema_editor):
    # Django makes permissions after the last migration only, too late for a group that needs them.
    for label in ("notices", "experiments"):  # the latter has tables that are newer than the roles
        app = apps.get_app_config(label)
        app.models_module = True  # create_permissions skips an app without
        create_permissions(app, apps=apps, verbosity=0)
        app.models_module = None
    roles.make_groups(apps.get_model("auth", "Group").objects, apps.get_model("auth", "Permission").objects)


class Migration(migrations.Migration):
    dependencies = [
        ("notices", "0002_let_notices_only_grow"),
        ("accounts", "0003_make_roles"),
        ("experiments", "0005_claims_name_their_layer"),
    ]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
