"""The ledger's tables. Rows name people, teams and objects by value, so that they outlive them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.urls import reverse

from .chain import GENESIS, digest, timestamp
from .findings import IntegrityIssue
from .leases import Leased, LeasedQuerySet
from .vocabulary import Outcome, actions


class EventQuerySet(models.QuerySet["Event"]):
    def for_object(self, kind: str, object_id: object) -> EventQuerySet:
        """The events of one object, oldest first."""
        return self.filter(object_kind=kind, object_id=str(object_id)).order_by("seq")


# Filters that people combine: each common by itself, with few or no events in common.
PAIRS = (
    ("person_name", "action"),
    ("person_name", "outcome"),
    ("person_name", "team_id"),
    ("project_name", "action"),
    ("team_id", "action"),
    ("team_id", "outcome"),
)


class Event(models.Model):
    """One line of the ledger. Only `record` writes it; the database refuses changes and deletions."""

    # Given by the chain, never by the database; an "auto" field is what SQLite keeps as the row's own number.
    seq = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=48, choices=actions)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    person_id = models.BigIntegerField(null=True)
    person_name = models.CharField(max_length=150, blank=True)
    team_id = models.BigIntegerField(null=True)
    team_name = models.CharField(max_length=100, blank=True)
    project_name = models.CharField(max_length=64, blank=True, default="", db_default="")
    object_kind = models.CharField(max_length=24, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request = models.JSONField(null=True)
    response = models.JSONField(null=True)
    evidence = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=16)
    ip = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    upstream_request_id = models.CharField(max_length=128, blank=True)
    # The chain (see `chain`): the text that is proved, which names the digest before it, and its own digest.
    key_id = models.CharField(max_length=16)
    canonical = models.TextField()
    digest = models.CharField(max_length=64)

    is_archived = False  # of an event that was read from an archive: see `archived`
    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-seq"]
        # A list is ordered by time, and by number where times are equal. An index has what is looked for, then that order, so
        # that a page, or a span of time, is one range of the index; after that what it may be combined with, so that
        # nothing but the index is read until it is known which events are shown.
        indexes = [
            models.Index(
                fields=["person_name", "at", "seq", "action", "outcome", "team_id", "project_name", "ip"],
                name="event_person_at",
            ),
            models.Index(
                fields=["team_id", "at", "seq", "action", "outcome", "project_name", "ip"],
                name="event_team_at",
            ),
            models.Index(
                fields=["project_name", "at", "seq", "action", "outcome", "team_id", "ip"],
                name="event_project_at",
            ),
            models.Index(fields=["action", "at", "seq", "outcome", "team_id", "ip"], name="event_action_at"),
            models.Index(fields=["outcome", "at", "seq", "team_id", "ip"], name="event_outcome_at"),
            models.Index(fields=["ip", "at", "seq", "team_id"], name="event_ip_at"),
            models.Index(fields=["object_id", "at", "seq"], name="event_object_at"),
            models.Index(fields=["object_name", "at", "seq"], name="event_name_at"),
            models.Index(fields=["request_id", "seq"], name="event_request_page"),
            models.Index(fields=["upstream_request_id", "seq"], name="event_upstream_page"),
            models.Index(fields=["at", "seq"], name="event_time"),
            *(
                models.Index(fields=[first, second, "at", "seq"], name=f"event_{first}_{second}_at")
                for first, second in PAIRS
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.object_name}".rstrip()

    def save(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 -- Django's signature
        """Only `record` writes, by the chain; nothing changes a row (the database's triggers say the same)."""
        raise TypeError("An audit event is never changed, and only `record` writes one.")

    def get_absolute_url(self) -> str:
        return reverse("audit:event", args=[self.seq])


class ChainHead(models.Model):
    """The end of the chain: one row, locked by `append` until the COMMIT. It only moves forward."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default=GENESIS)
    # The current key. Empty until the first event after the column was added: then it is the key of the last event.
    key_id = models.CharField(max_length=16, blank=True, default="", db_default="")

    class Meta:
        db_table = "audit_head"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_one_head")]

    def __str__(self) -> str:
        return f"{self.seq} {self.digest[:12]}"


class AnchorFile(models.Model):
    """What the database remembers of a file of anchors: how many lines it must have."""

    id = models.CharField(max_length=32, primary_key=True)
    path = models.CharField(max_length=500)
    lines = models.PositiveIntegerField()
    at = models.DateTimeField()
    host = models.CharField(max_length=128, blank=True, default="", db_default="")  # that wrote the last line

    def __str__(self) -> str:
        return self.path


class Verification(models.Model):
    """The result of the last verification: of the whole ledger, and of what was new since then."""

    kind = models.CharField(max_length=8, primary_key=True)  # whole, new
    at = models.DateTimeField()
    seconds = models.FloatField()
    count = models.BigIntegerField()
    seq = models.BigIntegerField()  # verified up to here, with this digest
    digest = models.CharField(max_length=64)
    findings = models.JSONField(default=list)
    chain_key_id = models.CharField(max_length=16, default="", db_default="")  # current behind `seq`
    # Anybody with rights on the database can edit this row, so it counts only with its seal.
    seal_key_id = models.CharField(max_length=16, default="", db_default="")
    seal = models.CharField(max_length=64, default="", db_default="")

    def __str__(self) -> str:
        return f"{self.kind}: {'broken' if self.findings else 'intact'} up to {self.seq}"


class Segment(models.Model):
    """Events that were moved to an archive: the chain continues across the gap from `previous` to `digest`."""

    first = models.BigIntegerField(primary_key=True)
    last = models.BigIntegerField(unique=True)
    previous = models.CharField(max_length=64)  # the digest before the first
    digest = models.CharField(max_length=64)  # of the last
    file = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)  # of the file
    archived_at = models.DateTimeField()
    key_id = models.CharField(max_length=16)
    seal = models.CharField(max_length=64)  # HMAC over all of this but `archived_at`
    # Younger columns, which the seal covers where one of them is set.
    first_at = models.DateTimeField(null=True)  # the times of the first and the last event
    last_at = models.DateTimeField(null=True)
    end_key_id = models.CharField(
        max_length=16, blank=True, default="", db_default=""
    )  # `Walk.is_strict`: the key
    acknowledged = models.JSONField(null=True)  # the acknowledgements among these events

    class Meta:
        ordering = ["first"]

    def __str__(self) -> str:
        return self.file

    @property
    def count(self) -> int:
        """The number of events."""
        return self.last - self.first + 1

    def sealed_with(self, key: bytes) -> str:
        """The seal that this record must have. A record of an earlier release has none of the newer columns."""
        values: list[Any] = [self.first, self.last, self.previous, self.digest, self.file, self.sha256]
        younger = (self.first_at, self.last_at, self.end_key_id, self.acknowledged)
        if any(younger):
            times = [timestamp(at) if at else "" for at in (self.first_at, self.last_at)]
            values += [*times, self.end_key_id, json.dumps(self.acknowledged)]
        return digest(key, "\n".join(map(str, values)))


class ScheduledTaskQuerySet(LeasedQuerySet["ScheduledTask"]):
    def lease_length(self) -> timedelta:
        """The longest that a task takes."""
        return timedelta(hours=1)

    def is_time(self) -> Q:
        """Always: whoever claims a task says how long it waits, since each has an interval of its own."""
        return Q()


class ScheduledTask(Leased):
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


class SegmentCheckQuerySet(LeasedQuerySet["SegmentCheck"]):
    def lease_length(self) -> timedelta:
        """A worker renews it every few seconds."""
        return timedelta(minutes=2)

    def longest_wait(self) -> timedelta:
        """After an error."""
        return timedelta(minutes=1)

    def is_time(self) -> Q:
        """Only checks that somebody asked for."""
        return Q(requested_at__isnull=False) & super().is_time()


class SegmentCheck(Leased):
    """The verification of an archive's file: one that is asked for, and the result of the last one."""

    first = models.BigIntegerField(primary_key=True)  # of the archive
    requested_at = models.DateTimeField(null=True)  # None: nothing is asked for
    requested_by = models.CharField(max_length=150, blank=True)
    count = models.BigIntegerField(default=0)  # events verified so far
    at = models.DateTimeField(null=True)  # the last one ended
    findings = models.JSONField(default=list)
    seal_key_id = models.CharField(max_length=16, blank=True)
    seal = models.CharField(max_length=64, blank=True)

    issues: Sequence[
        IntegrityIssue
    ] = ()  # the findings, once the seal has been checked: see `archive_checks`
    objects = SegmentCheckQuerySet.as_manager()

    def __str__(self) -> str:
        return f"archive from event {self.first}"


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
