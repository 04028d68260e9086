"""Stores the results of verifications. Anybody with rights on the database can edit these rows, so only sealed ones
count, and sealed events of the ledger say what older results must not hide."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import QuerySet

from . import clock
from .acknowledgements import Acknowledgement, open_alarm
from .chain import HeadLost, KeyMissing, current_key, digest, timestamp
from .findings import IntegrityIssue
from .ledger import sanitize
from .models import Verification
from .raw_rows import is_about_a_value, savepoint
from .readable import UNREADABLE
from .witnesses import is_explained, rows_of_gone_events

WITNESS = "witness"  # the kind of a row that says what an earlier verification has seen, and the ledger lacks
CLOCKS = timedelta(seconds=5)  # a row further ahead of the clock is no row of ours


def sealing_key() -> tuple[str, bytes]:
    """The current key, or the first one if the record of the chain's end is gone. Raises KeyMissing."""
    try:
        return current_key()
    except HeadLost:
        key_id, key = settings.AUDIT_KEYS[0]
        return key_id, key


def seal_of(row: Verification, key: bytes) -> str:
    """The seal of a row, over all its values."""
    fields = [row.kind, timestamp(row.at), row.count, row.seq, row.digest, row.chain_key_id, row.findings]
    return digest(key, json.dumps(fields, sort_keys=True))


def stored_rows(rows: QuerySet[Verification]) -> list[Verification]:
    """The rows; none if a stored value makes them unreadable."""
    try:
        with savepoint():
            return list(rows.order_by("kind"))
    except (DatabaseError, *UNREADABLE) as error:
        if not is_about_a_value(error):
            raise
        return []


def sealed_rows(rows: Iterable[Verification] | None = None) -> list[Verification]:
    """The results that count: sealed with the current key, and not from the future."""
    return [row for row in witness_rows(rows) if row.kind != WITNESS]


def witness_rows(rows: Iterable[Verification] | None = None) -> list[Verification]:
    """The results that count, and what earlier ones have seen of events that are gone."""
    try:
        key_id, key = sealing_key()
    except KeyMissing:
        return []
    latest = clock.now() + CLOCKS

    def is_ours(row: Verification) -> bool:
        try:
            return row.seal_key_id == key_id and row.seal == seal_of(row, key) and row.at <= latest
        except UNREADABLE:
            return False

    return [
        row for row in (stored_rows(Verification.objects.all()) if rows is None else rows) if is_ours(row)
    ]


def save(row: Verification) -> None:
    """Store the row, sealed."""
    row.seal_key_id, key = sealing_key()
    row.seal = seal_of(row, key)
    row.save()


def replace_rows(
    rows: Iterable[Verification], acknowledgements: Iterable[Acknowledgement], last_seq: int
) -> None:
    """Make room for the result of a verification of all, which came to event `last_seq`. What the rows have seen and
    the ledger lacks stays known, until the rollback is acknowledged; so does what they have seen beyond: it may be an
    edited event, which is cut off next."""
    own_rows = witness_rows(rows)
    rows_without_event = rows_of_gone_events(own_rows)
    open_rows = [
        row
        for row in own_rows
        if (row in rows_without_event or row.seq > last_seq) and not is_explained(row, acknowledgements)
    ]
    Verification.objects.all().delete()
    if open_rows:
        last = max(open_rows, key=lambda row: row.seq)
        last.kind, last.count, last.seconds, last.findings = WITNESS, 0, 0, []
        save(last)


def missing_acknowledgements(
    acknowledgements: Iterable[Acknowledgement], findings: Iterable[IntegrityIssue], through: int
) -> list[IntegrityIssue]:
    """Findings in sealed events after `through` that these results lack: the rows were put back."""
    known_texts = {sanitize(str(issue)) for issue in findings}
    return [each for each in open_alarm(acknowledgements, through) if str(each) not in known_texts]


def known_findings(rows: Iterable[Verification]) -> tuple[IntegrityIssue, ...]:
    """The findings in these rows."""
    return tuple(unique(IntegrityIssue(**facts) for row in rows for facts in row.findings))


def unique(findings: Iterable[IntegrityIssue]) -> list[IntegrityIssue]:
    """Each finding once; of those that mean the same, the last."""
    return list({issue.identity: issue for issue in findings}.values())
