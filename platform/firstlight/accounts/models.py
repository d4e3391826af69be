"""People, keys and the trail of what they changed."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models


class Scope(models.TextChoices):
    ALLOCATE = "allocate", "Ask for allocations"
    INGEST = "ingest", "Send events"
    BACKFILL = "backfill", "Send events older than 30 days"
    READ = "read", "Read settings and results"
    MANAGE = "manage", "Create, start and stop"
    EXPORT = "export", "Export data"


class Role(models.TextChoices):
    """The groups made by migration; what each may do stands in `roles.py`."""

    PRODUCT_MANAGER = "product manager"
    ANALYST = "analyst"
    OPERATOR = "operator"
    VIEWER = "viewer"


class User(AbstractUser):
    """A person. Roles are Django groups."""


class ApiKey(models.Model):
    """`fl_<id>_<secret>`: the secret is shown once and only its SHA-256 is kept.

    A plain hash is enough: the secret has 256 random bits, so there is nothing to guess and nothing to stretch.
    """

    public_id = models.CharField("id", max_length=16, unique=True)
    name = models.CharField(max_length=100, help_text="Who uses it: “home feed recommender, production”.")
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices))
    scenarios = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Keys of the scenarios it is limited to; empty means all.",
    )
    rate = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Requests per second it may ask on the hot paths, of all web processes together; empty: no limit.",
    )
    burst = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="At once; empty: as many as in a second."
    )
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"


class ClientKey(models.Model):
    """`sdk-<id>`: what the SDKs of GrowthBook fetch by, in browsers and apps. No secret: what it opens is public."""

    key = models.CharField(max_length=40, unique=True, editable=False)
    name = models.CharField(max_length=100, help_text="Who uses it: “web shop, production”.")
    scenarios = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Keys of the scenarios whose experiments anybody may read by it; empty means all.",
    )
    tells_lists = models.BooleanField(
        "tells lists",
        default=False,
        help_text="Also ids of testers and values of saved groups, for anybody to read. Without them testers are dealt "
        "like everybody, and experiments whose conditions name a saved group are left out.",
    )
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "client key"

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"


class AuditEntry(models.Model):
    """Who changed what, from which value to which. The database refuses to change or delete a row."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=200, help_text="Username, key id, or the name of the task.")
    action = models.CharField(max_length=50, help_text="created, changed, started, stopped, revoked, …")
    kind = models.CharField(max_length=50, help_text="experiment, campaign, scenario, …")
    subject = models.CharField(max_length=200, help_text="Key of what was changed.")
    changes = models.JSONField(default=dict, help_text="{field: [before, after]}")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit trail"
        indexes = [models.Index(fields=["kind", "subject"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.action} {self.kind} {self.subject}"
