from django.db import migrations

from firstlight.postgres import tables


class Migration(migrations.Migration):
    dependencies = [("notices", "0001_tell_people_and_machines")]

    operations = [tables.append_only("notices_notice")]
