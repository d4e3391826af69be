from django.db import migrations

from firstlight.postgres import tables


class Migration(migrations.Migration):
    dependencies = [("experiments", "0001_initial")]

    operations = [tables.append_only("experiments_look")]
