"""Reminds a team's admins of an access review: when it opens, in its last days, once it is overdue. Each time once.

`mail` sends them, and the inbox shows them from then on. A team without an admin is reminded once it has one. A review
that is late ends nobody's access.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import AccessReview
from .models.access_review import AccessReviewQuerySet


@dataclass(frozen=True, slots=True)
class Reminder:
    """One of the three: the field that says when it was sent, the reviews that it is about, and its mail."""

    field: str
    rows: Callable[[], AccessReviewQuerySet]
    subject: str | Promise
    text: str | Promise

    def texts(self, review: AccessReview, url: str) -> tuple[str, str]:
        """The subject and the text of the mail."""
        facts = {"team": review.team.name, "by": review.opened_by.username, "due": f"{review.due_on} (UTC)"}
        return str(self.subject) % facts, str(self.text) % (facts | {"url": url})

    def note(self, review: AccessReview) -> None:
        """Record that the admins were reminded."""
        facts = review.as_audit_json() | {"reminder": self.field.removesuffix("_mail_at")}
        record(EventType.REVIEW_REMINDED, Outcome.NOTED, on=review.team, after=facts)


REMINDERS = (
    Reminder(
        "opening_mail_at",
        AccessReview.objects.open,
        _("Review the access to %(team)s by %(due)s"),
        _(
            "%(by)s started an access review of %(team)s. Decide about each person's access: keep it or revoke it.\n\n"
            "Due: %(due)s. Nobody loses access if the review is late.\n\nReview access: %(url)s"
        ),
    ),
    Reminder(
        "due_mail_at",
        AccessReview.objects.due_soon,
        _("The access review of %(team)s is due on %(due)s"),
        _("Some access to %(team)s may still need a decision.\n\nDue: %(due)s.\n\nReview access: %(url)s"),
    ),
    Reminder(
        "overdue_mail_at",
        AccessReview.objects.overdue,
        _("The access review of %(team)s is overdue"),
        _(
            "The access review of %(team)s was due on %(due)s. Nobody has lost access because of that. Please decide what "
            "is left.\n\nReview access: %(url)s"
        ),
    ),
)
