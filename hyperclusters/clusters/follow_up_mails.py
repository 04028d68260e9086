"""Mails about follow-ups, one for each entry: to who is asked, and to the auditor who asked.

`access.mail` sends them as its own; the app's `ready` adds this kind, because `access` knows nothing of clusters.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from hyperclusters.access import mail
from hyperclusters.access.mail_parts import Text
from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, who_can

from .follow_ups import closers
from .models import EntryKind, FollowUpEntry


def add_kind() -> None:
    """Let the outbox send these mails."""
    mail.KINDS["notice_sent_at"] = mail.MailKind(FollowUpEntry.objects.with_related, _write)


def _write(entry: FollowUpEntry) -> Text:
    creation = entry.follow_up.creation
    facts = {
        "author": entry.author.username,
        "person": entry.recipient.username,
        "former": entry.former_assignee.username if entry.former_assignee else "",
        "name": creation.name,
        "team": creation.team.name,
        "day": str(entry.due_on or entry.follow_up.due_on),
        "text": entry.text,
        # Who was asked before may open the creation, but not the follow-up.
        "url": settings.SITE_URL
        + (creation if entry.former_assignee else entry.follow_up).get_absolute_url(),
    }
    subject, line = _sentences(EntryKind(entry.kind))
    parts = [line % facts]
    if entry.text:
        parts.append("  " + entry.text.replace("\n", "\n  "))
    if entry.kind == EntryKind.REASSIGNED:  # one text for who is asked now and who was asked before
        parts.append(_("%(person)s has until the end of %(day)s (UTC): %(url)s") % facts)
    elif entry.kind in {EntryKind.OPENED, EntryKind.QUESTION, EntryKind.RESCHEDULED}:
        parts.append(_("Answer until the end of %(day)s (UTC): %(url)s") % facts)
    else:
        parts.append(_("Read it here: %(url)s") % facts)
    return _addresses(entry), subject % facts, "\n\n".join(parts)


def _sentences(kind: EntryKind) -> tuple[str, str]:
    """The subject and the first line."""
    return {
        EntryKind.OPENED: (
            _("%(author)s asks you about %(name)s"),
            _("%(author)s asks about %(name)s in %(team)s:"),
        ),
        EntryKind.ANSWER: (_("%(author)s answered about %(name)s"), _("%(author)s answered:")),
        EntryKind.QUESTION: (_("%(author)s replied about %(name)s"), _("%(author)s replied:")),
        EntryKind.REASSIGNED: (
            _("%(person)s answers about %(name)s now"),
            _(
                "%(author)s assigned the follow-up on %(name)s in %(team)s to %(person)s instead of %(former)s."
            ),
        ),
        EntryKind.RESCHEDULED: (
            _("Another due date: your answer about %(name)s"),
            _("%(author)s changed the due date of the follow-up on %(name)s in %(team)s."),
        ),
        EntryKind.CLOSED: (
            _("The follow-up on %(name)s is closed"),
            _("%(author)s closed the follow-up on %(name)s in %(team)s."),
        ),
    }[kind]


def _addresses(entry: FollowUpEntry) -> list[str]:
    """Of those who are told and may still see the creation. An answer goes to all auditors who may close the follow-up
    if the one who asked has left, or may not close it."""
    follow_up = entry.follow_up
    if not follow_up.is_open and entry.kind not in {EntryKind.ANSWER, EntryKind.CLOSED}:
        return []
    readers = {grant.person for grant in who_can(Permission.VIEW, follow_up.team)}
    people: set[User] = {entry.recipient} | ({entry.former_assignee} if entry.former_assignee else set())
    if entry.kind == EntryKind.ANSWER:
        auditors = {grant.person for grant in closers(follow_up, follow_up.assignee)}
        people = people & auditors or auditors
    elif follow_up.assignee != entry.recipient:
        people -= {entry.recipient, follow_up.assignee}  # somebody else is asked meanwhile
    return sorted({each.email for each in people & readers - {entry.author} if each.email})
