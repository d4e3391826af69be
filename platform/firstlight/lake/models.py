"""The ledger of what was carried from the inbox to the lake."""

from django.db import models


class Batch(models.Model):
    """One commit to the lake: which inbox transactions it carries, decided before a row is read.

    `from_xact` (inclusive) and `to_xact` (exclusive) are PostgreSQL transaction ids. All below `to_xact` had ended when
    the batch was drawn up, so the set of its rows can never change, and a second try writes the same rows.
    """

    number = models.BigIntegerField(primary_key=True)
    from_xact = models.BigIntegerField()
    to_xact = models.BigIntegerField()
    drawn_at = models.DateTimeField(auto_now_add=True)
    committed_at = models.DateTimeField(null=True, help_text="When the lake had it.")
    n_events = models.BigIntegerField(null=True)

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(condition=models.Q(to_xact__gt=models.F("from_xact")), name="batch_spans_something"),
            # At most one batch is on its way: the next is drawn up when the last is in the lake.
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(committed_at=None), name="one_batch_on_its_way"
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.number}"
