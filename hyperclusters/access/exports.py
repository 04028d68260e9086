"""Exports the ledger for people who may read it. Every export is itself an event, recorded before its first byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from hyperclusters.audit import clock
from hyperclusters.audit.archive_files import open_file
from hyperclusters.audit.export import Format, export
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.manifest import Manifest
from hyperclusters.audit.models import ChainHead, Event, Segment
from hyperclusters.audit.segments import archived_until
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import Team, User
from .permissions import Permission, require, visible_events


def export_events(
    *, person: User | None, event_filter: EventFilter, form: Format, team: Team | None = None
) -> Iterator[bytes]:
    """The file with the matching events that this person may read, in chunks; the export is recorded now.

    `person` is None only for a command on the server. `team`: the only team whose events are in it. Raises
    NotPermitted.
    """
    if person is not None:
        require(person, Permission.AUDIT)
    events = Event.objects.all() if person is None else visible_events(person)
    through_seq = ChainHead.objects.values_list("seq", flat=True).first() or 0
    by = person.username if person else "command"
    until = archived_until(event_filter.since, event_filter.until)
    manifest = Manifest(
        event_filter.as_audit_json(),
        through_seq,
        by,
        clock.now().isoformat(),
        archived_until=until.isoformat() if until else "",
    )
    record(
        EventType.AUDIT_EXPORTED,
        Outcome.DONE,
        on=Subject("audit", "", form.value, team=team),
        by=person,
        after={"format": form.value, "filter": event_filter.as_audit_json(), "through_seq": through_seq},
    )
    return export(event_filter.apply(events), form, manifest)


def export_archive(*, person: User, segment: Segment, suffix: str = "") -> IO[bytes]:
    """An archive's file, or its manifest with the suffix; the export is recorded now.

    It has the events of every team. Raises NotPermitted, or Unavailable if the file is not here.
    """
    require(person, Permission.REVIEW)
    file = open_file(segment.file + suffix)
    try:
        record(
            EventType.AUDIT_EXPORTED,
            Outcome.DONE,
            on=Subject("audit", "", segment.file + suffix),
            by=person,
            after={"format": "archive", "first": segment.first, "last": segment.last},
        )
    except BaseException:
        file.close()
        raise
    return file
