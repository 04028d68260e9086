"""Mails that wait to be sent."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from operator import or_

from django.db import models
from django.db.models import Q

from hyperclusters.audit import clock

PAUSE = timedelta(minutes=5)  # after the first try, then twice as long each time; no try takes that long
TRIES = 11  # over three and a half days


class LetterQuerySet(models.QuerySet["Letter"]):
    def due(self) -> LetterQuerySet:
        """Mails to be sent now."""
        waits = (
            Q(clock.due("due_at", PAUSE * 2 ** max(tries - 1, 0)), tries=tries) for tries in range(TRIES)
        )
        return self.filter(reduce(or_, waits))


class Letter(models.Model):
    """A mail to one address, about one row; deleted once the mail server has it. The text is written when it is sent."""

    kind = models.CharField(max_length=16)  # the row's field that says that the mail was queued
    about = models.CharField(max_length=36)  # that row's primary key
    address = models.EmailField()
    tries = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=clock.now)

    FORMER_ADDRESS = "former_address"  # the kind that tells an address that it no longer belongs to a person
    objects = LetterQuerySet.as_manager()

    class Meta:
        ordering = ["due_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "about", "address"], name="letter_once_an_address"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about} to {self.address}"
