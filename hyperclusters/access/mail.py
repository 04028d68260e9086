"""Letters about access: a request to those who can decide it, the decision, an invitation, an end that comes near, a
team in which nobody will decide.

What is to be told is a row whose `…_at` is empty: each is claimed by one conditional UPDATE, so that several workers
send it once, and given back if the mail server does not take it. A letter never keeps a change from being made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from smtplib import SMTPException
from typing import TypeVar

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from . import invitations, leads
from .models import AccessRequest, Grant, Invitation, RequestState, Team, User
from .permissions import Action, appointers, who_can

log = logging.getLogger(__name__)
REMIND = timedelta(days=3)  # before the end
FIRST_DAY = timedelta(days=1)  # in which nobody is reminded: a grant for a day needs no letter
AMONG = 50  # letters of a kind in one go
R = TypeVar("R", bound=Model)


def send_due() -> int:
    """Send every letter that is due. Returns how many went out."""
    leads.note_unled()
    now = timezone.now()
    decided = AccessRequest.objects.filter(state__in=[RequestState.APPROVED, RequestState.DECLINED])
    ending = Grant.objects.active().filter(until__lte=now + REMIND, since__lte=now - FIRST_DAY)
    people = ("person", "team")
    return (
        _send(AccessRequest.objects.pending().select_related(*people), "told_at", _asked)
        + _send(decided.select_related(*people, "decided_by"), "answered_at", _decided)
        + _send(Invitation.objects.open().select_related("team", "invited_by"), "mailed_at", _invited)
        + _send(ending.select_related(*people), "reminded_at", _ending)
        + _send(Team.objects.filter(unled_at__isnull=False), "unled_told_at", _unled)
    )


Letter = tuple[list[str], str, str]  # to whom, the subject, the text


def _send(rows: QuerySet[R], mark: str, write: Callable[[R], Letter]) -> int:
    sent = 0
    for row in rows.filter(**{f"{mark}__isnull": True})[:AMONG]:
        mine = type(row)._default_manager.filter(pk=row.pk)
        if not mine.filter(**{f"{mark}__isnull": True}).update(**{mark: timezone.now()}):
            continue  # another worker has it
        to, subject, text = write(row)
        try:
            for address in to:
                send_mail(" ".join(subject.split()), text, settings.DEFAULT_FROM_EMAIL, [address])
        except (OSError, SMTPException) as error:
            log.warning("a letter about %s was not taken by the mail server: %s", type(row).__name__, error)
            mine.update(**{mark: None})
            return sent
        sent += len(to)
    return sent


def _asked(asked: AccessRequest) -> Letter:
    deciders = [held.person for held in who_can(Action.GRANT, asked.team) if held.person != asked.person]
    subject = _("%(person)s asks for access to %(team)s") % _names(asked)
    text = _(
        "%(person)s asks to be %(role)s in %(team)s, %(length)s:\n\n  %(reason)s\n\nDecide here: %(url)s"
    )
    facts = _names(asked) | {"length": asked.length, "reason": asked.reason}
    url = _link(asked.team.get_absolute_url())
    return _addresses(deciders or appointers()), subject, text % (facts | {"url": url})


def _decided(asked: AccessRequest) -> Letter:
    by = asked.decided_by.username if asked.decided_by else ""
    facts = _names(asked) | {"by": by, "note": asked.note, "url": _link(reverse("access:mine"))}
    if asked.state == RequestState.APPROVED:
        subject = _("You are %(role)s in %(team)s now") % facts
        text = _("%(by)s approved your request. %(note)s\n\nWhat you may do, and until when: %(url)s")
    else:
        subject = _("Your request for %(team)s was declined") % facts
        text = _("%(by)s declined it:\n\n  %(note)s\n\nWhat you may do, and until when: %(url)s")
    return _addresses([asked.person]), subject, text % facts


def _invited(invitation: Invitation) -> Letter:
    facts = {
        "by": invitation.invited_by.username,
        "role": invitation.get_role_display(),
        "team": invitation.team.name,
        "reason": invitation.reason,
        "until": f"{invitation.expires_at:%Y-%m-%d %H:%M} UTC",
        "url": _link(reverse("access:invitation", args=[invitations.token(invitation)])),
    }
    subject = _("%(by)s invites you to %(team)s on hyperclusters") % facts
    text = _(
        "%(by)s invites you to be %(role)s in %(team)s:\n\n  %(reason)s\n\n"
        "The link is good once, until %(until)s: %(url)s"
    )
    return [invitation.email], subject, text % facts


def _ending(held: Grant) -> Letter:
    facts = {
        "role": held.get_role_display(),
        "team": held.team.name if held.team else "hyperclusters",
        "until": f"{held.until:%Y-%m-%d %H:%M} UTC",
        "url": _link(reverse("access:mine")),
    }
    subject = _("Your access to %(team)s ends soon") % facts
    text = _("You are %(role)s in %(team)s until %(until)s. If you need it longer, ask with a click: %(url)s")
    return _addresses([held.person]), subject, text % facts


def _unled(team: Team) -> Letter:
    facts = {
        "team": team.name,
        "until": f"{team.unled_at:%Y-%m-%d %H:%M} UTC",
        "url": _link(reverse("teams:give", args=[team.slug])),
    }
    subject = _("Nobody decides in %(team)s from %(until)s on") % facts
    text = _(
        "The access of the last admin of %(team)s ends at %(until)s. Nobody can give access there, decide requests or "
        "settle open outcomes then.\n\nAppoint an admin: %(url)s"
    )
    return _addresses(appointers()), subject, text % facts


def _names(asked: AccessRequest) -> dict[str, str]:
    return {
        "person": asked.person.username,
        "role": asked.get_role_display(),
        "team": asked.team.name,
    }


def _addresses(people: Iterable[User]) -> list[str]:
    return sorted({person.email for person in people if person.email})


def _link(path: str) -> str:
    return f"{settings.SITE_URL}{path}"
