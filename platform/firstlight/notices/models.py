"""Notices, who is told of them, and how each telling went."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models

from firstlight.accounts.models import User
from firstlight.catalog.models import key_validator
from firstlight.notices import addresses


class Notice(models.Model):
    """Something that somebody should know. The database refuses to change or delete it."""

    kind = models.CharField(max_length=60, help_text="experiment.sample_ratio, export.finished, …: docs/api.md.")
    subject = models.CharField(max_length=200, help_text="Key of what it is about.")
    sentence = models.TextField()
    evidence = models.JSONField(default=dict, help_text="The figures behind the sentence.")
    at = models.DateTimeField(db_index=True)
    once = models.CharField(max_length=300, blank=True, help_text="The state it tells of; each is told once.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject", "once"], condition=~models.Q(once=""), name="notice_once_per_state"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class Webhook(models.Model):
    """An address that notices are posted to.

    Its secret is not stored: it is derived from `salt` and SECRET_KEY, so that a copy of the database signs nothing.
    """

    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    url = models.URLField(max_length=1000, help_text="https://… that answers 2xx when it has the notice.")
    kinds = ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        help_text="experiment.sample_ratio, experiment.guardrail, …; empty: every kind.",
    )
    enabled = models.BooleanField(default=True)
    salt = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What can be saved may be called, as far as its text tells; its address is looked up at each delivery."""
        if fault := addresses.fault(self.url):
            raise ValidationError({"url": fault})


class Subscription(models.Model):
    """Which notices somebody gets by e-mail."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="subscription")
    kinds = ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        help_text="experiment.sample_ratio, experiment.guardrail, …; empty: every kind.",
    )

    class Meta:
        ordering = ["user__username"]

    def __str__(self) -> str:
        return str(self.user)


class Outcome(models.TextChoices):
    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up", "given up"


class Delivery(models.Model):
    """One notice on its way to one webhook or one e-mail address."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, null=True, related_name="deliveries")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="deliveries")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.WAITING)
    first_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="Next try; while one is under way, when it counts as lost.")
    n_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(webhook=None) ^ models.Q(user=None), name="delivery_has_one_addressee"
            ),
            models.UniqueConstraint(fields=["notice", "webhook"], name="notice_once_per_webhook"),
            models.UniqueConstraint(fields=["notice", "user"], name="notice_once_per_person"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(outcome="waiting"), name="deliveries_that_wait")]

    def __str__(self) -> str:
        return f"{self.notice_id} to {self.webhook or self.user}"


class Try(models.Model):
    """How one attempt went."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status that came back.")
    failure = models.CharField(max_length=300, blank=True, help_text="Why it failed, in words; empty: it went through.")
    seconds = models.FloatField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "tries"

    def __str__(self) -> str:
        return f"{self.delivery_id} at {self.at:%Y-%m-%d %H:%M}"
