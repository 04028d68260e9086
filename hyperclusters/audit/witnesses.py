"""What has seen the chain: anchors outside the database, and sealed verifications in it. A history that differs from
one of them was rolled back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from . import clock
from .acknowledgements import Acknowledgement
from .anchor_files import AnchorRecord, Rollback, host, is_sealed, last_of, lines_of, paths
from .chain import timestamp
from .chain_verifier import ChainPosition
from .findings import IntegrityIssues, IssueKind
from .models import AnchorFile, Event, Verification
from .readable import values
from .segments import archived_through

# A file of another host is not visible here. After so long without a line it counts as lost.
SILENT = timedelta(days=3)
ANCHOR, VERIFICATION = "an anchor", "a verification"


@dataclass(slots=True)
class _Reader:
    """Reads files of anchors: what they recorded, and how many lines each series has."""

    findings: IntegrityIssues
    rollbacks: Sequence[Rollback]
    places: dict[int, ChainPosition] = field(default_factory=dict)
    line_counts: dict[str, int] = field(default_factory=dict)

    def file(self, path: Path) -> None:
        number, previous, series = 1, "", ""
        for raw, line in lines_of(path):
            begins = is_sealed(line) and (line["line"], line["previous"]) == (1, "")
            if not is_sealed(line) or (series and line["file"] != series and not begins):
                content = hashlib.sha256(raw).hexdigest()
                self.findings.add(IssueKind.ANCHOR_EDITED, number, detail=path.name, content=content)
                number, previous = number + 1, "?"
                continue
            if series and line["file"] != series:
                self.line_counts[series] = number - 1
                number, previous = 1, ""
            if line["line"] != number:
                first, last = sorted((number, line["line"]))
                self.findings.add(IssueKind.ANCHOR_MISSING, first, last - 1, _series_name(path, line["file"]))
            elif previous not in {"?", line["previous"]}:
                self.findings.add(IssueKind.ANCHOR_EDITED, number, detail=path.name, content=line["seal"])
            series, number, previous = line["file"], line["line"] + 1, line["seal"]
            self.compare(line)
        if series:
            self.line_counts[series] = max(number - 1, self.line_counts.get(series, 0))

    def compare(self, line: AnchorRecord, witness: str = ANCHOR) -> None:
        if not line["seq"] or any(each.explains(line) for each in self.rollbacks):
            return
        position = ChainPosition(line["seq"], line["digest"], line["key"], witness)
        first = self.places.setdefault(position.seq, position)
        if first.digest != position.digest:
            who = (
                "two anchors"
                if first.witness == witness == ANCHOR
                else f"{first.witness} and another witness"
            )
            self.findings.add(IssueKind.ROLLED_BACK, position.seq, detail=f"{who} have seen different events")


def compare_witnesses(
    findings: IntegrityIssues,
    rollbacks: Sequence[Rollback] = (),
    verifications: Iterable[Verification] = (),
) -> dict[int, ChainPosition]:
    """What the anchors and these sealed verifications have seen, by number. Findings about the files of anchors are
    added to `findings`.

    Read it before the chain's end: an anchor written in between would know more than the end says.
    """
    files = list(AnchorFile.objects.order_by("at"))
    reader = _Reader(findings, rollbacks)
    ours = [
        Path(file.path) for file in files if file.host == host()
    ]  # a setting may have named another path before
    for path in dict.fromkeys([*paths(), *ours]):
        try:
            reader.file(path)
        except OSError:
            if path in paths():  # another one is known from the database, and its lines are missing then
                raise
    for row in verifications:
        reader.compare(_line(row), VERIFICATION)
    for file in files:
        lines = reader.line_counts.get(file.id, 0)
        if file.lines > lines and (lines or _is_lost(file, files)):
            findings.add(
                IssueKind.ANCHOR_MISSING, lines + 1, file.lines, _series_name(Path(file.path), file.id)
            )
    return reader.places


def _is_lost(file: AnchorFile, files: Sequence[AnchorFile]) -> bool:
    """Whether a file without any readable line is lost, or may be on a host that is not looked at now."""
    if file.host:
        return file.host == host() or clock.now() - file.at > SILENT
    # From a release that did not note the host: only the last one of a path where there is nothing else.
    others = [each for each in files if each.path == file.path]
    return Path(file.path) in paths() and others[-1] is file and not any(lines_of(Path(file.path)))


def _series_name(path: Path, series: str) -> str:
    return f"{path.name} {series[:8]}"


def _line(row: Verification) -> AnchorRecord:
    """What a line of anchors would say of it."""
    return {"seq": row.seq, "digest": row.digest, "key": row.chain_key_id, "at": timestamp(row.at)}


def latest_anchor(rollbacks: Sequence[Rollback] = ()) -> ChainPosition | None:
    """The anchor of the latest event, of the files' last lines. (A file's last line is its highest: see `anchors`.)"""
    last_lines = [line for path in paths() if (line := last_of(path)) and is_sealed(line) and line["seq"]]
    valid = [line for line in last_lines if not any(each.explains(line) for each in rollbacks)]
    if not valid:
        return None
    line = max(valid, key=lambda each: each["seq"])
    return ChainPosition(line["seq"], line["digest"], line["key"])


def rows_of_gone_events(rows: Iterable[Verification]) -> list[Verification]:
    """The verifications that have seen an event which is neither in the ledger nor in an archive now."""
    through = archived_through(IntegrityIssues()).seq
    later = [row for row in rows if row.seq > through]
    digests = dict(values(Event.objects.filter(seq__in=[row.seq for row in later]), "digest"))
    return [row for row in later if digests.get(row.seq) != row.digest]


def is_explained(row: Verification, acknowledgements: Iterable[Acknowledgement]) -> bool:
    """Whether an acknowledged rollback explains why the ledger lacks what this verification has seen."""
    return any(each.rollback and each.rollback.explains(_line(row)) for each in acknowledgements)
