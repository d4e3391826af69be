"""Exports that a worker writes."""

from django.db import models

from firstlight.accounts.models import User
from firstlight.exports.formats import Format


class State(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class Job(models.Model):
    """One table on its way into a file, that file, and later the memory that there was one."""

    key = models.CharField("id", max_length=32, unique=True, editable=False)
    kind = models.CharField(max_length=30)
    asked = models.JSONField(default=dict, help_text="Experiment, look, segment, times, pseudonyms.")
    format = models.CharField(max_length=8, choices=[(form.value, form.value) for form in Format])
    asked_by = models.CharField(max_length=200)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, help_text="Told when it is done.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    rows_done = models.BigIntegerField(default=0)
    rows_total = models.BigIntegerField(null=True, help_text="Where it is known before the end.")
    n_bytes = models.BigIntegerField(null=True)
    failure = models.TextField(blank=True, help_text="Why there is no file, in words.")
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When the file goes.")

    class Meta:
        ordering = ["-id"]
        verbose_name = "export"

    def __str__(self) -> str:
        return f"{self.kind} {self._subject}".strip()

    @property
    def file_name(self) -> str:
        """As who downloads it sees it."""
        parts = ["firstlight", self._subject, self.kind, f"{self.asked_at:%Y%m%d-%H%M}"]
        return "-".join(part for part in parts if part) + f".{self.format}"

    @property
    def _subject(self) -> str:
        """Key of the experiment or campaign, where it is of one."""
        return str(self.asked.get("experiment") or self.asked.get("campaign") or "")
