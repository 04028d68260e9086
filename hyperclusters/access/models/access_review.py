"""Access reviews: what a team's admins decide about every grant of their team, by a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.audit.times import end_of_day

from .grant import Grant, Role
from .person import User
from .team import Team

REMIND_DAYS = 3  # before the due date


class ReviewState(models.TextChoices):
    """The states of an access review."""

    OPEN = "open", _("Open")
    COMPLETED = "completed", _("Completed")
    CANCELLED = "cancelled", _("Cancelled")


class AccessReviewQuerySet(models.QuerySet["AccessReview"]):
    def open(self) -> Self:
        """Reviews that are neither completed nor cancelled."""
        return self.filter(state=ReviewState.OPEN)

    def due_soon(self) -> Self:
        """Open reviews whose last days have begun."""
        last = clock.today() + timedelta(days=REMIND_DAYS)
        return self.open().filter(due_on__gte=clock.today(), due_on__lte=last)

    def reminded(self, field: str, since: datetime | models.Expression) -> Self:
        """Reviews of which the admins were reminded after this time, as `field` says. What was marked as sent at the
        opening was not sent."""
        return self.filter(**{f"{field}__gt": since}).exclude(**{field: F("opened_at")})

    def overdue(self) -> Self:
        """Open reviews whose due date is over."""
        return self.open().filter(due_on__lt=clock.today())

    def with_admin(self) -> Self:
        """Reviews of teams that have an admin to remind."""
        admins = Grant.objects.active().filter(team=OuterRef("team"), role=Role.ADMIN)
        return self.filter(Exists(admins))


class AccessReview(models.Model):
    """A review of all grants of one team. One is open at a time; being late ends nobody's access."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="access_reviews")
    opened_at = models.DateTimeField(default=clock.now)
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="access_reviews_opened")
    due_on = models.DateField()  # a day in UTC
    state = models.CharField(max_length=16, choices=ReviewState.choices, default=ReviewState.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="access_reviews_closed"
    )
    close_reason = models.CharField(max_length=500, blank=True)  # of cancelling it
    # The reminders of the team's admins: when it opened, in its last days, once it is overdue.
    opening_mail_at = models.DateTimeField(null=True, blank=True)
    due_mail_at = models.DateTimeField(null=True, blank=True)
    overdue_mail_at = models.DateTimeField(null=True, blank=True)

    objects = AccessReviewQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["team"], condition=Q(state=ReviewState.OPEN), name="access_review_one_open_a_team"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.team} by {self.due_on}"

    def get_absolute_url(self) -> str:
        return reverse("teams:evidence", args=[self.team.slug, self.pk])

    @property
    def is_open(self) -> bool:
        """Whether it is neither completed nor cancelled."""
        return self.state == ReviewState.OPEN

    @property
    def is_cancelled(self) -> bool:
        """Whether it ended without being completed."""
        return self.state == ReviewState.CANCELLED

    @property
    def is_overdue(self) -> bool:
        """Whether it is open after its due date."""
        return self.is_open and self.due_on < clock.today()

    @property
    def due_at(self) -> datetime:
        """The first moment after its due date."""
        return end_of_day(self.due_on)

    def as_audit_json(self) -> dict[str, Any]:
        """The review, as the ledger stores it."""
        return {"review": str(self.pk), "due_on": self.due_on.isoformat(), "state": str(self.state)}


class Decision(models.TextChoices):
    """What became of a grant in a review."""

    NONE = "", _("Not decided")
    KEPT = "kept", _("Kept")
    REVOKED = "revoked", _("Revoked")
    ENDED = "ended", _("Ended during the review")  # by other means


class GrantReviewQuerySet(models.QuerySet["GrantReview"]):
    def undecided(self) -> Self:
        """Grants that still wait for a decision: those that ended by other means do not."""
        return self.filter(decision=Decision.NONE, grant__in=Grant.objects.active())

    def with_last_use(self, team: Team) -> Self:
        """Each with `last_use`, the person's newest event in the team."""
        return self.annotate(last_use=last_use(team, "grant__person__username"))


def last_use(team: Team, username: str) -> Subquery:
    """The time of a person's newest event in a team. `username`: the path to their name."""
    events = Event.objects.with_readable_time().filter(team_id=team.pk, person_name=OuterRef(username))
    return Subquery(events.order_by("-at", "-seq").values("at")[:1])


class GrantReview(models.Model):
    """One grant in a review: what was decided, by whom and when, and how it was used until then."""

    review = models.ForeignKey(AccessReview, on_delete=models.PROTECT, related_name="items")
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="reviews")
    is_late = models.BooleanField(default=False)  # given during the review, so not part of it
    decision = models.CharField(max_length=16, choices=Decision.choices, default=Decision.NONE, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="grants_decided")
    # As they were at the decision or, without one, when the review ended.
    until = models.DateTimeField(null=True, blank=True)
    last_active_at = models.DateTimeField(null=True, blank=True)
    last_sign_in_at = models.DateTimeField(null=True, blank=True)

    objects = GrantReviewQuerySet.as_manager()

    class Meta:
        ordering = ["grant__person__username", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["review", "grant"], name="grant_review_once_a_review"),
        ]

    def __str__(self) -> str:
        return f"{self.grant}: {self.decision}"

    @property
    def mark(self) -> str:
        """What a form says of the grant, to be compared when it is sent: its end date."""
        return self.grant.until.isoformat() if self.grant.until else "-"

    @property
    def is_noted(self) -> bool:
        """Whether how the grant was used is noted: from the decision on, or the end of the review."""
        return bool(self.decision) or not self.review.is_open
