"""Versions of what serving knows."""

from functools import cached_property

from django.db import models
from django.db.models import Q

from firstlight.snapshots import lists


class Part(models.Model):
    """One experiment, one campaign, one scenario's weights, …: compiled, named by its content, shared by versions.

    Lists of parts lie here too.
    """

    digest = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of the payload, in hex.")
    payload = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.digest[:12]


class Version(models.Model):
    """One state of everything. A number is never used twice."""

    number = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField()
    lists = models.JSONField(help_text="{section: [digest of a list of parts]}")
    returns_to = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Number of the version whose state this one restores; empty: the present state.",
    )
    signature = models.CharField(max_length=64, help_text="HMAC-SHA-256 of all above, in hex.")

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"snapshot {self.number}"

    @cached_property
    def parts(self) -> dict[str, dict[str, str]]:
        """{section: {name: digest}}; raises `lists.Damaged`."""
        wanted = {digest for of in self.lists.values() for digest in of}
        found = Part.objects.filter(digest__in=wanted).values_list("digest", "payload")
        known = lists.read(wanted, {digest: bytes(payload) for digest, payload in found})
        return lists.gathered(self.lists, known)


class Hold(models.Model):
    """Somebody returned to an earlier state, which stands until somebody lifts the hold."""

    returns_to = models.BigIntegerField(help_text="Number of the version whose state stands.")
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["lifted_by"], condition=Q(lifted_at=None), name="one_hold_stands"),
            models.CheckConstraint(condition=Q(lifted_at=None, lifted_by="") | ~Q(lifted_by=""), name="lifted_by_one"),
        ]

    def __str__(self) -> str:
        return f"back to snapshot {self.returns_to}"
