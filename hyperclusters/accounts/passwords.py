"""Changes passwords, directly or by a link. Each change ends every other session and is one audit event."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes, force_str
from django.utils.http import base36_to_int, urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.access.services import add_person
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .sessions import end_sessions

log = logging.getLogger(__name__)


class _Tokens(PasswordResetTokenGenerator):
    def _now(self) -> datetime:
        return clock.now().replace(tzinfo=None)

    def check_token(self, user: User | None, token: str | None) -> bool:
        """Django's check. A link of the future was made by a wrong clock, and would outlive its hour."""
        if not super().check_token(user, token):
            return False
        made_at = base36_to_int(str(token).partition("-")[0])
        return made_at <= self._num_seconds(self._now() + clock.TOLERANCE)


_tokens = _Tokens()


def open_account(*, username: str, email: str, full_name: str = "") -> tuple[User, str]:
    """Add an account without a password; return it and the link for setting one within the hour.

    The inviting person passes the link on; only its reader can choose the password. Raises ValidationError for a bad
    name.
    """
    person = add_person(username=username, email=email, full_name=full_name)
    return person, password_address(person)


def password_address(person: User) -> str:
    """`password_path` as a whole address, from SITE_URL: no request's Host gets into a mail."""
    return f"{settings.SITE_URL}{password_path(person)}"


def password_path(person: User) -> str:
    """Where this person may set a password: works once, for an hour."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("accounts:reset", args=[uid, _tokens.make_token(person)])


def person_of(uid: str, token: str) -> User | None:
    """The active person of such a path; None if it was used, has expired, or is forged."""
    try:
        people = User.objects.filter(is_active=True, service_team=None)
        person = people.filter(pk=int(force_str(urlsafe_base64_decode(uid)))).first()
    except (ValueError, OverflowError):
        return None
    return person if person and _tokens.check_token(person, token) else None


def change_password(*, person: User, password: str, but: str | None = None) -> None:
    """Set a new password, checked by the form, and end every session but the one with this key."""
    _store(person, password, EventType.PASSWORD_CHANGED, but)


def reset_password(*, person: User, password: str) -> None:
    """Set the password of a person who came by a link, and end all their sessions."""
    _store(person, password, EventType.PASSWORD_RESET, None)


def ask_for_reset(*, email: str) -> None:
    """Mail a link to the person with this address and a password. Does not reveal whether there is one.

    The mail is sent beside the answer, so that the time to answer reveals nothing either.
    """
    person = User.objects.by_address(email).filter(is_active=True).first()
    if person is not None and not person.has_usable_password():
        person = None
    record(EventType.PASSWORD_RESET_ASKED, Outcome.ACCEPTED, by=person, person_name=email)
    if person is not None:
        text = render_to_string(
            "accounts/reset_mail.txt", {"person": person, "link": password_address(person)}
        )
        mail = EmailMessage(_("A new password for hyperclusters"), text, to=[person.email])
        threading.Thread(target=_send, args=(mail,), name="mail").start()


def _send(mail: EmailMessage) -> None:
    try:
        mail.send()
    except OSError:
        log.exception("A mail for a new password could not be sent.")


def _store(person: User, password: str, event_type: EventType, but: str | None) -> None:
    with transaction.atomic():
        person.set_password(password)
        person.save(update_fields=["password"])
        count = end_sessions(person, but=but)
        record(event_type, Outcome.DONE, on=person, by=person, after={"sessions_ended": count})
