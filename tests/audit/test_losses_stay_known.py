"""G21: what anchors and earlier verifications have seen cannot be cut off, and no later verification forgets it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from hyperclusters.audit import anchors, archive, clock, integrity, verification
from hyperclusters.audit.findings import IntegrityIssue, IssueKind
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ChainHead
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.audit import tampering as mallory
from tests.audit.tampering import unguarded
from tests.audit.test_findings_can_be_closed import put_back


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"


def noted(count: int = 1) -> None:
    with transaction.atomic():
        for number in range(count):
            record(
                EventType.CREATE_FAILED, Outcome.FAILED, on=Subject("creation", str(number), f"c-{number}")
            )


def verified() -> integrity.IntegrityStatus:
    verification.note(integrity.WHOLE, verification.verify())
    return integrity.integrity_status()


def acknowledged() -> None:
    call_command("acknowledge_audit", "--reason", "the disk was repaired", "--by", "olga")


def after_an_anchor() -> None:
    """Four events before an anchor, and four after it that only a verification has seen."""
    noted(4)
    anchors.anchor()
    noted(4)
    assert verified().state == "intact"


def test_g21_an_end_that_was_cut_stays_known_once_the_record_of_the_end_fits_again(database: None) -> None:
    after_an_anchor()
    unguarded(lambda: mallory.delete(7, 8))
    assert verified().findings == (IntegrityIssue(IssueKind.CUT, 7, 8),)
    unguarded(lambda: put_back(6))
    status = verified()
    assert (status.state, status.findings[0].kind) == ("broken", IssueKind.ROLLED_BACK)
    acknowledged()
    assert verified().state == "intact"


def test_g21_a_second_loss_after_an_acknowledged_one_is_a_finding(database: None) -> None:
    after_an_anchor()
    unguarded(lambda: put_back(5))
    acknowledged()
    noted(4)
    assert verified().state == "intact"
    unguarded(lambda: put_back(ChainHead.objects.get().seq - 2))
    status = verified()
    assert (status.state, len(status.findings), len(status.acknowledged)) == ("broken", 1, 1)


def test_g21_an_archive_of_everything_that_was_verified_is_no_loss(database: None, tmp_path: Path) -> None:
    after_an_anchor()
    archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path / "archive")
    assert verified().state == "intact"
    verification.note(integrity.NEW, verification.verify_new())
    assert verified().state == "intact"


def test_g21_an_edited_last_event_that_is_cut_off_then_is_not_called_mended(database: None) -> None:
    after_an_anchor()
    unguarded(lambda: mallory.change(8, canonical="{}"))
    assert verified().findings[0].kind == IssueKind.EDITED
    unguarded(lambda: put_back(7))
    status = verified()
    assert (status.state, [each.kind for each in status.findings]) == ("broken", [IssueKind.ROLLED_BACK])
