"""Whose interest counts how much."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario


class JourneyStage(models.TextChoices):
    """Where the user stands in this visit, told by the recent events; `stage.py` has the rule."""

    ARRIVING = "arriving"
    BROWSING = "browsing"
    DECIDING = "deciding"
    BOUGHT = "bought"


def _weight() -> models.DecimalField:  # type: ignore[type-arg]
    return models.DecimalField(
        max_digits=4, decimal_places=3, validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))]
    )


class Weights(models.Model):
    """One version of the weights of a scenario, or of one journey stage of it. Versions are added, never changed.

    The newest version wins; a stage without weights of its own takes those of the whole scenario.
    """

    scenario = models.ForeignKey(Scenario, on_delete=models.PROTECT, related_name="weights")
    stage = models.CharField(max_length=10, choices=JourneyStage.choices, blank=True, help_text="Empty: the whole.")
    version = models.PositiveIntegerField(editable=False)
    user = _weight()
    merchant = _weight()
    platform = _weight()
    reason = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["scenario", "stage", "-version"]
        verbose_name_plural = "weights"
        constraints = [
            models.UniqueConstraint(fields=["scenario", "version"], name="one_weights_version"),
            models.CheckConstraint(
                condition=Q(user__gte=0)
                & Q(merchant__gte=0)
                & Q(platform__gte=0)
                & Q(user=Decimal(1) - F("merchant") - F("platform")),
                name="weights_sum_to_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scenario_id} {self.stage or 'all stages'} v{self.version}"
