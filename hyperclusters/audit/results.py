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
from .event_rows import is_about_a_value, savepoint
from .findings import IntegrityIssue
from .ledger import sanitize
from .models import Verification
from .readable import UNREADABLE

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
