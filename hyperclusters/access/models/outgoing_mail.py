"""Mails that wait to be sent."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from operator import or_

from django.conf import settings
from django.db import models
from django.db.models import Q

from hyperclusters.audit import clock
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel

PAUSE = timedelta(minutes=5)  # after the first try, then twice as long each time
TRIES = 11  # over three and a half days


class OutgoingMailQuerySet(LeasedQuerySet["OutgoingMail"]):
    def lease_length(self) -> timedelta:
        """For one mail, whose server may let each step of the conversation wait for the time-out."""
        return timedelta(seconds=10 * settings.EMAIL_TIMEOUT)

    def is_time(self) -> Q:
        """Whether a mail's pause, which grows with its tries, is over."""
        return reduce(or_, (Q(clock.due("run_after", pause(tries)), tries=tries) for tries in range(TRIES)))


def pause(tries: int) -> timedelta:
    """How long a mail waits after so many tries."""
    return PAUSE * (1 << max(tries - 1, 0))


class OutgoingMail(LeaseModel):
    """A mail to one address, about one row; deleted once the mail server has it. The text is written when it is sent."""

    kind = models.CharField(max_length=16)  # the row's field that says that the mail was queued
    about = models.CharField(max_length=36)  # that row's primary key
    address = models.EmailField()
    tries = models.PositiveIntegerField(default=0)
    lease_holder = models.CharField(max_length=32, blank=True, db_default="")

    FORMER_ADDRESS = "former_address"  # the kind that tells an address that it no longer belongs to a person
    ALERT = "alert"  # about an event of the audit
    objects = OutgoingMailQuerySet.as_manager()

    class Meta:
        db_table = "access_letter"
        ordering = ["run_after", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "about", "address"], name="letter_once_an_address"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about} to {self.address}"
