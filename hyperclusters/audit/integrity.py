"""What is known of the ledger's integrity by its last verifications. Overdue is not intact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from . import clock
from .acknowledgements import Acknowledgement, acknowledgements, open_alarm, split_findings, trustworthy
from .chain_verifier import END
from .findings import OF_EVENTS, IntegrityIssue
from .models import ScheduledTask
from .results import known_findings, missing_acknowledgements, sealed_rows

WHOLE, NEW = "whole", "new"
GRACE = timedelta(hours=1)  # past AUDIT_VERIFY_HOURS, after which a verification of all is overdue
NEW_OVERDUE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class IntegrityStatus:
    """The known state of the ledger. `state`: `intact`, `broken`, `overdue` or `never` verified."""

    state: str
    at: datetime | None = None  # of the last verification, of new events or of all
    whole_at: datetime | None = None  # of the last one of all
    seq: int = 0  # verified up to this event
    findings: tuple[IntegrityIssue, ...] = ()  # that nobody has acknowledged
    acknowledged: tuple[IntegrityIssue, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()  # those that count
    failures: int = 0  # verifications that ended with an error since the last one that did not
    error: str = ""

    @property
    def since(self) -> datetime | None:
        """The time since which verification is overdue."""
        return self.whole_at if self.whole_at and is_whole_overdue(self.whole_at) else self.at

    def findings_of(self, seq: int) -> list[IntegrityIssue]:
        """What was found of the event that is stored under this number, acknowledged or not."""
        issues = [each for each in (*self.findings, *self.acknowledged) if each.kind in OF_EVENTS]
        return [each for each in issues if each.detail != END and each.rows[0] <= seq <= each.rows[1]]


def is_whole_overdue(at: datetime) -> bool:
    """Whether a verification of everything that ended then was too long ago."""
    return clock.now() - at > timedelta(hours=settings.AUDIT_VERIFY_HOURS) + GRACE


def integrity_status() -> IntegrityStatus:
    """The ledger's state by the last verifications. A row that was edited or invented counts as no verification."""
    latest = {row.kind: row for row in sealed_rows()}
    duties = ScheduledTask.objects.filter(name__startswith="verify ", failures__gt=0).order_by("-failures")
    failures, error = duties.values_list("failures", "error").first() or (0, "")
    at = max((row.at for row in latest.values()), default=None)
    seq = max((row.seq for row in latest.values()), default=0)
    whole_at = latest[WHOLE].at if WHOLE in latest else None
    findings = acknowledged = known_findings(latest.values())
    through, current = latest[WHOLE].seq if WHOLE in latest else 0, []
    if findings or open_alarm((), through):
        current = trustworthy(acknowledgements(), findings, seq)
        findings, acknowledged = split_findings(findings, current)
        findings = (*findings, *missing_acknowledgements(current, findings, through))
    if findings:
        state = "broken"
    elif at is None or whole_at is None:
        state = "never"
    else:
        is_overdue = is_whole_overdue(whole_at) or clock.now() - at > NEW_OVERDUE
        state = "overdue" if is_overdue else "intact"
    return IntegrityStatus(state, at, whole_at, seq, findings, acknowledged, tuple(current), failures, error)
