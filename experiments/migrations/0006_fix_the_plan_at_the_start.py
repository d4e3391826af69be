"""What the inference rests on was chosen before the start. Coverage and phase may move on, by ramps and new weights."""

from django.db import migrations

from firstlight.postgres import tables

PLAN = (
    *("key", "type", "is_template", "unit", "cluster", "switch_hours", "burn_in_minutes", "layer_id", "first_bucket"),
    *("end_bucket", "targeting", "confidence", "analysis", "spending", "correction", "prior", "prior_mean"),
    *("prior_sd", "cuped", "pre_days", "slices", "planned_days", "planned_units"),
)


class Migration(migrations.Migration):
    dependencies = [("experiments", "0005_claims_name_their_layer")]

    operations = [tables.fixed_once("experiments_experiment", "OLD.started_at IS NOT NULL", PLAN)]
