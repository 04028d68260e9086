"""Follow-ups of creations: what an auditor asks a person, until when, and what was said."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Grant, Team
from hyperclusters.access.permissions import POLICY, Permission, Person, Reader, within
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject

TEXT_LENGTH = 1000  # characters of a message: as a draft it fits a cookie
TEAM = "creation__project__team"  # the path to a follow-up's team


class EntryKind(models.TextChoices):
    """What an entry of the conversation is."""

    OPENED = "opened", _("Opened")
    ANSWER = "answer", _("Answer")  # of the person it is assigned to
    QUESTION = "question", _("Question")  # of an auditor, after the first one
    REASSIGNED = "reassigned", _("Assigned to somebody else")
    RESCHEDULED = "rescheduled", _("Due date changed")
    CLOSED = "closed", _("Closed")


class FollowUpQuerySet(models.QuerySet["FollowUp"]):
    """Follow-ups."""

    def visible_to(self, person: Reader) -> FollowUpQuerySet:
        """Those that this person may read: the auditors and the team's admins all, and who is asked their own."""
        readers = within(person, Permission.AUDIT, team=TEAM)
        own = Q(assignee=person.pk) & within(person, Permission.VIEW, team=TEAM)
        return self.filter(readers | own) if readers else self  # an auditor's condition is empty

    def asked_before(self, person: Person) -> FollowUpQuerySet:
        """Those that were assigned to this person, who still may see the team, at some time."""
        entries = FollowUpEntry.objects.filter(
            follow_up=models.OuterRef("pk"),
            recipient=person.pk,
            kind__in=[EntryKind.OPENED, EntryKind.REASSIGNED],
        )
        return self.filter(models.Exists(entries), within(person, Permission.VIEW, team=TEAM))

    def with_related(self) -> FollowUpQuerySet:
        """With everything that a page names."""
        return self.select_related(TEAM, "creation__requested_by", "assignee", "opened_by", "closed_by")

    def open(self) -> FollowUpQuerySet:
        """Those that no auditor has closed. The nearest due date first."""
        return self.filter(closed_at__isnull=True).order_by("due_on", "pk")

    def overdue(self) -> FollowUpQuerySet:
        """Open ones whose last day is over."""
        return self.open().filter(due_on__lt=clock.today())

    def closed(self) -> FollowUpQuerySet:
        """Those that an auditor has closed, the latest first."""
        return self.filter(closed_at__isnull=False).order_by("-closed_at", "pk")

    def of(self, person: Person) -> FollowUpQuerySet:
        """Those that this person has opened, or must answer."""
        return self.filter(Q(opened_by=person.pk) | Q(assignee=person.pk))

    def to_answer(self, person: Reader, today: Any) -> FollowUpQuerySet:
        """What waits for this person's answer; if it is overdue, also what they have answered.

        `today`: a day (UTC), or an expression."""
        own = Q(assignee=person.pk) & within(person, Permission.VIEW, team=TEAM)
        return self.open().filter(own, Q(answered_at__isnull=True) | Q(due_on__lt=today))

    def to_close(self, person: Reader, today: Any = None, now: Any = None) -> FollowUpQuerySet:
        """What has an answer or is overdue, and this auditor may close: what they have opened, and what others have
        opened who have left, or must answer, or have answered. `today`, `now`: this day and time (UTC), or expressions."""
        reviewers = Grant.objects.active(now).filter(
            person=models.OuterRef("opened_by"), role__in=POLICY[Permission.REVIEW].site
        )
        answers = FollowUpEntry.objects.filter(follow_up=models.OuterRef("pk"), kind=EntryKind.ANSWER)
        has_answer = Q(models.Exists(answers.filter(author=models.OuterRef("opened_by"))))
        is_of_others = Q(opened_by=models.F("assignee")) | has_answer | Q(~models.Exists(reviewers))
        rows = self.open().filter(Q(answered_at__isnull=False) | Q(due_on__lt=today or clock.today()))
        rows = rows.filter(
            Q(opened_by=person.pk) | is_of_others, within(person, Permission.REVIEW, team=TEAM)
        )
        return rows.exclude(Q(assignee=person.pk) | Q(models.Exists(answers.filter(author=person.pk))))

    def with_access(self) -> FollowUpQuerySet:
        """With `has_access`: whether the person who is asked may still see the team's clusters."""
        grants = Grant.objects.active().filter(
            Q(team=models.OuterRef(TEAM)) | Q(team=None, role__in=POLICY[Permission.VIEW].site),
            person=models.OuterRef("assignee"),
        )
        return self.annotate(has_access=models.Exists(grants))


class FollowUp(models.Model):
    """A question about a creation, the person who must answer it, and the last day for that (UTC)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    creation = models.ForeignKey("clusters.Creation", on_delete=models.PROTECT, related_name="follow_ups")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    due_on = models.DateField()
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(default=clock.now)
    answered_at = models.DateTimeField(null=True, blank=True)  # null: the assignee has the word
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)  # grows with each entry, so that an old form is noticed

    objects = FollowUpQuerySet.as_manager()

    class Meta:
        ordering = ["due_on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_by__isnull=True)
                | Q(closed_at__isnull=False, closed_by__isnull=False),
                name="follow_up_closed_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["due_on"], name="follow_up_open", condition=Q(closed_at=None))]

    def __str__(self) -> str:
        return self.creation.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("creations:follow_up", args=[self.pk])

    def audit_subject(self) -> Subject:
        """As the ledger names it: by the name of its creation."""
        project = self.creation.project
        return Subject("follow_up", str(self.pk), self.creation.name, project.team, project)

    @property
    def team(self) -> Team:
        return self.creation.project.team

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def is_overdue(self) -> bool:
        return self.is_open and self.due_on < clock.today()


class EntryQuerySet(models.QuerySet["FollowUpEntry"]):
    """Entries of conversations."""

    def for_person(self, person: Reader) -> EntryQuerySet:
        """Entries of others for this person: what concerns who is or was asked, in the teams whose creations they may
        see; answers, in the teams whose audit they may read."""
        questions = (Q(recipient=person.pk) & ~Q(kind=EntryKind.ANSWER)) | Q(former_assignee=person.pk)
        questions &= within(person, Permission.VIEW, team=f"follow_up__{TEAM}")
        answers = Q(recipient=person.pk, kind=EntryKind.ANSWER)
        answers &= within(person, Permission.AUDIT, team=f"follow_up__{TEAM}")
        return self.filter(questions | answers).exclude(author=person.pk)

    def with_related(self) -> EntryQuerySet:
        """With everything that a notice names."""
        return self.select_related(
            "author", "recipient", "former_assignee", "follow_up__assignee", f"follow_up__{TEAM}"
        )


class FollowUpEntry(models.Model):
    """One entry of the conversation, in the order of the keys. Never changed."""

    follow_up = models.ForeignKey(FollowUp, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=16, choices=EntryKind.choices)
    text = models.CharField(max_length=TEXT_LENGTH, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=clock.now)
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    former_assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    due_on = models.DateField(null=True, blank=True)  # of an opening and of another due date
    # Of the form that was sent, so that a double click is one entry.
    token = models.UUIDField(unique=True, default=uuid.uuid4)
    notice_sent_at = models.DateTimeField(null=True, blank=True)  # when its mails were queued

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["id"], name="follow_up_notice", condition=Q(notice_sent_at=None))]

    def __str__(self) -> str:
        return f"{self.follow_up} {self.kind}"
