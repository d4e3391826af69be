"""Versions name lists of parts that they share, instead of every part, and are signed; a hold keeps an earlier state."""

from typing import Any

from django.db import migrations, models

from firstlight.snapshots import lists, signing


def deal(apps: Any, schema_editor: Any) -> None:
    version_model, part_model = apps.get_model("snapshots", "Version"), apps.get_model("snapshots", "Part")
    for number in version_model.objects.order_by("number").values_list("number", flat=True):
        version = version_model.objects.get(number=number)  # one at a time: a row may be a megabyte
        dealt = {section: lists.dealt(parts) for section, parts in version.parts.items()}
        rows = [part_model(digest=digest, payload=payload) for of in dealt.values() for digest, payload in of.items()]
        part_model.objects.bulk_create(rows, ignore_conflicts=True)
        version.lists = {section: [*of] for section, of in dealt.items()}
        version.signature = signing.signature(number, version.created_at, version.lists, None)
        version.save(update_fields=["lists", "signature"])


class Migration(migrations.Migration):
    dependencies = [("snapshots", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="version",
            name="lists",
            field=models.JSONField(default=dict, help_text="{section: [digest of a list of parts]}"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="version",
            name="returns_to",
            field=models.BigIntegerField(
                blank=True,
                help_text="Number of the version whose state this one restores; empty: the present state.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="version",
            name="signature",
            field=models.CharField(default="", help_text="HMAC-SHA-256 of all above, in hex.", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(deal, migrations.RunPython.noop),
        migrations.RemoveField(model_name="version", name="parts"),
        migrations.AlterField(model_name="version", name="created_at", field=models.DateTimeField()),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("returns_to", models.BigIntegerField(help_text="Number of the version whose state stands.")),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500)),
                ("lifted_at", models.DateTimeField(blank=True, null=True)),
                ("lifted_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at", None)), fields=("lifted_by",), name="one_hold_stands"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("lifted_at", None), ("lifted_by", "")),
                            models.Q(("lifted_by", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="lifted_by_one",
                    ),
                ],
            },
        ),
    ]
