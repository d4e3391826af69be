from django.db import migrations

from firstlight.postgres import tables


class Migration(migrations.Migration):
    dependencies = [("metrics", "0004_add_metrics_of_a_cross_border_shop")]

    operations = [tables.append_only("metrics_metricversion")]
