from django.contrib.auth.management import create_permissions
from django.db import migrations

from firstlight.accounts import roles


def make(apps, schema_editor):
    app = apps.get_app_config("bandits")
    app.models_module = True  # create_permissions skips an app without
    create_permissions(app, apps=apps, verbosity=0)
    app.models_module = None
    roles.make_groups(apps.get_model("auth", "Group").objects, apps.get_model("auth", "Permission").objects)


class Migration(migrations.Migration):
    dependencies = [("bandits", "0003_let_looks_only_grow"), ("exports", "0002_let_roles_export")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
