"""Verifies the ledger, stores the result for pages (`integrity`), and raises an alert if somebody tampered with it.

Workers verify new events every minute and everything every AUDIT_VERIFY_HOURS (`tasks`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import DatabaseError, transaction

from . import archive_checks, clock, indexes
from .acknowledgements import Acknowledgement, acknowledgements, split_findings, trustworthy
from .chain_verifier import END, ChainPosition, ChainVerifier
from .findings import ENOUGH, IntegrityIssue, IntegrityIssues, IssueKind
from .fingerprints import with_contents
from .guards import attempt, inspect_structure
from .integrity import NEW, WHOLE, is_whole_overdue
from .ledger import Subject, record
from .models import Event, Segment, Verification
from .raw_rows import (
    LEAST,
    ahead,
    differences,
    ends,
    highest,
    is_about_a_value,
    rows,
    savepoint,
    without_number,
)
from .readable import UNREADABLE
from .results import (
    known_findings,
    missing_acknowledgements,
    replace_rows,
    save,
    sealed_rows,
    stored_rows,
    unique,
    witness_rows,
)
from .segments import archived_through
from .vocabulary import EventType, Outcome
from .witnesses import compare_witnesses, latest_anchor, rows_of_gone_events

log = logging.getLogger(__name__)
Progress = Callable[[int, int], None]  # done and total; may raise to end it
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """The findings of a verification, the number of events, and the place up to which it went."""

    findings: list[IntegrityIssue]
    count: int
    position: ChainPosition
    seconds: float
    issues_before: tuple[IntegrityIssue, ...] = ()  # before a verification of all began
    is_whole: bool = False


def verify(progress: Progress = lambda _count, _all: None) -> Result:
    """Verify every event in the database, the records of archives, and the anchors."""
    return _unless_archived(lambda: _verify(progress))


def _unless_archived(verification: Callable[[], Result]) -> Result:
    """The result of a verification during which no archive took events away; of the last of a few attempts."""
    for _ in range(ATTEMPTS):
        before = archived_through(IntegrityIssues())
        result = verification()
        if not result.findings or archived_through(IntegrityIssues()) == before:
            break
    return result


def _verify(progress: Progress, disputes: tuple[IntegrityIssue, ...] = ()) -> Result:
    """`disputes`: findings of an earlier round that name acknowledgements, which then do not count."""
    witnesses = witness_rows()
    known_issues = known_findings(witnesses)
    acks = [each for each in acknowledgements() if not each.is_covered(disputes)]
    findings = IntegrityIssues()
    anchor_positions: dict[int, ChainPosition] = {}
    try:
        with savepoint():
            rollbacks = [each.rollback for each in acks if each.rollback]
            anchor_positions = compare_witnesses(findings, rollbacks, witnesses)
    except (DatabaseError, *UNREADABLE) as error:
        _unreadable(findings, error, "the records of anchors")
    start = archived_through(findings)
    later_anchors = {seq: position for seq, position in anchor_positions.items() if seq > start.seq}
    if (edge := anchor_positions.get(start.seq)) and edge.digest != start.digest:
        findings.add(IssueKind.ARCHIVE_EDITED, start.seq, detail="an anchor has seen another event here")
    for value in without_number(ENOUGH):
        findings.add(IssueKind.INSERTED, 0, detail=f"its number is {value}")
    result = _walk(start, LEAST, later_anchors, findings, progress)
    if any(each.is_covered(result.findings) for each in acks):
        return _verify(progress, (*disputes, *result.findings))
    return replace(
        result, findings=_with_rollbacks(result.findings, acks), issues_before=known_issues, is_whole=True
    )


def _unreadable(findings: IntegrityIssues, error: Exception, what: str) -> None:
    """A stored value is a finding; any other error is raised."""
    if not is_about_a_value(error):
        raise error
    findings.add(IssueKind.UNREADABLE, 0, detail=what)


def _with_rollbacks(
    findings: Iterable[IntegrityIssue], acknowledgements: Iterable[Acknowledgement]
) -> list[IntegrityIssue]:
    """The findings, and the acknowledged rollbacks: anchors that show those are ignored."""
    own_issues = [each for one in acknowledgements for each in one.findings]
    backs = [
        each
        for one in acknowledgements
        if one.rollback
        for each in one.findings
        if each.kind == IssueKind.ROLLED_BACK
    ]
    return [*with_contents(findings, own_issues), *backs]


def verify_whole(progress: Progress = lambda _count, _all: None) -> Result:
    """Verify everything and what surrounds it: tables, triggers, indexes and the search. For the command and workers."""
    return _unless_archived(lambda: _verify_whole(progress))


def _verify_whole(progress: Progress) -> Result:
    around, findings = IntegrityIssues(), IntegrityIssues()
    inspect_structure(around)
    result = attempt(around, lambda: _verify(progress), "the events")
    of_archives = attempt(around, archive_checks.known_issues, "the verifications of archives") or []
    if result is None:
        return Result([*around.issues, *of_archives], 0, ChainPosition(), 0.0, is_whole=True)
    first, last = archived_through(IntegrityIssues()).seq + 1, result.position.seq
    attempt(around, lambda: indexes.inspect(findings, first, last, result.findings), "the indexes")
    others = [*around.issues, *findings.issues, *of_archives]
    return replace(result, findings=[*result.findings, *others])


def verify_new(progress: Progress = lambda _count, _all: None) -> Result:
    """Verify the events since the last verification, and that the last anchor's event still exists."""
    around = IntegrityIssues()
    inspect_structure(around)
    changes = list(around.issues)
    return attempt(around, lambda: _verify_new(progress, changes), "the events") or verify_whole(progress)


def _verify_new(progress: Progress, changes: list[IntegrityIssue]) -> Result:
    results = sealed_rows()
    whole = next((row for row in results if row.kind == WHOLE), None)
    base = max(results, key=lambda row: row.seq, default=None)
    if not whole or not base or not base.seq or is_whole_overdue(whole.at) or _is_archived_beyond(base.seq):
        return verify_whole(progress)
    if rows_of_gone_events([base]):
        return verify_whole(progress)
    current = acknowledgements()
    still_open, _ = split_findings(
        known_findings(results), trustworthy(current, known_findings(results), base.seq)
    )
    if missing_acknowledgements(current, still_open, whole.seq):
        return verify_whole(progress)
    acks = trustworthy(current, (), base.seq)
    last = latest_anchor([each.rollback for each in acks if each.rollback])
    findings = IntegrityIssues()
    start = ChainPosition(base.seq, base.digest, base.chain_key_id)
    anchor_positions = {last.seq: last} if last and last.seq > start.seq else {}
    through = archived_through(IntegrityIssues()).seq
    outside = Event.objects.filter(seq__lte=through).order_by("seq").values_list("seq", flat=True)
    intruders = [each for each in known_findings(results) if each.kind == IssueKind.INSERTED]
    for number in outside[:ENOUGH]:
        if not any(each.first <= number <= each.last for each in intruders):
            findings.add(IssueKind.INSERTED, number)
    findings.issues += changes
    result = _walk(start, start.seq + 1, anchor_positions, findings, progress)
    if result.findings and _is_archived_beyond(base.seq):
        return verify_whole(progress)
    own_issues = [each for one in acks for each in one.findings]
    in_ledger = with_contents(result.findings, own_issues)
    return replace(result, findings=[*in_ledger, *archive_checks.known_issues()])


def _is_archived_beyond(seq: int) -> bool:
    return Segment.objects.filter(last__gt=seq).exists()


def _walk(
    start: ChainPosition,
    first: int,
    anchor_positions: dict[int, ChainPosition],
    findings: IntegrityIssues,
    progress: Progress,
) -> Result:
    began = time.monotonic()
    head: ChainPosition | None = None
    try:
        with savepoint():
            head, last = ends()
    except (DatabaseError, *UNREADABLE) as error:
        _unreadable(findings, error, END)
        last = highest()
    verifier = ChainVerifier(settings.AUDIT_KEYS, start, anchor_positions, differences, findings)
    total = max((head.seq if head else last) - start.seq, 0)
    for batch in ahead(rows(first, last)):
        verifier.feed(batch)
        progress(verifier.count, max(total, verifier.count))
    verifier.end(head)
    return Result(findings.issues, verifier.count, verifier.position, time.monotonic() - began)


def still_open(result: Result) -> tuple[IntegrityIssue, ...]:
    """The findings that nobody has acknowledged."""
    return _split(result)[0]


def summary(result: Result) -> str:
    """The result of a verification without open findings, in words."""
    rate = result.count / max(result.seconds, 0.001)
    text = f"intact: {result.count} events up to {result.position.seq}, {rate:,.0f} a second"
    return text + count(_split(result)[1])


def count(findings: Sequence[IntegrityIssue]) -> str:
    """The number of acknowledged findings, in words, after "intact"; empty if there are none."""
    if not findings:
        return ""
    number = f"{len(findings)} acknowledged finding{'' if len(findings) == 1 else 's'}"
    return f", {number}\n" + "\n".join(f"acknowledged: {issue}" for issue in findings)


def _split(result: Result) -> tuple[tuple[IntegrityIssue, ...], tuple[IntegrityIssue, ...]]:
    return split_findings(
        result.findings, trustworthy(acknowledgements(), result.findings, result.position.seq)
    )


def note(kind: str, result: Result) -> None:
    """Store the result, sealed. A finding that is new and not acknowledged raises one alert event. A whole
    verification without findings ends an earlier alarm, but not one raised while it ran: it may have passed that
    place before."""
    kind = WHOLE if result.is_whole else kind
    try:
        with transaction.atomic():
            _tell_changes(*_store(kind, result))
    except (
        DatabaseError,
        *UNREADABLE,
    ):  # such as an edited end of the chain: the finding is what is left
        log.exception("ALERT the audit's verification cannot be recorded as an event")
        with transaction.atomic():
            _store(kind, result)


def _store(kind: str, result: Result) -> tuple[Sequence[IntegrityIssue], Sequence[IntegrityIssue]]:
    """Store the result; return what is open and new, and what was known if nothing of it is left."""
    position = result.position if result.position.digest else ChainPosition(0)
    old_rows = stored_rows(Verification.objects.select_for_update())
    known_issues = known_findings(sealed_rows(old_rows))
    identities = {issue.identity for issue in known_issues}
    fresh = [issue for issue in result.findings if issue.identity not in identities]
    # A finding that part of the ledger does not show again stays known until everything was verified.
    stays = [issue for issue in known_issues if kind == NEW or issue not in result.issues_before]
    issues = unique([*stays, *result.findings])
    acks = trustworthy(acknowledgements(), issues, position.seq)
    if kind == WHOLE:
        replace_rows(old_rows, acks, position.seq)
    row = Verification(
        kind=kind,
        at=clock.now(),
        seconds=result.seconds,
        count=result.count,
        seq=position.seq,
        digest=position.digest,
        findings=[issue.as_audit_json() for issue in issues],
        chain_key_id=position.key_id,
    )
    save(row)
    still_open, _ = split_findings(fresh, acks)
    return still_open, () if issues else known_issues


def _tell_changes(still_open: Sequence[IntegrityIssue], gone_findings: Sequence[IntegrityIssue]) -> None:
    if still_open:
        _record(EventType.AUDIT_BROKEN, Outcome.FAILED, still_open)
    elif gone_findings:
        _record(EventType.AUDIT_MENDED, Outcome.NOTED, gone_findings)


def _record(action: EventType, outcome: Outcome, findings: Iterable[IntegrityIssue]) -> None:
    lines = [str(issue) for issue in findings][:20]
    record(action, outcome, on=Subject("audit", "", "chain"), after={"issues": lines})
