"""The report of a month, as it was sealed."""

from __future__ import annotations

import json
from typing import Any

from django.db import models
from django.urls import reverse


class MonthlyReport(models.Model):
    """What happened in a calendar month (UTC). A worker creates it, and again only if it lacks events of its month."""

    month = models.DateField(unique=True)  # its first day
    text = models.TextField()  # the sealed file, byte for byte
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-month"]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("audit:report", args=[str(self)])

    @property
    def facts(self) -> dict[str, Any]:
        """The content, with its seal."""
        facts: dict[str, Any] = json.loads(self.text)["report"]
        return facts
