"""Chats that get messages, and the messages and mails that wait to be sent."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel
from hyperclusters.audit.ledger import Subject

FIRST_PAUSE = timedelta(seconds=30)  # after a failure, then twice as long each time
LONGEST_PAUSE = timedelta(hours=1)
FAILURES_TO_TELL = 5  # failures in a row after which people are told: a quarter of an hour
MAIL_TRIES = 11  # of a mail, over three and a half days
# How long it waits after so many tries: five minutes after the first, then twice as long each time.
MAIL_PAUSES = [timedelta(minutes=5) * (1 << max(tries - 1, 0)) for tries in range(MAIL_TRIES + 1)]


class Service(models.TextChoices):
    """The chat services."""

    FEISHU = "feishu", _("Feishu / Lark")
    DINGTALK = "dingtalk", _("DingTalk")
    WECOM = "wecom", _("WeCom")
    SLACK = "slack", _("Slack")


class MessageKind(models.TextChoices):
    """What a chat can be told. TEST is sent on request, and never chosen."""

    ACCESS_ASKED = "access-asked", _("Access requested")
    ACCESS_DECIDED = "access-decided", _("Access request decided")
    ACCESS_ENDING = "access-ending", _("Access ends soon")
    SETTLED = "settled", _("Creation settled")
    UNRESOLVED = "unresolved", _("Outcome unknown for 30 minutes, or needs a decision")
    ELSEWHERE = "elsewhere", _("Cluster created elsewhere")
    FOLLOW_UP = "follow-up", _("Follow-up")
    INTEGRITY = "integrity", _("Integrity of the audit")
    TEST = "test", _("Test")


def pause(failures: int) -> timedelta:
    """How long a chat is left alone after so many failures in a row."""
    return min(FIRST_PAUSE * (1 << min(max(failures - 1, 0), 10)), LONGEST_PAUSE)


class NotificationTargetQuerySet(LeasedQuerySet["NotificationTarget"]):
    lease_length = timedelta(minutes=2)  # for one message, which may take seconds
    longest_wait = LONGEST_PAUSE

    def with_related(self) -> Self:
        """With the team, whose name is in the texts."""
        return self.select_related("team")

    def present(self) -> Self:
        """Those that were not removed."""
        return self.filter(removed_at__isnull=True)

    def open(self) -> Self:
        """Those that get messages."""
        return self.present().filter(is_paused=False)

    def failing(self) -> Self:
        """Those that messages do not reach."""
        return self.open().filter(Q(given_up_at__isnull=False) | Q(failures__gte=FAILURES_TO_TELL))

    def due(self) -> Self:
        """Targets with a message that can be sent now, the one that has waited longest first."""
        messages = Message.objects.filter(target=OuterRef("pk"), state=MessageState.WAITING)
        return super().due().filter(Exists(messages), removed_at__isnull=True, is_paused=False)


class NotificationTarget(LeaseModel):
    """A chat of a team, or of the auditors (no team). Its lease lets one worker at a time send to it, in order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("access.Team", models.CASCADE, null=True, related_name="notification_targets")
    service = models.CharField(_("Service"), max_length=16, choices=Service.choices)
    name = models.CharField(_("Name"), max_length=64)
    sealed_address = models.TextField(blank=True)  # URL and signing secret, encrypted; empty once removed
    sealed_with = models.CharField(max_length=16, blank=True)  # ID of the key that sealed them
    kinds = models.JSONField(default=list)
    language = models.CharField(max_length=8, default="en")
    is_paused = models.BooleanField(default=False)
    address_set_by = models.ForeignKey("access.User", models.PROTECT, related_name="+")
    address_set_at = models.DateTimeField(default=clock.now)
    removed_at = models.DateTimeField(null=True)  # the row stays, so that counters never fall

    failures = models.PositiveIntegerField(default=0)  # in a row
    failure = models.CharField(max_length=32, blank=True)  # slug of the last one, see web/texts/messages.py
    failure_detail = models.CharField(max_length=200, blank=True)
    failed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)  # since then nothing has arrived
    delivered_count = models.PositiveBigIntegerField(default=0)
    failed_count = models.PositiveBigIntegerField(default=0)  # attempts

    objects = NotificationTargetQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return f"{self.service} {self.name}"

    def get_absolute_url(self) -> str:
        """The page where it is changed."""
        if self.team is None:
            return reverse("audit:target", args=[self.pk])
        return reverse("teams:target", args=[self.team.slug, self.pk])

    @property
    def list_url(self) -> str:
        """The page that lists it."""
        return reverse("teams:messages", args=[self.team.slug]) if self.team else reverse("audit:messages")

    @property
    def is_failing(self) -> bool:
        """Whether messages do not reach it."""
        return self.given_up_at is not None or self.failures >= FAILURES_TO_TELL

    @property
    def bound_to(self) -> str:
        """What its address is sealed for."""
        return f"notification|{self.pk}"

    @property
    def kind_labels(self) -> list[str]:
        """The chosen kinds, in words."""
        return [str(kind.label) for kind in MessageKind if kind.value in self.kinds]

    def audit_subject(self) -> Subject:
        """As the ledger names it."""
        return Subject("message-target", str(self.pk), self.name, team=self.team)

    def as_audit_json(self) -> dict[str, Any]:
        """What the ledger keeps: nothing of the address."""
        return {
            "service": self.service,
            "name": self.name,
            "kinds": self.kinds,
            "language": self.language,
            "paused": self.is_paused,
        }


class MessageState(models.TextChoices):
    """What became of a message."""

    WAITING = "waiting", _("Waiting")
    SENT = "sent", _("Delivered")
    GIVEN_UP = "given-up", _("Not delivered")


class Message(models.Model):
    """A message to one chat about one happening. The text is written when it is sent, in the chat's language."""

    target = models.ForeignKey(NotificationTarget, models.CASCADE, related_name="messages")
    kind = models.CharField(max_length=16, choices=MessageKind.choices)
    key = models.CharField(max_length=96)  # the happening
    facts = models.JSONField(default=dict)  # names for the text
    path = models.CharField(max_length=500)  # of the page where one acts
    happened_at = models.DateTimeField(default=clock.now)
    state = models.CharField(max_length=16, choices=MessageState.choices, default=MessageState.WAITING)
    settled_at = models.DateTimeField(null=True)
    refusals = models.PositiveIntegerField(default=0)  # answers of the service that refuse this message

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["target", "key"], name="message_once_a_happening")]
        indexes = [
            models.Index(fields=["target"], condition=Q(state=MessageState.WAITING), name="message_waiting"),
            models.Index(fields=["settled_at"], name="message_settled"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} to {self.target_id}"


class OutgoingMailQuerySet(LeasedQuerySet["OutgoingMail"]):
    @property
    def lease_length(self) -> timedelta:
        """For one mail, whose server may let each step of the conversation wait for the time-out."""
        return timedelta(seconds=10 * settings.EMAIL_TIMEOUT)

    def is_time(self) -> Q:
        """Whether a mail's pause, which grows with its tries, is over."""
        return reduce(
            or_, [Q(clock.due("run_after", MAIL_PAUSES[tries]), tries=tries) for tries in range(MAIL_TRIES)]
        )


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
