"""Verifies archives where they are: somebody asks for it, a worker does it, and findings alarm as those of the ledger.

A check is one row for each archive, with a lease that its worker renews. A worker that stops gives it back, and one
that dies loses it soon; then the check begins again. Results are sealed: an edited row counts as no verification.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction

from . import anchor_files, clock
from .acknowledgements import acknowledgements, trustworthy
from .archive_files import MANIFEST_AT_MOST, Unavailable, open_file, read_manifest, verify_open
from .chain import GENESIS, digest, timestamp
from .chain_verifier import ChainPosition
from .findings import IntegrityIssue, IntegrityIssues, IssueKind
from .ledger import Person, Subject, record
from .models import ChainHead, Event, Segment, SegmentCheck, SegmentCheckQuerySet
from .raw_rows import is_about_a_value, savepoint
from .readable import UNREADABLE, events, values
from .results import sealing_key
from .segments import archive_from
from .vocabulary import EventType, Outcome

log = logging.getLogger(__name__)
EVENT_FINDINGS = 20  # that the event of a check has at most
SOON = timedelta(seconds=5)  # until a check that ended with an error begins again
# Of a manifest, as its record has it.
MANIFEST_FIELDS = ("first", "last", "previous", "digest", "file", "sha256")
Progress = Callable[[int, int], None]


class _Stopped(Exception):
    """The worker is stopping, or its lease has lapsed: another begins again."""


def request_check(first: int, *, by: Person) -> bool:
    """Ask the workers to verify the archive that begins with this event. False if there is none."""
    segment = archive_from(first)
    if segment is None:
        return False
    columns = {"requested_at": clock.now(), "run_after": clock.now(), "count": 0}
    with transaction.atomic():
        SegmentCheck.objects.bulk_create([SegmentCheck(first=first)], ignore_conflicts=True)
        if SegmentCheck.objects.filter(first=first, requested_at__isnull=True).update(**columns):
            subject = Subject("audit", "", segment.file)
            record(EventType.ARCHIVE_CHECK_REQUESTED, Outcome.ACCEPTED, on=subject, by=by)
    return True


def run_due(may_go_on: Callable[[], bool] = lambda: True) -> None:
    """Do one requested check, in this thread. One that ends with an error is logged and begins again soon."""
    check = SegmentCheck.objects.claim(uuid.uuid4().hex) if may_go_on() else None
    if check is None:
        return
    ours = SegmentCheck.objects.filter(pk=check.pk, lease_holder=check.lease_holder)
    release: dict[str, Any] = {"lease_holder": "", "lease_expires_at": None}
    if (segment := archive_from(check.first)) is None:
        ours.update(
            requested_at=None, **release
        )  # its record is a finding of its own; the last result stands
        return
    renew = SegmentCheck.objects.renewal(check)

    def go_on(count: int, _total: int) -> None:
        if not may_go_on() or not renew(count=count):
            raise _Stopped

    try:
        result = _result(segment, go_on)
    except _Stopped:
        ours.update(**release)
    except Exception:  # such as a disk that fails: nothing is known, and the next attempt may know it
        log.exception("an archive could not be verified; it is due again soon")
        ours.update(run_after=clock.now() + SOON, **release)
    else:
        _store(ours, segment, result | release | {"requested_at": None})


def _store(ours: SegmentCheckQuerySet, segment: Segment, columns: dict[str, Any]) -> None:
    """Store the result in its row, and in the ledger, where it outlives the row. A ledger that takes no event keeps it
    from neither."""
    findings = columns["findings"]
    facts = {"first": segment.first, "at": timestamp(columns["at"]), "findings": findings[:EVENT_FINDINGS]}
    outcome = Outcome.FAILED if findings else Outcome.DONE
    try:
        with transaction.atomic():
            if ours.update(**columns):
                subject = Subject("audit", "", segment.file)
                record(EventType.ARCHIVE_CHECKED, outcome, on=subject, after=facts)
    except (DatabaseError, *UNREADABLE):
        log.exception("ALERT an archive's verification cannot be recorded as an event")
        ours.update(**columns)


def verify_segment(segment: Segment, progress: Progress = lambda _count, _all: None) -> list[IntegrityIssue]:
    """Verify an archive's file in AUDIT_ARCHIVE: that it is the one of its record, each seal, each link, also to its
    neighbours, and the anchors."""
    findings = IntegrityIssues()
    with ExitStack() as files:
        try:
            manifest_file = files.enter_context(open_file(f"{segment.file}.manifest"))
            file = files.enter_context(open_file(segment.file))
        except Unavailable as error:
            kind = IssueKind.ARCHIVE_MISSING if error.is_missing else IssueKind.ARCHIVE_EDITED
            findings.add(kind, segment.first, segment.last, str(error))
            return findings.issues
        manifest = read_manifest(manifest_file.read(MANIFEST_AT_MOST))
        if manifest and any(manifest[name] != getattr(segment, name) for name in MANIFEST_FIELDS):
            findings.add(
                IssueKind.ARCHIVE_EDITED, segment.first, segment.last, "its manifest is of other events"
            )
        else:
            findings = verify_open(file, manifest, _anchors(segment), progress)
    _compare_neighbours(segment, findings)
    return [_with_file_name(each, segment) for each in findings.issues]


def known_issues() -> list[IntegrityIssue]:
    """What the last check of each archive found."""
    return [issue for each in sealed_checks().values() for issue in each.issues]


def sealed_checks() -> dict[int, SegmentCheck]:
    """The checks by the first event of their archives, each with its last result: its row's if that is sealed, or the
    ledger's if that is younger."""
    checks = {each.first: each for each in _readable(SegmentCheck.objects.order_by("first"))}
    keys = dict(settings.AUDIT_KEYS)
    for each in checks.values():
        try:
            key = keys.get(each.seal_key_id)
            is_ours = bool(key and each.at) and each.seal == _seal(_sealed_fields(each), key or b"")
            each.issues = [IntegrityIssue(**facts) for facts in each.findings] if is_ours else []
        except UNREADABLE:
            is_ours = False
        if not is_ours:
            each.at, each.issues = None, []
    for first, (at, issues) in _recorded_results().items():
        check = checks.setdefault(first, SegmentCheck(first=first))
        if check.at is None or check.at < at:
            check.at, check.issues = at, issues
    return checks


def _recorded_results() -> dict[int, tuple[datetime, list[IntegrityIssue]]]:
    """The time and the findings of each archive's last check, as the ledger has them."""
    results: dict[int, tuple[datetime, list[IntegrityIssue]]] = {}
    firsts = set(Segment.objects.values_list("first", flat=True))
    for _, event in events(Event.objects.filter(action=EventType.ARCHIVE_CHECKED).order_by("seq")):
        if event and event.after and (first := event.after["first"]) in firsts:
            issues = [IntegrityIssue(**facts) for facts in event.after["findings"]]
            results[first] = (datetime.fromisoformat(event.after["at"]), issues)
    return results


def _readable(rows: SegmentCheckQuerySet) -> list[SegmentCheck]:
    """These rows, without those that have a stored value that cannot be read."""
    try:
        with savepoint():
            return list(rows)
    except (DatabaseError, *UNREADABLE) as error:
        if not is_about_a_value(error):
            raise
    firsts = [first for first in rows.values_list("first", flat=True) if isinstance(first, int)]
    return [row for first in firsts for row in _readable(rows.filter(first=first))] if len(firsts) > 1 else []


def _result(segment: Segment, progress: Progress) -> dict[str, Any]:
    """The columns of a check that is done."""
    issues = verify_segment(segment, progress)
    key_id, key = sealing_key()
    fields = {
        "at": clock.now(),
        "count": segment.count,
        "findings": [each.as_audit_json() for each in issues],
    }
    return fields | {"seal_key_id": key_id, "seal": _seal({"first": segment.first} | fields, key)}


def _sealed_fields(check: SegmentCheck) -> dict[str, Any]:
    return {name: getattr(check, name) for name in ("first", "at", "findings")}


def _seal(fields: dict[str, Any], key: bytes) -> str:
    values_ = [fields["first"], timestamp(fields["at"]), fields["findings"]]
    return digest(key, json.dumps(["archive", *values_], sort_keys=True))


def _anchors(segment: Segment) -> dict[int, ChainPosition]:
    """What the anchors recorded of these events. Those of a history that was given up do not count."""
    current = trustworthy(acknowledgements(), (), ChainHead.objects.get().seq)
    rollbacks = [each.rollback for each in current if each.rollback]
    return {
        each["seq"]: ChainPosition(each["seq"], each["digest"], each["key"])
        for each in anchor_files.lines()
        if segment.first <= each["seq"] <= segment.last and not any(back.explains(each) for back in rollbacks)
    }


def _compare_neighbours(segment: Segment, findings: IntegrityIssues) -> None:
    """The archive continues the one before it; the next archive, or the ledger, continues it."""
    digests = dict(Segment.objects.filter(last=segment.first - 1).values_list("last", "digest"))
    if digests.get(segment.first - 1, GENESIS) != segment.previous:
        findings.add(
            IssueKind.ARCHIVE_EDITED, segment.first, detail="it does not continue the archive before it"
        )
    next_seq = segment.last + 1
    texts = [text[13:77] for _, text in values(Event.objects.filter(seq=next_seq), "canonical") if text]
    nexts = [*Segment.objects.filter(first=next_seq).values_list("previous", flat=True), *texts]
    if any(each != segment.digest for each in nexts):
        findings.add(IssueKind.ARCHIVE_EDITED, segment.last, detail="the next event does not continue it")


def _with_file_name(issue: IntegrityIssue, segment: Segment) -> IntegrityIssue:
    """The finding with the file's name, so that it is told from one of the ledger."""
    return replace(issue, detail=f"{issue.detail}, in {segment.file}".removeprefix(", "))
