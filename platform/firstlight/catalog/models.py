"""What the shop has: places where items are shown, and the items."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

key_validator = RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "Use letters, digits, dot, dash and underscore.")


class Scenario(models.Model):
    """A place where items are shown: home feed, search, product list, item page, cart."""

    key = models.CharField(
        max_length=100, unique=True, validators=[key_validator], help_text="What the recommender sends: home_feed."
    )
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    review_required = models.BooleanField(
        default=False, help_text="Somebody else than its owner must review an experiment before it starts here."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Merchant(models.Model):
    key = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name or self.key


class Category(models.Model):
    key = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["key"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name or self.key


class Item(models.Model):
    key = models.CharField(max_length=200, unique=True, help_text="The shop's own id: sku-1.")
    title = models.CharField(max_length=500, blank=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, null=True, blank=True)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, null=True, blank=True)
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217.")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2, where it ships from.")
    tags = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    in_stock = models.BooleanField(default=True)
    listed_at = models.DateTimeField(default=timezone.now, help_text="When the shop began to sell it.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]
        indexes = [GinIndex(fields=["tags"]), models.Index(fields=["listed_at"])]

    def __str__(self) -> str:
        return self.title or self.key
