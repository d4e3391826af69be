from django.db import migrations

from firstlight.postgres import tables


class Migration(migrations.Migration):
    dependencies = [("objectives", "0001_initial")]
    operations = [tables.append_only("objectives_weights")]
