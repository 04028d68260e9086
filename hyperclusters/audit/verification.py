"""Verifies the ledger, keeps how it came out for pages to show, and raises an alert where it was tampered with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction

from . import anchors, clock, indexes, structure
from .acknowledgements import Acknowledgement, acknowledgements, split, trusted
from .chain import HeadLost, KeyMissing, current_key, digest, moment
from .findings import ENOUGH, Finding, Findings, Kind
from .ledger import Subject, record
from .models import Duty, Event, Head, Segment, Verification
from .readable import UNREADABLE
from .rows import LEAST, ahead, differing, ends, is_about_a_value, rows, with_contents, without_number
from .segments import covered
from .vocabulary import Action, Outcome
from .walk import Place, Walk

Progress = Callable[[int, int], None]  # how many of how many; may raise to end it
WHOLE, NEW = "whole", "new"
GRACE = timedelta(hours=1)  # past AUDIT_VERIFY_HOURS, after which a verification of all is overdue
NEW_OVERDUE = timedelta(minutes=15)
CLOCKS = timedelta(seconds=5)  # a row further ahead of the clock is no row of ours


@dataclass(frozen=True, slots=True)
class Result:
    """What a verification found, of how many events, and up to which place."""

    findings: list[Finding]
    count: int
    place: Place
    seconds: float
    known: tuple[Finding, ...] = ()  # before a verification of all began
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the ledger's state. `state`: `intact`, `broken`, `overdue` or `never` verified."""

    state: str
    at: datetime | None = None  # of the last verification, of new events or of all
    whole_at: datetime | None = None  # of the last one of all
    seq: int = 0  # verified up to this event
    findings: tuple[Finding, ...] = ()  # that nobody has acknowledged
    acknowledged: tuple[Finding, ...] = ()
    failures: int = 0  # verifications that ended with an error since the last one that did not
    error: str = ""

    @property
    def since(self) -> datetime | None:
        """Since when nothing was verified that should have been."""
        return self.whole_at if self.whole_at and _is_whole_overdue(self.whole_at) else self.at


def verify(progress: Progress = lambda _done, _all: None, distrusted: tuple[Finding, ...] = ()) -> Result:
    """Verify all: every event that is in the database, the archives' records, and the anchors.

    `distrusted`: findings of an earlier round that speak of acknowledgements, which then count for nothing.
    """
    known = _known(_sealed())
    said = [each for each in acknowledgements() if not each.is_covered(distrusted)]
    findings = Findings()
    seen: dict[int, Place] = {}
    start = Place()
    try:
        seen = anchors.seen(findings, [each.rollback for each in said if each.rollback])
        start = covered(findings)
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
    if result.findings and covered(Findings()) != start:
        return verify(progress)  # events were archived before they were read
    if any(each.is_covered(result.findings) for each in said):
        return verify(progress, (*distrusted, *result.findings))
    return replace(result, findings=_with_rollbacks(result.findings, said), known=known, is_whole=True)


def _with_rollbacks(findings: Iterable[Finding], said: Iterable[Acknowledgement]) -> list[Finding]:
    """What was found, and the acknowledged returns to an older state: the anchors that show those are not heeded."""
    backs = [each for one in said if one.rollback for each in one.findings if each.kind == Kind.ROLLED_BACK]
    return [*with_contents(findings), *backs]


def verify_whole(progress: Progress = lambda _done, _all: None) -> Result:
    """Verify all, and what guards it: the triggers, and on SQLite the indexes and the search. For the command and workers."""
    result = verify(progress)
    findings = Findings()
    guards.inspect_triggers(findings)
    first = Event.objects.filter(seq__gt=0).order_by("seq").values_list("seq", flat=True).first()
    if first:
        guards.inspect_indexes(findings, first, result.place.seq)
        if first <= covered(Findings()).seq:
            return verify_whole(progress)  # events were archived meanwhile; the search keeps their names
    return replace(result, findings=[*result.findings, *findings.found])


def verify_new(progress: Progress = lambda _done, _all: None) -> Result:
    """Verify what came after the last verification, and that the last anchor's event is still there."""
    stored = _sealed()
    whole = next((row for row in stored if row.kind == WHOLE), None)
    done = max(stored, key=lambda row: row.seq, default=None)
    if not whole or not done or not done.seq or _is_whole_overdue(whole.at) or _is_archived_beyond(done.seq):
        return verify_whole(progress)
    said = trusted(acknowledgements(), (), done.seq)
    last = anchors.latest([each.rollback for each in said if each.rollback])
    findings = Findings()
    start = Place(done.seq, done.digest, done.chain_key_id)
    seen = {last.seq: last} if last and last.seq > start.seq else {}
    archived = covered(Findings()).seq
    outside = Event.objects.filter(seq__lte=archived).order_by("seq").values_list("seq", flat=True)
    known = [each for each in _known(stored) if each.kind == Kind.INSERTED]
    for number in outside[:ENOUGH]:
        if not any(each.first <= number <= each.last for each in known):
            findings.add(Kind.INSERTED, number)
    guards.inspect_triggers(findings)
    result = _walk(start, start.seq + 1, seen, findings, progress)
    if result.findings and _is_archived_beyond(done.seq):
        return verify_whole(progress)
    return replace(result, findings=with_contents(result.findings))


def _is_whole_overdue(at: datetime) -> bool:
    return clock.now() - at > timedelta(hours=settings.AUDIT_VERIFY_HOURS) + GRACE


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


def still_open(result: Result) -> tuple[Finding, ...]:
    """What was found and is not acknowledged."""
    return _split(result)[0]


def summary(result: Result) -> str:
    """How a verification came out that left nothing open."""
    rate = result.count / max(result.seconds, 0.001)
    told = f"intact: {result.count} events up to {result.place.seq}, {rate:,.0f} a second"
    return told + count(_split(result)[1])


def count(acknowledged: Sequence[Finding]) -> str:
    """The acknowledged findings, in words, to stand behind "intact"; nothing if there are none."""
    if not acknowledged:
        return ""
    number = f"{len(acknowledged)} acknowledged finding{'' if len(acknowledged) == 1 else 's'}"
    return f", {number}\n" + "\n".join(f"acknowledged: {finding}" for finding in acknowledged)


def _split(result: Result) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    return split(result.findings, trusted(acknowledgements(), result.findings, result.place.seq))


def note(kind: str, result: Result) -> None:
    """Keep how it came out, sealed. What was not known before and is not acknowledged raises one alert event; a whole
    verification that finds nothing ends an earlier alarm, but none that was raised while it ran: it may have passed that
    place before."""
    kind = WHOLE if result.is_whole else kind
    place = result.place if result.place.digest else Place(0)
    with transaction.atomic():
        stored = {row.kind: row for row in Verification.objects.select_for_update().order_by("kind")}
        known = _known(_sealed(stored.values()))
        identities = {finding.identity for finding in known}
        fresh = [finding for finding in result.findings if finding.identity not in identities]
        # What a part of the ledger does not show again stays known until all was looked at.
        stays = [finding for finding in known if kind == NEW or finding not in result.known]
        kept = _unique([*stays, *result.findings])
        if kind == WHOLE and NEW in stored:
            stored[NEW].delete()
        _store(kind, result, place, kept)
        if not Head.objects.exists():
            return  # nothing can be recorded any more: the finding is what is left
        still_open, _ = split(fresh, trusted(acknowledgements(), kept, place.seq))
        if still_open:
            _tell(Action.AUDIT_BROKEN, Outcome.FAILED, still_open)
        elif known and not kept:
            _tell(Action.AUDIT_MENDED, Outcome.NOTED, known)


def _store(kind: str, result: Result, place: Place, findings: Iterable[Finding]) -> None:
    key_id, key = _sealing_key()
    row = Verification(
        kind=kind,
        at=clock.now(),
        seconds=result.seconds,
        count=result.count,
        seq=place.seq,
        digest=place.digest,
        findings=[finding.facts() for finding in findings],
        chain_key_id=place.key_id,
        seal_key_id=key_id,
    )
    row.seal = _seal(row, key)
    row.save()


def _sealing_key() -> tuple[str, bytes]:
    """The current key; where the record of the chain's end is gone, the first one. Raises KeyMissing."""
    try:
        return current_key()
    except HeadLost:
        key_id, key = settings.AUDIT_KEYS[0]
        return key_id, key


def _seal(row: Verification, key: bytes) -> str:
    said = [row.kind, moment(row.at), row.count, row.seq, row.digest, row.chain_key_id, row.findings]
    return digest(key, json.dumps(said, sort_keys=True))


def _sealed(stored: Iterable[Verification] | None = None) -> list[Verification]:
    """The rows that say what a verification found: sealed with the current key, and not from the future."""
    try:
        key_id, key = _sealing_key()
    except KeyMissing:
        return []
    rows = Verification.objects.order_by("kind") if stored is None else stored
    latest = clock.now() + CLOCKS
    return [
        row for row in rows if row.seal_key_id == key_id and row.seal == _seal(row, key) and row.at <= latest
    ]


def standing() -> Standing:
    """How the ledger stands, by the last verifications. A row that was edited or invented counts as no verification."""
    found = {row.kind: row for row in _sealed()}
    failing = Duty.objects.filter(name__startswith="verify ", failures__gt=0).order_by("-failures").first()
    failures, error = (failing.failures, failing.error) if failing else (0, "")
    if not found:
        return Standing("never", failures=failures, error=error)
    at, seq = max(row.at for row in found.values()), max(row.seq for row in found.values())
    whole_at = found[WHOLE].at if WHOLE in found else None
    findings = acknowledged = _known(found.values())
    if findings:
        findings, acknowledged = split(findings, trusted(acknowledgements(), findings, seq))
    if findings:
        state = "broken"
    elif whole_at is None:
        state = "never"
    else:
        is_overdue = _is_whole_overdue(whole_at) or clock.now() - at > NEW_OVERDUE
        state = "overdue" if is_overdue else "intact"
    return Standing(state, at, whole_at, seq, findings, acknowledged, failures, error)


def _known(stored: Iterable[Verification]) -> tuple[Finding, ...]:
    return tuple(_unique(Finding(**facts) for row in stored for facts in row.findings))


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    return list({finding.identity: finding for finding in findings}.values())


def _tell(action: Action, outcome: Outcome, findings: Iterable[Finding]) -> None:
    told = [str(finding) for finding in findings][:20]
    record(action, outcome, subject=Subject("audit", "", "chain"), after={"findings": told})
