"""Records that somebody read the audit: one event per visit."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from . import clock
from .ledger import Person, Subject, Team, record
from .models import Event
from .readable import values
from .vocabulary import EventType, Outcome

VISIT = timedelta(minutes=10)
MOST = 10_000
_visits: dict[str, datetime] = {}  # visits that this process found in the ledger, and their times


def note_read(*, person: Person, page: str, filters: Mapping[str, str], team: Team | None = None) -> None:
    """Record that this person reads this page of the audit (`list`, `event`, `review` …) with these filters.

    One event per visit: the same page with the same filters within ten minutes is the same visit, and so is paging:
    leave the place in the list (`before`, `after`) out of `filters`. Don't call it for fragments that refresh
    themselves. `team`: the only team whose events are shown.
    """
    active_filters = {name: value for name, value in sorted(filters.items()) if value}
    text = "&".join(f"{name}={value}" for name, value in active_filters.items())
    who = getattr(person, "pk", None)
    # The object's ID stands for person, page and filters together, so that the last visit is found by an index.
    visit = hashlib.sha256(f"{who} {page} {team.pk if team else ''} {text}".encode()).hexdigest()[:32]
    if not _is_noted(visit):
        subject = Subject("audit", visit, f"{page} {text}".strip(), team)
        record(
            EventType.AUDIT_READ,
            Outcome.DONE,
            on=subject,
            by=person,
            after={"page": page, "filters": active_filters},
        )


def forget_visits() -> None:
    """Forget the cached visits of this process."""
    _visits.clear()


def _is_noted(visit: str) -> bool:
    """Whether this visit is in the ledger. A visit found once is remembered and not looked up at every page."""
    if (noted_at := _visits.get(visit)) and clock.is_within(noted_at, VISIT):
        return True
    about = Event.objects.for_object("audit", visit).filter(clock.within("at", VISIT))[:1]
    times = [at for _, at in values(about, "at") if at]
    if len(_visits) >= MOST:
        _visits.clear()
    _visits.update((visit, at) for at in times)
    return bool(times)
