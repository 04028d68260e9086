"""Events, and the end of their chain. Rows name people, teams and objects by value, so that they outlive them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from hyperclusters.audit.chain import GENESIS
from hyperclusters.audit.vocabulary import Outcome, actions


class _IsTime(models.Func):
    """Whether a stored time is one: SQLite keeps any value there, and PostgreSQL also times that Python has not."""

    arity = 1
    output_field = models.BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # The whole value is compared, since functions of texts stop at a NUL. The modifier turns 31 February into March.
        template = (
            "(typeof(%(expressions)s) = 'text' AND substr(%(expressions)s, 1, 4) >= '0001'"
            " AND %(expressions)s = datetime(substr(%(expressions)s, 1, 19), '+0 days') || substr(%(expressions)s, 20)"
            " AND (length(%(expressions)s) = 19 OR substr(%(expressions)s, 20) GLOB '." + "[0-9]" * 6 + "'))"
        )
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(%(expressions)s BETWEEN '0001-01-01Z' AND '9999-12-31 23:59:59Z')"
        return self.as_sql(compiler, connection, template=template, **context)


class TextIn(models.Func):
    """A value of a document, as text, by its key. Empty without one, or where SQLite keeps what is no document."""

    output_field = models.TextField()

    def __init__(self, document: str, key: str) -> None:
        super().__init__(F(document), key=key)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = (
            "coalesce(CASE WHEN json_valid(%(expressions)s)"
            " THEN json_extract(%(expressions)s, '$.%(key)s') END, '')"
        )
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="coalesce(%(expressions)s ->> '%(key)s', '')", **context
        )


class EventQuerySet(models.QuerySet["Event"]):
    def with_readable_time(self) -> EventQuerySet:
        """Without the events whose time somebody made unreadable, past the triggers: they would end the query."""
        return self.filter(_IsTime("at"))

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
