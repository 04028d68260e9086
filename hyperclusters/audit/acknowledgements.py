"""Acknowledgements: events that say which findings of a verification somebody looked into, and why they may stand.

They are read from the ledger's sealed text, so a forged or edited row acknowledges nothing. A finding is known by its
kind, its place and a digest of its content: anything else there is a new one. An acknowledged finding is still shown;
it raises no alert and stops no archive.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import Any

from .anchor_files import Rollback, ends
from .chain import usable_key
from .findings import ENOUGH, IntegrityIssue, IssueKind
from .ledger import Person, Subject, record, sanitize
from .models import ChainHead, Event, EventQuerySet, Segment
from .readable import events
from .segments import is_sealed, records
from .vocabulary import EventType, Outcome

ACTIONS = (EventType.AUDIT_ACKNOWLEDGED, EventType.AUDIT_RESTORED)


class NotAcknowledged(Exception):
    """Nothing was acknowledged, for this reason."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The content of one event. `rollback`: the event to which the ledger went back, if it did."""

    seq: int
    key_id: str
    at: datetime
    person_name: str
    reason: str
    findings: tuple[IntegrityIssue, ...]
    rollback: Rollback | None

    @classmethod
    def from_text(cls, text: str) -> Acknowledgement:
        """Raises ValueError, KeyError or TypeError if the text is not that of an acknowledgement."""
        fields = json.loads(text)
        after = fields["after"]
        back = after.get("rolled_back_to")
        return cls(
            seq=fields["seq"],
            key_id=fields["key"],
            at=datetime.fromisoformat(fields["at"]),
            person_name=fields["person_name"],
            reason=fields["reason"],
            findings=tuple(IntegrityIssue(**facts) for facts in after.get("findings", [])),
            rollback=None if back is None else Rollback(int(back), fields["at"], _lines(after)),
        )

    def is_covered(self, findings: Iterable[IntegrityIssue]) -> bool:
        """Whether a verification says that this event was forged with a key that is not the current one."""
        return any(
            each.kind == IssueKind.RESEALED and each.first <= self.seq <= each.last for each in findings
        )


def _lines(after: dict[str, Any]) -> dict[str, int]:
    return {str(each["file"]): int(each["line"]) for each in after.get("anchors", [])}


def acknowledgements() -> list[Acknowledgement]:
    """Every acknowledgement with the seal of one of our keys, oldest first; archived ones come from the archives'
    sealed records."""
    from_archives = [text for segment in records() or [] for text in _archived_acknowledgements(segment)]
    items = []
    for text in [*from_archives, *genuine_texts(Event.objects.filter(action__in=ACTIONS))]:
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            items.append(Acknowledgement.from_text(text))
    return items


def _archived_acknowledgements(segment: Segment) -> list[str]:
    return list(segment.acknowledged or []) if is_sealed(segment) else []


def genuine_texts(rows: EventQuerySet) -> list[str]:
    """The sealed texts of these events, oldest first, without those that we did not write."""
    return [event.canonical for _, event in events(rows.order_by("seq")) if event]


def texts(first: int, last: int) -> list[str]:
    """The sealed texts of the acknowledgements among these events, for the record of their archive."""
    return genuine_texts(Event.objects.filter(action__in=ACTIONS, seq__range=(first, last)))


def open_alarm(active: Iterable[Acknowledgement], after: int) -> list[IntegrityIssue]:
    """The findings in events after `after` that no later event closes: neither "whole again" nor an acknowledgement.
    The table of verifications can be put back to an older state; these events cannot."""
    last_closure = {
        sanitize(str(each)): one.seq for one in active for each in one.findings
    }  # the last one counts
    alarms = Event.objects.filter(action__in=(EventType.AUDIT_BROKEN, EventType.AUDIT_MENDED), seq__gt=after)
    open_issues: dict[str, int] = {}
    for text in genuine_texts(alarms):
        event = json.loads(text)
        if event["action"] == EventType.AUDIT_MENDED:
            open_issues.clear()
        else:
            facts = event["after"] or {}  # `findings` in a release before
            open_issues |= dict.fromkeys(facts.get("issues") or facts.get("findings", []), event["seq"])
    return [
        IntegrityIssue.parse(each) for each, seq in open_issues.items() if last_closure.get(each, 0) < seq
    ]


def latest_of(issue: IntegrityIssue, acknowledgements: Iterable[Acknowledgement]) -> Acknowledgement | None:
    """The last of these acknowledgements that is of this finding."""
    identity = _identity(issue)
    own = [each for each in acknowledgements if identity in map(_identity, each.findings)]
    return max(own, key=lambda each: each.seq, default=None)


def split_findings(
    findings: Iterable[IntegrityIssue], acknowledgements: Iterable[Acknowledgement]
) -> tuple[tuple[IntegrityIssue, ...], tuple[IntegrityIssue, ...]]:
    """The open findings and the acknowledged ones: exactly these, with exactly this content."""
    identities = {_identity(issue) for each in acknowledgements for issue in each.findings}
    every = list(findings)
    still_open = tuple(each for each in every if _identity(each) not in identities)
    return still_open, tuple(each for each in every if _identity(each) in identities)


def _identity(issue: IntegrityIssue) -> tuple[Any, ...]:
    return tuple(sanitize(each) for each in issue.identity)


def acknowledge(
    findings: Sequence[IntegrityIssue], *, reason: str, person: Person = None, person_name: str = ""
) -> Event:
    """Record that somebody looked into these findings and that they may stand. Raises NotAcknowledged."""
    if not findings:
        raise NotAcknowledged("nothing was found that is not acknowledged")
    if len(findings) >= ENOUGH:
        raise NotAcknowledged(f"{ENOUGH} findings or more are not listed one by one")
    if not reason.strip():
        raise NotAcknowledged("a reason is needed")
    after: dict[str, Any] = {"findings": [each.as_audit_json() for each in findings], "from": here()}
    if back := [each.first - 1 for each in findings if each.kind == IssueKind.ROLLED_BACK]:
        after |= {"rolled_back_to": min(back), "anchors": ends()}
    return record(
        EventType.AUDIT_ACKNOWLEDGED,
        Outcome.DONE,
        on=Subject("audit", "", "chain"),
        by=person,
        person_name=person_name,
        reason=reason.strip(),
        after=after,
    )


def note_restore(file: Path, *, reason: str, person_name: str, is_acknowledged: bool) -> Event:
    """Record from which backup the database comes, and up to which event. With `is_acknowledged` this also
    acknowledges the ledger's return to that event and what anchors have recorded of later events until now. Run it
    before web and workers."""
    head = ChainHead.objects.get()
    after: dict[str, Any] = {"file": str(file), "event": head.seq, "digest": head.digest, "from": here()}
    if file.is_file():
        with file.open("rb") as stream:
            after["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
    if is_acknowledged:
        detail = f"restored from {file.name}"
        after["findings"] = [
            IntegrityIssue(IssueKind.ROLLED_BACK, head.seq + 1, head.seq + 1, detail).as_audit_json()
        ]
        after |= {"rolled_back_to": head.seq, "anchors": ends()}
    return record(
        EventType.AUDIT_RESTORED,
        Outcome.DONE,
        on=Subject("audit", "", file.name),
        person_name=person_name,
        reason=reason,
        after=after,
    )


def trustworthy(
    acknowledgements: Iterable[Acknowledgement], findings: Sequence[IntegrityIssue], through: int
) -> list[Acknowledgement]:
    """The acknowledgements that count: no finding names them, and those not verified yet (after `through`) have the
    current key."""
    key_id = current[0] if (current := usable_key()) else ""
    return [
        each
        for each in acknowledgements
        if not each.is_covered(findings) and (each.seq <= through or each.key_id == key_id)
    ]


def login() -> str:
    """The user signed in on this machine, for acts on the command line."""
    with suppress(OSError, KeyError):
        return getuser()
    return ""


def here() -> str:
    """The login and the host on which a command runs."""
    return f"{login()}@{platform.node()}"
