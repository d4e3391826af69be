"""Versions of what serving knows."""

from django.db import models


class Part(models.Model):
    """One experiment, one campaign, one scenario's weights, …: compiled, named by its content, shared by versions."""

    digest = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of the payload, in hex.")
    payload = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.digest[:12]


class Version(models.Model):
    """One state of everything. A number is never used twice."""

    number = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(auto_now_add=True)
    parts = models.JSONField(help_text="{section: {name: digest}}")

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"snapshot {self.number}"
