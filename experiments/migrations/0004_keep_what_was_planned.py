"""What ran before there were plans to choose from keeps the plan it had: a fixed horizon, nothing adjusted."""

from django.db import migrations


def keep(apps, schema_editor):
    Experiment = apps.get_model("experiments", "Experiment")
    Phase = apps.get_model("experiments", "Phase")
    started = Experiment.objects.exclude(status="draft")
    started.update(analysis="fixed", cuped=False)
    for experiment in started:
        weights = {arm.key: float(arm.weight) for arm in experiment.arms.order_by("position")}
        Phase.objects.create(
            experiment=experiment,
            number=experiment.phase,
            weights=weights,
            started_at=experiment.started_at,
            ended_at=experiment.stopped_at,
        )
    for claim in apps.get_model("experiments", "Claim").objects.select_related("experiment"):
        claim.layer_id, claim.claimed_at = claim.experiment.layer_id, claim.experiment.started_at
        claim.save()


class Migration(migrations.Migration):
    dependencies = [("experiments", "0003_plan_review_ramp_and_decide")]

    operations = [migrations.RunPython(keep, migrations.RunPython.noop)]
