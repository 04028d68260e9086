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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from smtplib import SMTPDataError, SMTPNotSupportedError, SMTPRecipientsRefused
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Model, QuerySet
from django.urls import reverse

from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.statements import Build, non_empty

from . import team_admins
from .access_mails import (
    access_decision_mail,
    access_request_mail,
    address_changed,
    expiry_mail,
    invitation_mail,
    no_admin_mail,
    token_mail,
)
from .alert_mails import alert_mail, queue_alert_mails
from .approval_mails import approval_mail, decision_mail
from .mail_parts import Text, addresses, link
from .models import (
    AccessRequest,
    AccessReview,
    Grant,
    Invitation,
    OutgoingMail,
    RequestState,
    ReviewState,
    Team,
    User,
)
from .models.notification import MAIL_PAUSES, MAIL_TRIES
from .permissions import Permission, who_can
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
    # Conditions on the row alone, without a time. One statement asks for all kinds; `rows` runs only where a row matches.
    always: Mapping[str, Any] = field(default_factory=dict)


def send_due(may_go_on: Callable[[], bool] = lambda: True) -> int:
    """Send every due mail, one after the other while `may_go_on` allows it. Returns how many were sent."""
    team_admins.record_teams_without_admin()
    candidates = _candidates()
    hits = non_empty(candidates.values())
    for sent_field, build in candidates.items():
        if build in hits:
            _address(sent_field, KINDS[sent_field])
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


@cache
def _candidates() -> dict[str, Build[Any]]:
    """By the field that says when the mail was sent: the rows that may need one now or later."""

    def build(sent_field: str) -> QuerySet[Any]:
        kind = KINDS[sent_field]
        rows: QuerySet[Any] = kind.rows().model._default_manager.filter(
            **{f"{sent_field}__isnull": True}, **kind.always
        )
        return rows

    return {name: partial(build, name) for name in KINDS if name not in WITHOUT_FIELD}


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
    subject = " ".join(subject.split())
    # The same again if a worker dies after the mail server took it: a mailbox can tell that it is one mail.
    content = "\n".join([str(mail.pk), mail.kind, mail.about, mail.address, subject, text])
    message_id = f"<{uuid.uuid5(uuid.NAMESPACE_OID, content)}@{urlsplit(settings.SITE_URL).hostname}>"
    EmailMessage(subject, text, to=[mail.address], headers={"Message-ID": message_id}).send()
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


def _review_mail(reminder: Reminder) -> MailKind[AccessReview]:
    def write(review: AccessReview) -> Text:
        admins = [grant.person for grant in who_can(Permission.GRANT, review.team)]
        return addresses(admins), *reminder.texts(
            review, link(reverse("teams:review", args=[review.team.slug]))
        )

    def rows() -> QuerySet[AccessReview]:
        return reminder.rows().with_admin().select_related("team", "opened_by")

    return MailKind(rows, write, reminder.note, always={"state": ReviewState.OPEN})


def _ending_soon() -> QuerySet[Grant]:
    now = clock.now()
    grants = Grant.objects.active().filter(until__lte=now + REMIND, since__lte=now - FIRST_DAY)
    return grants.not_outlasted()


WITHOUT_FIELD = {OutgoingMail.FORMER_ADDRESS, OutgoingMail.ALERT}  # queued where they arise
DECISION_STATES = [RequestState.APPROVED, RequestState.DECLINED]
KINDS: dict[str, MailKind[Any]] = {
    "told_at": MailKind(
        lambda: AccessRequest.objects.pending().select_related("person", "team"),
        access_request_mail,
        always={"state": RequestState.PENDING},
    ),
    "answered_at": MailKind(
        lambda: AccessRequest.objects.filter(state__in=DECISION_STATES).select_related(
            "person", "team", "decided_by"
        ),
        access_decision_mail,
        always={"state__in": DECISION_STATES},
    ),
    "mailed_at": MailKind(
        lambda: Invitation.objects.acceptable().select_related("team", "invited_by"),
        invitation_mail,
        always={"accepted_at": None, "withdrawn_at": None},
    ),
    "reminded_at": MailKind(
        lambda: _ending_soon().select_related("person", "team"),
        expiry_mail,
        always={"until__isnull": False, "ended_at": None},
    ),
    # The number alone: an alert whose other values somebody made unreadable has its mail too.
    OutgoingMail.ALERT: MailKind(lambda: Event.objects.only("seq"), alert_mail),
    OutgoingMail.FORMER_ADDRESS: MailKind(User.objects.all, address_changed),
    "expiry_mailed_at": MailKind(
        lambda: (
            apps.get_model("accounts", "ApiToken").objects.ending_soon().select_related("owner__service_team")
        ),
        token_mail,
        always={"revoked_at": None},
    ),
    "approver_told_at": MailKind(
        lambda: apps.get_model("clusters", "Creation").objects.with_related().waiting_for_approval(),
        approval_mail,
        always={"approval": "waiting"},
    ),
    "maker_told_at": MailKind(
        lambda: (
            apps.get_model("clusters", "Creation")
            .objects.with_related()
            .select_related("approval_by")
            .filter(approval__in=["approved", "declined"], approval_by__isnull=False)
        ),
        decision_mail,
        always={"approval__in": ["approved", "declined"]},
    ),
    **{reminder.field: _review_mail(reminder) for reminder in REMINDERS},
    "unled_told_at": MailKind(
        lambda: Team.objects.filter(unled_at__isnull=False),
        no_admin_mail,
        always={"unled_at__isnull": False},
    ),
}
