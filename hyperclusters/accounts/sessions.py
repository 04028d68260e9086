"""Sessions: a row for a person, a signed cookie for anonymous callers, so that those write no rows.

This module is Django's SESSION_ENGINE: `SessionStore` is the name that Django looks for. A row's `expire_date` is the
nearer of the idle limit and the absolute limit. Every request but a poll (`X-Poll`) counts as use. Ending a session
deletes its row.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account.utils import url_str_to_user_pk
from django.conf import settings
from django.contrib.auth import SESSION_KEY as PERSON
from django.contrib.sessions.backends import db
from django.core import signing
from django.db import DatabaseError, transaction

from hyperclusters.access.models import User
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .backends import read_session
from .models import Session

HALF_WAY = "account_login"  # where allauth keeps a sign-in that lacks its second step
STARTED_AT = "started_at"
COMPANY_WORD_ENDS = "company_word_ends"  # when a person without a password must sign in at the company again
SALT = "hyperclusters.accounts.sessions.timed"
STRANGER_AGE = timedelta(minutes=15)  # enough for the way to the company's provider and back
SEEN_EVERY = timedelta(minutes=1)


class SessionStore(db.SessionStore):
    """A row for a person, a signed cookie for anonymous callers; signing in leads from one to the other, with a new
    key."""

    row: Session | None = None
    has_ended = False  # the key is a session's that is over
    has_idled_out = False  # the key was somebody's session, which ended because they did nothing

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        """The data stored under the key; empty if expired, ended, or not by us."""
        key = self.session_key or ""
        if _is_signed(key):
            with suppress(signing.BadSignature):
                at, data = signing.loads(key, salt=SALT)
                if clock.is_within(datetime.fromtimestamp(at, UTC), STRANGER_AGE):
                    return dict(data)
        else:
            row = read_session(key)
            if row and not row.is_expired:
                self.row = row
                return self.decode(row.session_data)
            self.has_ended, self.has_idled_out = bool(key), _has_idled_out(row)
        self._session_key = None
        return {}

    def exists(self, session_key: str) -> bool:
        return not _is_signed(session_key) and super().exists(session_key)

    def delete(self, session_key: str | None = None) -> None:
        if not _is_signed(session_key or self.session_key or ""):
            super().delete(session_key)

    def save(self, must_create: bool = False) -> None:
        """Store the session where it belongs now. Raises UpdateError if the row was ended meanwhile."""
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # not in the stubs
        if PERSON not in data and HALF_WAY not in data:
            self.delete()
            # The signature's own time is this machine's.
            self._session_key = signing.dumps([clock.now().timestamp(), data], salt=SALT, compress=True)
            return
        if _is_signed(self.session_key or ""):
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
            must_create = True
        super().save(must_create)

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        now = clock.now()
        if PERSON in data:
            data.setdefault(STARTED_AT, now.isoformat())  # stays through every change of the key
        started_at = datetime.fromisoformat(data[STARTED_AT]) if PERSON in data else None
        return Session(
            session_key=self._get_or_create_session_key(),  # type: ignore[attr-defined]  # not in the stubs
            session_data=self.encode(data),
            person_id=data[PERSON] if PERSON in data else url_str_to_user_pk(data[HALF_WAY]["user_pk"]),
            started_at=started_at,
            seen_at=now,
            expire_date=_end(now, started_at, data.get(COMPANY_WORD_ENDS)),
            ip=request_context.current().ip,
        )

    def note_use(self, *, agent: str) -> None:
        """The person did something: the idle limit starts again. Written at most once a minute."""
        if not self.row or not self.row.started_at:
            return
        now, ip = clock.now(), request_context.current().ip
        new = {"ip": ip, "agent": agent[:300]}
        if abs(now - self.row.seen_at) < SEEN_EVERY and new == {"ip": self.row.ip, "agent": self.row.agent}:
            return
        with suppress(DatabaseError):  # a database that accepts no writes still serves pages
            mine = Session.objects.filter(pk=self.row.pk)
            expire_date = _end(now, self.row.started_at, self.get(COMPANY_WORD_ENDS))
            mine.update(seen_at=now, expire_date=expire_date, **new)


def end_sessions(person: User, *, but: str | None = None) -> int:
    """End this person's sessions on the server, except the one with this key. Returns how many there were."""
    sessions = Session.objects.filter(person=person).exclude(session_key=but or "")
    return sessions.delete()[0]


def end_one(*, person: User, handle: str) -> bool:
    """End one's own session that pages call by this handle; False if there is none."""
    try:
        uuid = UUID(handle)
    except ValueError:
        return False
    with transaction.atomic():
        session = Session.objects.filter(person=person, handle=uuid).select_for_update().first()
        if session is None:
            return False
        session.delete()
        before = {"ip": session.ip, "agent": session.agent, "seen_at": session.seen_at.isoformat()}
        record(EventType.SESSION_ENDED, Outcome.DONE, on=person, by=person, before=before)
    return True


def sign_out_everywhere(*, person: User) -> int:
    """End every session of this person, the current one included. Returns how many there were."""
    with transaction.atomic():
        count = end_sessions(person)
        record(EventType.SESSIONS_ENDED, Outcome.DONE, on=person, by=person, after={"sessions": count})
    return count


def _has_idled_out(row: Session | None) -> bool:
    """Whether this session ended by the idle limit: not by its absolute limit, which had not come."""
    if row is None or row.started_at is None:
        return False
    idle, limit = timedelta(seconds=settings.SESSION_IDLE), timedelta(seconds=settings.SESSION_LIMIT)
    return row.seen_at + idle <= clock.now() < row.started_at + limit


def _is_signed(key: str) -> bool:
    return ":" in key


def _end(seen_at: datetime, started_at: datetime | None, word_ends: str | None) -> datetime:
    """The nearest of the idle limit, the absolute limit, and the end of the company sign-in (ISO 8601)."""
    ends = [seen_at + timedelta(seconds=settings.SESSION_IDLE)]
    if started_at:
        ends.append(started_at + timedelta(seconds=settings.SESSION_LIMIT))
    if word_ends:
        ends.append(datetime.fromisoformat(word_ends))
    return min(ends)
