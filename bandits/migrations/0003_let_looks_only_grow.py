from django.db import migrations

from firstlight.postgres import tables


class Migration(migrations.Migration):
    dependencies = [("bandits", "0002_whole_campaigns")]

    operations = [tables.append_only("bandits_campaignlook")]
