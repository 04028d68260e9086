"""Recent sign-in: sensitive acts need one within five minutes."""

from __future__ import annotations

from django.contrib.sessions.backends.base import SessionBase

from hyperclusters.audit import clock

KEY = "confirmed_at"
GOOD_FOR = 300  # seconds


def note_confirmation(session: SessionBase) -> None:
    """The person has just confirmed who they are, in any way."""
    session[KEY] = clock.now().timestamp()


def is_recent(session: SessionBase) -> bool:
    """Whether that was within five minutes."""
    return 0 <= clock.now().timestamp() - float(session.get(KEY, 0)) < GOOD_FOR
