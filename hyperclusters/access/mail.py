"""Mails about access: a request to those who can decide it, the decision, an invitation, an end that is near, a team
that will have no admin, an access review.

A row with an empty `…_at` has something to tell. One conditional UPDATE fills it, so that several workers tell it
once, and commits with an `OutgoingMail` for each address. Each mail is sent by itself: one that the mail server refuses, or
that a killed worker had, is due again after a pause that doubles, and delays no other. A mail never prevents a
change.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPDataError, SMTPNotSupportedError, SMTPRecipientsRefused
from typing import Any, Generic, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.audit import clock
from hyperclusters.audit.models import Event

from . import invitations, team_admins
from .alert_mails import alert_mail, queue_alert_mails
from .approval_mails import approval_mail, decision_mail
from .layers import stages
from .mail_parts import Text, addresses, link
from .models import AccessRequest, AccessReview, Grant, Invitation, OutgoingMail, RequestState, Team, User
from .models.notification import MAIL_PAUSES, MAIL_TRIES
from .permissions import Permission, platform_admins, who_can
from .review_reminders import REMINDERS, Reminder

log = logging.getLogger(__name__)
REMIND = timedelta(days=3)  # before the end
FIRST_DAY = timedelta(days=1)  # without a reminder: a grant for a day needs no mail
AMONG = 50  # rows of a kind, and mails, per turn
MAIL_ERRORS = (SMTPRecipientsRefused, SMTPDataError, SMTPNotSupportedError, ValueError)  # this mail, not any
R = TypeVar("R", bound=Model)


@dataclass(frozen=True, slots=True)
class MailKind(Generic[R]):
    """A kind of rows that need a mail, sent or not, and the mail about one."""

    rows: Callable[[], QuerySet[R]]
    write: Callable[[R], Text]
    note: Callable[[R], object] = lambda _row: None  # records the event, if it has one, with the mails


def send_due(may_go_on: Callable[[], bool] = lambda: True) -> int:
    """Send every due mail, one after the other while `may_go_on` allows it. Returns how many were sent."""
    team_admins.record_teams_without_admin()
    for sent_field, kind in KINDS.items():
        if sent_field not in WITHOUT_FIELD:
            _address(sent_field, kind)
    queue_alert_mails()
    count, holder = 0, uuid.uuid4().hex
    while may_go_on() and (mail := OutgoingMail.objects.claim(holder)):
        mine = OutgoingMail.objects.filter(pk=mail.pk, lease_holder=holder)
        mail.tries += 1
        # Before it is sent, so that a mail that kills its worker waits and comes to an end as well.
        mine.update(tries=mail.tries, run_after=clock.now() + MAIL_PAUSES[mail.tries])
        try:
            count += _send(mail)
        except (OSError, ValueError) as error:
            _reschedule(mine, mail, error)
            if not isinstance(error, MAIL_ERRORS):
                break  # the mail server does not answer: the others wait as well
        else:
            mine.delete()
    return count


def _address(sent_field: str, kind: MailKind[Any]) -> None:
    """Queue a mail for each address that must be told something new."""
    new = {f"{sent_field}__isnull": True}
    for row in kind.rows().filter(**new)[:AMONG]:
        with transaction.atomic():
            if type(row)._default_manager.filter(pk=row.pk, **new).update(**{sent_field: clock.now()}):
                mails = [
                    OutgoingMail(kind=sent_field, about=str(row.pk), address=to) for to in kind.write(row)[0]
                ]
                OutgoingMail.objects.bulk_create(
                    mails, ignore_conflicts=True
                )  # a waiting mail tells the same
                kind.note(row)


def _send(mail: OutgoingMail) -> int:
    """Send it, unless there is nothing to tell any more, or not to this address. Returns how many were sent."""
    kind = KINDS[mail.kind]
    row = kind.rows().filter(pk=mail.about).first()
    to, subject, text = kind.write(row) if row is not None else ([], "", "")
    if mail.address not in to:
        return 0
    send_mail(" ".join(subject.split()), text, settings.DEFAULT_FROM_EMAIL, [mail.address])
    return 1


def _reschedule(mine: QuerySet[OutgoingMail], mail: OutgoingMail, error: Exception) -> None:
    """Try it again later, unless that was the last try."""
    if mail.tries >= MAIL_TRIES:
        log.error(
            "a mail was refused by the mail server in %s tries and is given up: %s: %s",
            MAIL_TRIES,
            mail,
            error,
        )
        mine.delete()
        return
    log.warning("a mail was refused by the mail server and is tried again: %s: %s", mail, error)
    mine.update(lease_holder="", lease_expires_at=None)


def _request_mail(access_request: AccessRequest) -> Text:
    deciders = [
        grant.person
        for grant in who_can(Permission.GRANT, access_request.team)
        if grant.person != access_request.person
    ]
    subject = _("%(person)s asks for access to %(team)s") % _names(access_request)
    text = _(
        "%(person)s asks to be %(role)s in %(team)s, %(length)s:\n\n  %(reason)s\n\nDecide here: %(url)s"
    )
    facts = _names(access_request) | {"length": access_request.length, "reason": access_request.reason}
    url = link(access_request.team.get_absolute_url())
    return addresses(deciders or platform_admins()), subject, text % (facts | {"url": url})


def _decision_mail(access_request: AccessRequest) -> Text:
    by = access_request.decided_by.username if access_request.decided_by else ""
    facts = _names(access_request) | {
        "by": by,
        "note": access_request.note,
        "url": link(reverse("access:mine")),
    }
    if access_request.state == RequestState.APPROVED:
        subject = _("You are %(role)s in %(team)s now") % facts
        text = _("%(by)s approved your request. %(note)s\n\nWhat you may do, and until when: %(url)s")
    else:
        subject = _("Your request for %(team)s was declined") % facts
        text = _("%(by)s declined it:\n\n  %(note)s\n\nWhat you may do, and until when: %(url)s")
    return addresses([access_request.person]), subject, text % facts


def _invitation_mail(invitation: Invitation) -> Text:
    facts = {
        "by": invitation.invited_by.username,
        "role": invitation.get_role_display(),
        "team": invitation.team.name,
        "reason": invitation.reason,
        "until": f"{invitation.expires_at:%Y-%m-%d %H:%M} UTC",
        "url": link(reverse("access:invitation", args=[invitations.token(invitation)])),
    }
    subject = _("%(by)s invites you to %(team)s on hyperclusters") % facts
    text = _(
        "%(by)s invites you to be %(role)s in %(team)s:\n\n  %(reason)s\n\n"
        "The link is good once, until %(until)s: %(url)s"
    )
    return [invitation.email], subject, text % facts


def _expiry_mail(grant: Grant) -> Text:
    facts = {
        "role": grant.get_role_display(),
        "team": grant.team.name if grant.team else "hyperclusters",
        "until": f"{grant.until:%Y-%m-%d %H:%M} UTC",
        "url": link(reverse("access:mine")),
    }
    subject = _("Your access to %(team)s ends soon") % facts
    text = _("You are %(role)s in %(team)s until %(until)s. If you need it longer, ask with a click: %(url)s")
    after = stages(Grant.objects.active().of(grant.person, grant.team)) if grant.team else []
    if lower := [role for role, _until in after if grant.is_above(role)]:
        facts["then"] = str(lower[0].label)
        text = _(
            "You are %(role)s in %(team)s until %(until)s, then %(then)s. If you need it longer, ask with a click: "
            "%(url)s"
        )
    return addresses([grant.person]), subject, text % facts


def _token_mail(token: Any) -> Text:
    """To a token's person; to the admins of a service identity's team."""
    team = token.owner.service_team
    readers = [grant.person for grant in who_can(Permission.GRANT, team)] if team else [token.owner]
    page = team.get_absolute_url() if team else reverse("access:mine")
    facts = {
        "name": token.name,
        "owner": token.owner.username,
        "until": f"{token.expires_at:%Y-%m-%d %H:%M} UTC",
        "url": link(page),
    }
    subject = _("The API token “%(name)s” ends soon") % facts
    text = _(
        "The API token “%(name)s” of %(owner)s ends at %(until)s. What uses it will be rejected then.\n\n"
        "Create another one: %(url)s"
    )
    return addresses(readers), subject, text % facts


def _no_admin_mail(team: Team) -> Text:
    facts = {
        "team": team.name,
        "until": f"{team.unled_at:%Y-%m-%d %H:%M} UTC",
        "url": link(reverse("teams:give", args=[team.slug])),
    }
    subject = _("%(team)s has no admin from %(until)s on") % facts
    text = _(
        "The access of the last admin of %(team)s ends at %(until)s. Nobody can give access there, decide requests or "
        "settle open outcomes then.\n\nAppoint an admin: %(url)s"
    )
    return addresses(platform_admins()), subject, text % facts


def _address_changed(person: User) -> Text:
    letters = OutgoingMail.objects.filter(kind=OutgoingMail.FORMER_ADDRESS, about=str(person.pk))
    subject = _("The e-mail address of your hyperclusters account was changed")
    text = _(
        "Mails about the account %(person)s go to another address from now on. If you did not expect this, tell a "
        "platform admin.\n\n%(url)s"
    )
    return [mail.address for mail in letters], subject, text % {"person": person.username, "url": link("/")}


def _review_mail(reminder: Reminder) -> MailKind[AccessReview]:
    def write(review: AccessReview) -> Text:
        admins = [grant.person for grant in who_can(Permission.GRANT, review.team)]
        return addresses(admins), *reminder.texts(
            review, link(reverse("teams:review", args=[review.team.slug]))
        )

    def rows() -> QuerySet[AccessReview]:
        return reminder.rows().with_admin().select_related("team", "opened_by")

    return MailKind(rows, write, reminder.note)


def _names(access_request: AccessRequest) -> dict[str, str]:
    return {
        "person": access_request.person.username,
        "role": access_request.get_role_display(),
        "team": access_request.team.name,
    }


def _ending_soon() -> QuerySet[Grant]:
    now = clock.now()
    grants = Grant.objects.active().filter(until__lte=now + REMIND, since__lte=now - FIRST_DAY)
    return grants.not_outlasted()


WITHOUT_FIELD = {OutgoingMail.FORMER_ADDRESS, OutgoingMail.ALERT}  # queued where they arise
DECISION_STATES = [RequestState.APPROVED, RequestState.DECLINED]
KINDS: dict[str, MailKind[Any]] = {
    "told_at": MailKind(
        lambda: AccessRequest.objects.pending().select_related("person", "team"), _request_mail
    ),
    "answered_at": MailKind(
        lambda: AccessRequest.objects.filter(state__in=DECISION_STATES).select_related(
            "person", "team", "decided_by"
        ),
        _decision_mail,
    ),
    "mailed_at": MailKind(
        lambda: Invitation.objects.acceptable().select_related("team", "invited_by"), _invitation_mail
    ),
    "reminded_at": MailKind(lambda: _ending_soon().select_related("person", "team"), _expiry_mail),
    # The number alone: an alert whose other values somebody made unreadable has its mail too.
    OutgoingMail.ALERT: MailKind(lambda: Event.objects.only("seq"), alert_mail),
    OutgoingMail.FORMER_ADDRESS: MailKind(User.objects.all, _address_changed),
    "expiry_mailed_at": MailKind(
        lambda: (
            apps.get_model("accounts", "ApiToken").objects.ending_soon().select_related("owner__service_team")
        ),
        _token_mail,
    ),
    "approver_told_at": MailKind(
        lambda: apps.get_model("clusters", "Creation").objects.with_related().waiting_for_approval(),
        approval_mail,
    ),
    "maker_told_at": MailKind(
        lambda: (
            apps.get_model("clusters", "Creation")
            .objects.with_related()
            .select_related("approval_by")
            .filter(approval__in=["approved", "declined"], approval_by__isnull=False)
        ),
        decision_mail,
    ),
    **{reminder.field: _review_mail(reminder) for reminder in REMINDERS},
    "unled_told_at": MailKind(lambda: Team.objects.filter(unled_at__isnull=False), _no_admin_mail),
}
