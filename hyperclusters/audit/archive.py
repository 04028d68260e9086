"""Moves older events to files that can be verified without the database. A sealed record of each segment stays in the
database, so that the chain continues across the gap.

A segment is two files: the events as lines of JSON, each its text and digest (`chain.to_jsonl`), and a manifest with
the first and last place, the file's digest and the anchors that recorded events in it, sealed as a whole. The files
are made in a folder of the run's own and get their names right before the COMMIT, over nothing that exists. The
triggers let nothing be deleted but what a record covers; a forged record lets rows go, and the next verification
names it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from . import anchor_files, clock, push
from .acknowledgements import acknowledgements, split_findings, texts, trustworthy
from .anchor_files import Rollback
from .archive_files import verify_file, walk_file
from .chain import TEXT, current_key, digest, to_jsonl
from .chain_verifier import ChainPosition, ChainVerifier
from .files import create
from .findings import IntegrityIssue, IntegrityIssues
from .fingerprints import with_contents
from .ledger import Subject, record
from .models import ChainHead, Event, ScheduledTask, Segment
from .raw_rows import ahead, differences, rows
from .segments import archived_through
from .vocabulary import EventType, Outcome
from .witnesses import compare_witnesses

AT_ONCE = 5000
TIME = re.compile(TEXT.pattern + r'(?P<at>[^"]+)"')
LOCK = "hashtext('archive_audit')"


class NotArchived(Exception):
    """Nothing was archived, for this reason."""


def archive(
    *,
    before: datetime,
    folder: Path,
    progress: Callable[[int, int], None] = lambda _count, _all: None,
    person_name: str = "",
) -> Segment:
    """Move the events before this time to two files in `folder`; the newest event always stays. Raises NotArchived.

    Needs the right to delete from the ledger, which web and workers should not have on PostgreSQL.
    """
    with _alone():
        return _archive(before, folder, progress, person_name)


def _archive(
    before: datetime, folder: Path, progress: Callable[[int, int], None], person_name: str
) -> Segment:
    findings = IntegrityIssues()
    acks = trustworthy(acknowledgements(), (), ChainHead.objects.get().seq)
    rollbacks = [each.rollback for each in acks if each.rollback]
    anchor_positions = compare_witnesses(findings, rollbacks)
    start = archived_through(findings)
    last = _last_before(before)
    if last <= start.seq:
        handed_on = " that has been handed on to every sink" if push.sinks() else ""
        raise NotArchived(f"there is nothing from before that time{handed_on}, or it is archived already")
    within = {seq: each for seq, each in anchor_positions.items() if start.seq < seq <= last}
    verifier = ChainVerifier(settings.AUDIT_KEYS, start, within, differences, findings)
    times: list[datetime] = []
    name = f"audit-{start.seq + 1:012}-{last:012}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".archiving-", dir=folder) as own:
        path = Path(own)
        sha256 = _write(path / name, _walk(verifier, start.seq, last, progress, times))
        verifier.end(verifier.position)
        _see_that_nobody_was_faster(start.seq)
        own_issues = [each for one in acks for each in one.findings]
        still_open, acknowledged_issues = split_findings(with_contents(findings.issues, own_issues), acks)
        is_doubtful = any(each.is_covered(findings.issues) for each in acks)
        if still_open or is_doubtful or verifier.position.seq != last:
            reasons = "; ".join(map(str, still_open)) or f"event {last} is not there as it was sealed"
            raise NotArchived(f"the ledger does not verify: {reasons}")
        segment = _segment(start, verifier, name, sha256, times)
        manifest = _manifest_of(segment, rollbacks)
        closed_places = {_place(each) for each in acknowledged_issues}
        with (path / name).open("rb") as file:
            there = walk_file(file, manifest).issues
        manifest["acknowledged"] = [each.as_audit_json() for each in there if _place(each) in closed_places]
        _write_manifest(path / f"{name}.manifest", manifest)
        if issues := verify_file(path / name).issues:
            raise NotArchived("what was written does not verify: " + "; ".join(map(str, issues)))
        _forget(segment, path, folder, person_name)
    return segment


def _place(issue: IntegrityIssue) -> tuple[str, int, int, str]:
    return issue.kind, issue.first, issue.last, issue.detail


@contextmanager
def _alone() -> Iterator[None]:
    """Hold off other runs meanwhile. SQLite has no lock for that which would not hold off everybody else: there, the
    slower of two runs finds at its end that it has nothing to do."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({LOCK})")
        if not cursor.fetchone()[0]:
            raise NotArchived("another run is at work")
        try:
            yield
        finally:
            cursor.execute(f"SELECT pg_advisory_unlock({LOCK})")


def _see_that_nobody_was_faster(seq: int) -> None:
    if Segment.objects.filter(last__gt=seq).exists():
        raise NotArchived("another run has moved these events meanwhile")


def _last_before(before: datetime) -> int:
    """The last number that may go: all up to it are old enough, the newest stays, and the alerts and every sink have
    had them. A sink that has not begun needs every event; alerts that have not begun start at the end."""
    first_to_stay = Event.objects.filter(at__gte=before).order_by("seq").values_list("seq", flat=True).first()
    newest = ChainHead.objects.get().seq
    had = {"alerts": newest} | dict.fromkeys(push.sinks(), 0)
    had |= ScheduledTask.objects.filter(name__in=had).values_list("name", "seq")
    limits = [newest - 1, *had.values()]
    return min([*limits, *([first_to_stay - 1] if first_to_stay else [])])


def _walk(
    verifier: ChainVerifier,
    after: int,
    last: int,
    progress: Callable[[int, int], None],
    times: list[datetime],
) -> Iterator[str]:
    """The lines of the file. `times` gets the earliest and the latest time in them: a row's own column may say another
    one, whatever was acknowledged."""
    for batch in ahead(rows(after + 1, last)):
        verifier.feed(batch)
        progress(verifier.count, last - after)
        every = [*times, *_times(text for _, _, _, text, _ in batch)]
        times[:] = [min(every), max(every)] if every else []
        yield from (to_jsonl(text, seal) for _, _, seal, text, _ in batch)


def _times(texts: Iterable[str]) -> Iterator[datetime]:
    """When these events were recorded, as far as their texts say it."""
    for text in texts:
        if match := TIME.match(text):
            with suppress(ValueError):
                yield datetime.fromisoformat(match["at"]).replace(tzinfo=UTC)


def _write(path: Path, lines: Iterator[str]) -> str:
    """The file's digest, once it is safely on the disk."""
    sha256 = hashlib.sha256()
    with create(path) as file:
        for each in lines:
            line = each.encode() + b"\n"
            sha256.update(line)
            file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return sha256.hexdigest()


def _segment(
    start: ChainPosition, verifier: ChainVerifier, name: str, sha256: str, times: list[datetime]
) -> Segment:
    """The sealed record of what follows `start` up to the verifier's position."""
    key_id, key = current_key()
    end = verifier.position
    segment = Segment(
        first=start.seq + 1,
        last=end.seq,
        previous=start.digest,
        digest=end.digest,
        file=name,
        sha256=sha256,
        archived_at=clock.now(),
        key_id=key_id,
        first_at=min(times, default=None),
        last_at=max(times, default=None),
        end_key_id=verifier.key_id if verifier.is_strict else "",
        acknowledged=texts(start.seq + 1, end.seq),
    )
    segment.seal = segment.sealed_with(key)
    return segment


def _manifest_of(segment: Segment, rollbacks: Sequence[Rollback]) -> dict[str, Any]:
    anchor_records = [each for each in anchor_files.lines() if segment.first <= each["seq"] <= segment.last]
    return {
        "first": segment.first,
        "last": segment.last,
        "previous": segment.previous,
        "digest": segment.digest,
        "file": segment.file,
        "sha256": segment.sha256,
        "anchors": [each for each in anchor_records if not any(back.explains(each) for back in rollbacks)],
        "key": segment.key_id,
    }


def _write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    manifest["seal"] = digest(dict(settings.AUDIT_KEYS)[manifest["key"]], json.dumps(manifest))
    with create(path) as file:
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _forget(segment: Segment, path: Path, folder: Path, person_name: str) -> None:
    """In one transaction: the record that covers the events, their deletion, and the event that says so. The files
    get their names right before the COMMIT, and keep them if it fails: it may have succeeded nevertheless."""
    with transaction.atomic():
        _see_that_nobody_was_faster(segment.first - 1)
        segment.save(force_insert=True)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_event WHERE seq <= %s", [segment.last])
        subject = Subject("audit", "", segment.file)
        fields = {"first": segment.first, "last": segment.last, "sha256": segment.sha256}
        record(EventType.AUDIT_ARCHIVED, Outcome.DONE, on=subject, person_name=person_name, after=fields)
        _publish(path, folder)


def _publish(source: Path, folder: Path) -> None:
    """Move the files to the folder for good, over nothing that exists. Raises NotArchived."""
    names = [path.name for path in source.iterdir()]
    if clashes := [name for name in names if (folder / name).exists()]:
        raise NotArchived(f"{folder / clashes[0]} is there already")
    for name in names:
        (source / name).rename(folder / name)
    entries = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)
