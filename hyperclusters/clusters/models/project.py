"""A cloud project of one team, with its breaker, and the heartbeats of processes."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from hyperclusters.access import permissions
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject
from hyperclusters.modelarts import is_project_id


def validate_project_id(value: str) -> None:
    """The vendor's grammar, matched as a whole, since the value becomes part of a URL path."""
    if not is_project_id(value):
        raise ValidationError(_("A project ID has 1 to 64 letters, digits or hyphens."))


# The breaker's pause for a refused key: the vendor locks a key for 5 minutes after more than 5 bad signatures in a row.
# Nothing waits longer: no retry, no poll, no other pause.
KEY_PAUSE = timedelta(minutes=5)


class KeyKind(models.TextChoices):
    """The source of the key that signs a project's calls."""

    STATIC = "static", _("Access key")
    TEMPORARY = "temporary", _("Temporary access key")
    MACHINE = "machine", _("This machine's agency")


class ProjectQuerySet(models.QuerySet["Project"]):
    def where(self, person: permissions.Reader, permission: permissions.Permission) -> ProjectQuerySet:
        """The projects of the teams in which this person may do this. Nobody may create in a retired one."""
        rows = self.filter(permissions.within(person, permission, team="team"))
        is_create = permission == permissions.Permission.CREATE
        return rows.filter(retired_at__isnull=True) if is_create else rows


class Project(models.Model):
    """Project ID + endpoint + credentials, owned by a team. The breaker's state is here, so that all processes share
    it.

    Endpoint and project ID never change: the key is sealed for them, and the clusters belong to them.
    """

    name = models.SlugField(max_length=64, unique=True)
    team = models.ForeignKey("access.Team", on_delete=models.PROTECT, related_name="projects")
    endpoint = models.URLField()
    region = models.CharField(max_length=32, blank=True)
    project_id = models.CharField(max_length=64, validators=[validate_project_id])
    # The database's own defaults are for replicas of the release before, which do not know these columns.
    key_kind = models.CharField(
        max_length=16, choices=KeyKind.choices, default=KeyKind.STATIC, db_default=KeyKind.STATIC
    )
    sealed_credentials = models.TextField(blank=True)  # empty for the machine's own
    sealed_with = models.CharField(max_length=16, blank=True, db_default="")  # ID of the key that sealed them
    key_since = models.DateTimeField(default=clock.now, db_default=Now())
    key_until = models.DateTimeField(null=True, blank=True)  # when a temporary key expires
    created_at = models.DateTimeField(default=clock.now)
    quota = models.PositiveIntegerField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)  # since when nothing is created or listed
    reads_traces = models.BooleanField(default=False, db_default=False)  # people may ask CTS with its key

    blocked_until = models.DateTimeField(null=True, blank=True)
    blocked_cause = models.CharField(max_length=64, blank=True)
    blocked_code = models.CharField(max_length=64, blank=True)
    failures = models.PositiveIntegerField(
        default=0
    )  # since the last answer; the breaker opens at a number of them
    trusted = models.BooleanField(default=False)  # the cloud has answered since the breaker last opened
    probe_until = models.DateTimeField(null=True, blank=True)  # while not trusted: the one call in flight
    writes_until = models.DateTimeField(null=True, blank=True)  # the write budget is spent up to here
    clock_offset = models.DurationField(default=timedelta)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            # One row per cloud project: otherwise two rows could both own the same cluster.
            models.UniqueConstraint(fields=["endpoint", "project_id"], name="project_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("projects:project", args=[self.pk])

    def audit_subject(self) -> Subject:
        """This project as the ledger names it."""
        return Subject("project", str(self.pk), self.name, self.team, self)

    @property
    def is_paused(self) -> bool:
        """Whether the breaker stopped calls and none has succeeded since."""
        return bool(self.blocked_cause) and self.retired_at is None

    def is_blocked(self) -> bool:
        """Whether the breaker stops calls."""
        return self.blocked_until is not None and not clock.is_due(self.blocked_until, KEY_PAUSE)

    def has_key_ended(self) -> bool:
        """Whether its temporary key has expired."""
        return self.key_until is not None and self.key_until <= clock.now()

    def has_same_key(self) -> bool:
        """Whether its key is still the one that was read with this row."""
        return type(self).objects.filter(pk=self.pk, key_since=self.key_since).exists()


class Heartbeat(models.Model):
    """One running process, and when it last reported."""

    WORKER, WEB = "worker", "web"

    holder = models.CharField(max_length=32, primary_key=True)
    role = models.CharField(max_length=8, default=WORKER, db_default=WORKER)
    host = models.CharField(max_length=128)
    started_at = models.DateTimeField()
    at = models.DateTimeField()
    clock_ahead = models.FloatField(null=True)  # seconds, while the process's clock is wrong

    class Meta:
        ordering = ["-at", "pk"]

    def __str__(self) -> str:
        return f"{self.holder} on {self.host}"
