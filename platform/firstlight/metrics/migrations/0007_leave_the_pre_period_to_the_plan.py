from django.db import migrations


class Migration(migrations.Migration):
    """One reading of the lake has one pre-period: that of the experiment."""

    dependencies = [("metrics", "0006_let_roles_certify")]

    operations = [migrations.RemoveField(model_name="metric", name="covariate_days")]
