"""Ending one's own sessions."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome

from .models import Session
from .sessions import end_sessions


def end_one(*, person: User, handle: str) -> bool:
    """End the session of one's own that pages call by this handle; False if there is none."""
    try:
        wanted = UUID(handle)
    except ValueError:
        return False
    with transaction.atomic():
        session = Session.objects.filter(person=person, handle=wanted).select_for_update().first()
        if session is None:
            return False
        session.delete()
        before = {"ip": session.ip, "agent": session.agent, "seen_at": session.seen_at.isoformat()}
        subject = Subject("person", str(person.pk), person.username)
        record(Did.SESSION_ENDED, Outcome.DONE, person=person, subject=subject, before=before)
    return True


def sign_out_everywhere(*, person: User) -> int:
    """End every session of this person, the one that asks included; how many there were."""
    with transaction.atomic():
        ended = end_sessions(person)
        subject = Subject("person", str(person.pk), person.username)
        record(Did.SESSIONS_ENDED, Outcome.DONE, person=person, subject=subject, after={"sessions": ended})
    return ended
