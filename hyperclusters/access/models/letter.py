"""Letters that are on their way."""

from __future__ import annotations

from django.db import models

from hyperclusters.audit import clock


class Letter(models.Model):
    """To one address, about one row; gone once the mail server has it. The text is written when it is sent, never kept."""

    kind = models.CharField(max_length=16)  # the field of that row which says that it was told
    about = models.CharField(max_length=36)  # that row's primary key
    address = models.EmailField()
    tries = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=clock.now)

    FORMER_ADDRESS = "former_address"  # the kind that tells an address that it is a person's no more

    class Meta:
        ordering = ["due_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "about", "address"], name="letter_once_an_address"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about} to {self.address}"
