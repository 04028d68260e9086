"""Verifies the ledger, keeps how it came out for pages to show, and raises an alert where it was tampered with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction

from . import anchors, archive, clock, guards
from .findings import ENOUGH, Finding, Findings, Kind
from .ledger import Subject, record
from .models import Event, Head, Segment, Verification
from .readable import UNREADABLE
from .rows import LEAST, ahead, differing, ends, is_about_a_value, rows, without_number
from .vocabulary import Action, Outcome
from .walk import Place, Walk

Progress = Callable[[int, int], None]  # how many of how many; may raise to end it
WHOLE, NEW = "whole", "new"


@dataclass(frozen=True, slots=True)
class Result:
    """What a verification found, of how many events, and up to which place."""

    findings: list[Finding]
    count: int
    place: Place
    seconds: float
    known: tuple[Finding, ...] = ()  # before a verification of all began


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the ledger's state. `state`: `intact`, `broken`, or `never` verified."""

    state: str
    at: datetime | None = None  # of the last verification, of new events or of all
    whole_at: datetime | None = None  # of the last one of all
    seq: int = 0  # verified up to this event
    findings: tuple[Finding, ...] = ()


def verify(progress: Progress = lambda _done, _all: None) -> Result:
    """Verify all: every event that is in the database, the archives' records, and the anchors."""
    known = _known(Verification.objects.all())
    findings = Findings()
    seen: dict[int, Place] = {}
    start = Place()
    try:
        seen = anchors.seen(findings)
        start = archive.covered(findings)
    except (DatabaseError, *UNREADABLE) as error:
        if not is_about_a_value(error):
            raise
        findings.add(Kind.UNREADABLE, 0, detail=f"records of anchors or archives: {type(error).__name__}")
    kept = {seq: place for seq, place in seen.items() if seq > start.seq}
    if (edge := seen.get(start.seq)) and edge.digest != start.digest:
        findings.add(Kind.ARCHIVE_EDITED, start.seq, detail="an anchor has seen another event here")
    for value in without_number(ENOUGH):
        findings.add(Kind.INSERTED, 0, detail=f"its number is {value}")
    result = _walk(start, LEAST, kept, findings, progress)
    if result.findings and archive.covered(Findings()) != start:
        return verify(progress)  # events were archived before they were read
    return replace(result, known=known)


def verify_whole(progress: Progress = lambda _done, _all: None) -> Result:
    """Verify all, and what guards it: the triggers, and on SQLite the indexes and the search. For the command and workers."""
    result = verify(progress)
    findings = Findings()
    guards.inspect_triggers(findings)
    first = Event.objects.filter(seq__gt=0).order_by("seq").values_list("seq", flat=True).first()
    if first:
        guards.inspect_indexes(findings, first, result.place.seq)
        if first <= archive.covered(Findings()).seq:
            return verify_whole(progress)  # events were archived meanwhile; the search keeps their names
    return replace(result, findings=[*result.findings, *findings.found])


def verify_new(progress: Progress = lambda _done, _all: None) -> Result:
    """Verify what came after the last verification, and that the last anchor's event is still there."""
    done = Verification.objects.order_by("-seq").first()
    if done is None or not done.seq or _is_archived_beyond(done.seq):
        return verify_whole(progress)
    last = anchors.latest()
    findings = Findings()
    key_id = Event.objects.filter(seq=done.seq).values_list("key_id", flat=True).first() or ""
    start = Place(done.seq, done.digest, key_id)
    seen = {last.seq: last} if last and last.seq > start.seq else {}
    archived = archive.covered(Findings()).seq
    outside = Event.objects.filter(seq__lte=archived).order_by("seq").values_list("seq", flat=True)
    for number in outside[:ENOUGH]:
        findings.add(Kind.INSERTED, number)
    guards.inspect_triggers(findings)
    result = _walk(start, start.seq + 1, seen, findings, progress)
    return verify_whole(progress) if result.findings and _is_archived_beyond(done.seq) else result


def _is_archived_beyond(seq: int) -> bool:
    return Segment.objects.filter(last__gt=seq).exists()


def _walk(start: Place, first: int, seen: dict[int, Place], findings: Findings, progress: Progress) -> Result:
    began = time.monotonic()
    head, highest = ends()
    walk = Walk(settings.AUDIT_KEYS, start, seen, differing, findings)
    total = max((head.seq if head else highest) - start.seq, 0)
    for batch in ahead(rows(first, highest)):
        walk.feed(batch)
        progress(walk.count, max(total, walk.count))
    walk.end(head)
    return Result(findings.found, walk.count, walk.place, time.monotonic() - began)


def note(kind: str, result: Result) -> None:
    """Keep how it came out. What was not known before raises one alert event; a whole verification that finds nothing
    ends an earlier alarm, but none that was raised while it ran: it may have passed that place before."""
    place = result.place if result.place.digest else Place(0)
    now = clock.now()
    with transaction.atomic():
        stored = {row.kind: row for row in Verification.objects.select_for_update().order_by("kind")}
        known = _known(stored.values())
        fresh = [finding for finding in result.findings if finding not in known]
        # What a part of the ledger does not show again stays known until all was looked at.
        stays = [finding for finding in known if kind == NEW or finding not in result.known]
        kept = dict.fromkeys([*stays, *result.findings])
        if kind == WHOLE and NEW in stored:
            stored[NEW].delete()
        Verification.objects.update_or_create(
            kind=kind,
            defaults={
                "at": now,
                "seconds": result.seconds,
                "count": result.count,
                "seq": place.seq,
                "digest": place.digest,
                "findings": [finding.facts() for finding in kept],
            },
        )
        if not Head.objects.exists():
            return  # nothing can be recorded any more: the finding is what is left
        if fresh:
            _tell(Action.AUDIT_BROKEN, Outcome.FAILED, fresh)
        elif known and not kept:
            _tell(Action.AUDIT_MENDED, Outcome.NOTED, known)


def standing() -> Standing:
    """How the ledger stands, by the last verifications. What the command says is the truth: this row of the database
    can be changed like any other."""
    found = {row.kind: row for row in Verification.objects.all()}
    if not found:
        return Standing("never")
    findings = _known(found.values())
    whole = found.get(WHOLE)
    return Standing(
        state="broken" if findings else "intact",
        at=max(row.at for row in found.values()),
        whole_at=whole.at if whole else None,
        seq=max(row.seq for row in found.values()),
        findings=findings,
    )


def _known(stored: Iterable[Verification]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(Finding(**facts) for row in stored for facts in row.findings))


def _tell(action: Action, outcome: Outcome, findings: Iterable[Finding]) -> None:
    told = [str(finding) for finding in findings][:20]
    record(action, outcome, subject=Subject("audit", "", "chain"), after={"findings": told})
