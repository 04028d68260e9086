"""Follow-ups in words: how they stand, what was done, and why a change was refused."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.models import User
from hyperclusters.clusters.errors import FollowUpCause, FollowUpRefused
from hyperclusters.clusters.models import EntryKind, FollowUp, FollowUpEntry
from hyperclusters.web.texts.causes import Text
from hyperclusters.web.texts.grants import day

FOLLOW_UP_REFUSALS: dict[FollowUpCause, Text] = {
    FollowUpCause.NO_TEXT: gettext_lazy("Enter a text. Nothing was saved."),
    FollowUpCause.TOO_LONG: gettext_lazy("The text may have 1,000 characters. Nothing was saved."),
    FollowUpCause.NO_ACCESS: gettext_lazy(
        "This person has no account, or can't see the creations of this team. Nothing was saved."
    ),
    FollowUpCause.SAME: gettext_lazy("It is so already. Nothing was changed."),
    FollowUpCause.PAST: gettext_lazy("This day is over in UTC. Choose today or a later day."),
    FollowUpCause.TOO_LATE: gettext_lazy("Choose a day within a year."),
    FollowUpCause.CHANGED: gettext_lazy(
        "Something was added since you opened this page. Nothing was saved: read it below, then try again."
    ),
    FollowUpCause.CLOSED: gettext_lazy("This follow-up was closed meanwhile. Nothing was saved."),
    FollowUpCause.NOT_YOURS: gettext_lazy(
        "This follow-up was assigned to somebody else meanwhile. Your answer was not sent."
    ),
    FollowUpCause.OWN_ANSWER: gettext_lazy(
        "Nobody closes their own answer. Another auditor must close this follow-up."
    ),
    FollowUpCause.NOBODY_CLOSES: gettext_lazy(
        "No other auditor could close it if this person answers. Choose somebody else. Nothing was saved."
    ),
    FollowUpCause.USED: gettext_lazy(
        "This form was already used for something else. Nothing more was saved."
    ),
}
# The field whose value is refused.
FIELDS: dict[str, str] = {
    FollowUpCause.NO_TEXT: "text",
    FollowUpCause.TOO_LONG: "text",
    FollowUpCause.NO_ACCESS: "person",
    FollowUpCause.NOBODY_CLOSES: "person",
    FollowUpCause.PAST: "due_on",
    FollowUpCause.TOO_LATE: "due_on",
}


def follow_up_refusal(error: FollowUpRefused) -> str:
    """Why nothing was changed."""
    return str(FOLLOW_UP_REFUSALS[FollowUpCause(error.cause)])


def follow_up_state(follow_up: FollowUp, reader: User) -> tuple[str, str]:
    """How it stands: the kind of its badge, and its words for this reader."""
    if not follow_up.is_open:
        return "idle", _("Closed")
    if follow_up.answered_at:
        return "info", _("Answered, waiting for an auditor")
    if follow_up.assignee_id == reader.pk:
        return "wait", _("Waiting for you")
    return "wait", _("Waiting for %(person)s") % {"person": follow_up.assignee.username}


def entry_line(entry: FollowUpEntry) -> str:
    """What an entry changed, as a sentence; empty for one that only says something."""
    texts = {
        EntryKind.OPENED: _("%(author)s asked %(recipient)s, due %(day)s"),
        EntryKind.REASSIGNED: _("%(author)s assigned it to %(recipient)s instead of %(former)s"),
        EntryKind.RESCHEDULED: _("%(author)s changed the due date to %(day)s"),
        EntryKind.CLOSED: _("%(author)s closed it"),
    }
    return texts.get(EntryKind(entry.kind), "") % _names(entry)


def entry_notice(entry: FollowUpEntry, person: User) -> str:
    """What this person reads of it in the inbox."""
    if person.pk == entry.former_assignee_id:
        text = _("%(author)s assigned the follow-up on %(name)s to %(recipient)s instead of you")
    elif entry.kind in (EntryKind.OPENED, EntryKind.REASSIGNED) and _is_answered_by(entry, person):
        text = _("Your answer about %(name)s")
    else:
        text = {
            EntryKind.OPENED: _("%(author)s asks you about %(name)s, due %(day)s"),
            EntryKind.REASSIGNED: _("%(author)s assigned the follow-up on %(name)s to you, due %(day)s"),
            EntryKind.ANSWER: _("%(author)s answered your follow-up on %(name)s"),
            EntryKind.QUESTION: _("%(author)s replied about %(name)s"),
            EntryKind.RESCHEDULED: _(
                "%(author)s changed the due date of the follow-up on %(name)s to %(day)s"
            ),
            EntryKind.CLOSED: _("%(author)s closed the follow-up on %(name)s"),
        }[EntryKind(entry.kind)]
    return text % _names(entry)


def _is_answered_by(entry: FollowUpEntry, person: User) -> bool:
    follow_up = entry.follow_up
    is_theirs = person.pk == entry.recipient_id == follow_up.assignee_id
    return is_theirs and follow_up.is_open and follow_up.answered_at is not None


def _names(entry: FollowUpEntry) -> dict[str, str]:
    return {
        "author": entry.author.username,
        "recipient": entry.recipient.username,
        "former": entry.former_assignee.username if entry.former_assignee else "",
        "name": entry.follow_up.creation.name,
        "day": day(entry.due_on or entry.follow_up.due_on),
    }
