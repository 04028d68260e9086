"""What workers do with the ledger: tasks, alerts, forwarding, and counts of denials."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q

from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel
from hyperclusters.audit.vocabulary import Outcome


class ScheduledTaskQuerySet(LeasedQuerySet["ScheduledTask"]):
    lease_length = timedelta(hours=1)  # the longest that a task takes: verification

    def is_time(self) -> Q:
        """Always: whoever claims a task says how long it waits, since each has an interval of its own."""
        return Q()


class ScheduledTask(LeaseModel):
    """A scheduled task of the workers for the ledger."""

    name = models.CharField(max_length=32, primary_key=True)
    lease_holder = models.CharField(max_length=32, blank=True, db_default="")
    seq = models.BigIntegerField(default=0)  # for tasks that follow the ledger: done up to here
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    is_late = models.BooleanField(default=False, db_default=False)  # an alert says that this sink is behind

    objects = ScheduledTaskQuerySet.as_manager()

    class Meta:
        db_table = "audit_duty"

    def __str__(self) -> str:
        return self.name


class AlertSettings(models.Model):
    """When an alert is raised, and who gets a mail about it: one row, made by the first change. Without one the defaults
    count, and nobody gets a mail."""

    ONLY = 1  # the row's key

    denials = models.PositiveIntegerField(default=20)  # of one person or address within `minutes`
    minutes = models.PositiveIntegerField(default=5)
    late_minutes = models.PositiveIntegerField(default=15)  # that an event may wait to be forwarded
    recipients = models.JSONField(default=list)  # IDs of people; who may not read the whole audit gets none
    mailed_seq = models.BigIntegerField(default=0)  # alerts up to here are mailed
    mailed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.denials} denials in {self.minutes} minutes"

    @classmethod
    def current(cls) -> AlertSettings:
        """As they are now, stored or not."""
        return cls.objects.filter(pk=cls.ONLY).first() or cls(pk=cls.ONLY)


class UndeliveredEvent(models.Model):
    """An event that a sink refuses even by itself, so that it does not block those behind it."""

    sink = models.CharField(max_length=32)
    seq = models.BigIntegerField()
    error = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sink", "seq"], name="audit_undelivered_once")]

    def __str__(self) -> str:
        return f"{self.sink}: {self.seq}"


class DenialWindow(models.Model):
    """Denials or refusals of one person at one address within a few minutes: some are events, the rest is counted.

    Its summary is one event, written when the window is over (see `denials`).
    """

    key = models.CharField(max_length=64, unique=True)  # of the columns up to `ip`, as a digest
    action = models.CharField(max_length=48)
    outcome = models.CharField(max_length=16, default=Outcome.DENIED, db_default=Outcome.DENIED)
    person_id = models.BigIntegerField(null=True)
    person_name = models.CharField(max_length=150, blank=True)
    team_id = models.BigIntegerField(null=True)
    team_name = models.CharField(max_length=100, blank=True)
    ip = models.CharField(max_length=45, blank=True)  # of the newest denial; the key has its network
    source = models.CharField(max_length=16)
    opened_at = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField(default=0)  # denials that have no event of their own
    first_at = models.DateTimeField(null=True)  # of those
    last_at = models.DateTimeField(null=True)
    labels = models.JSONField(
        default=dict
    )  # what they were about: how many of those without an event, by label

    def __str__(self) -> str:
        return f"{self.action} {self.person_name} {self.ip}: {self.count}"
