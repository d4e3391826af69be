"""Who makes and revokes API keys does so with client keys."""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations

from firstlight.accounts import roles


def make(apps: Any, schema_editor: Any) -> None:
    app = apps.get_app_config("accounts")
    app.models_module = True  # create_permissions skips an app without
    create_permissions(app, apps=apps, verbosity=0)
    app.models_module = None
    roles.make_groups(apps.get_model("auth", "Group").objects, apps.get_model("auth", "Permission").objects)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_name_public_keys_of_clients"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
