"""Makes another key of AUDIT_KEYS the current one, by an event that is sealed with the key before it."""

from __future__ import annotations

from django.conf import settings

from .chain import current_key
from .ledger import Subject, record
from .models import Event
from .vocabulary import EventType, Outcome


class NotActivated(Exception):
    """The key stays as it is, for this reason."""


def activate(key_id: str, *, person_name: str = "") -> Event:
    """From the next event on every process seals with this key; one that lacks it can record nothing.

    Raises NotActivated, or KeyMissing if this process lacks the key that is current now.
    """
    now, _ = current_key()
    if key_id not in dict(settings.AUDIT_KEYS):
        raise NotActivated(f"AUDIT_KEYS of this process has no key {key_id!r}")
    if key_id == now:
        raise NotActivated(f"{key_id!r} is the current key already")
    return record(
        EventType.AUDIT_KEY_ACTIVATED,
        Outcome.DONE,
        on=Subject("audit", "", key_id),
        person_name=person_name,
        before={"key": now},
        after={"key": key_id},
    )
