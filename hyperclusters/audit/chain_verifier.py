"""Verifies a chain event by event, in constant memory, and says what was done to it where it does not hold.

An event is *genuine* if one of our keys made its digest: then we wrote its text, and its number and predecessor are
true. The genuine numbers tell what happened to the others: a number that never comes was deleted, one that comes late
was moved, and a row that is not genuine was edited if a number is missing for it, and inserted otherwise. Keys follow
the activation events; a seal of any other key is a finding.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .chain import ACTIVATION_MARK, GENESIS, MARK_FROM, MARK_UP_TO, TEXT, activated_key, digest, seq_of
from .findings import ELSEWHERE, IntegrityIssues, IssueKind, ranges
from .loose import Loose, Row, unreadable_part

HOLES_AT_MOST = 10_000  # skipped numbers to remember, in case their events come later
END = "the record of the chain's end"
NUMBERS_REUSED = "later events have taken their numbers"


@dataclass(frozen=True, slots=True)
class ChainPosition:
    """A place in the chain: an event's number and digest, and the key that is current after it (empty if unknown).
    `witness`: what recorded a place that the chain must still have."""

    seq: int = 0
    digest: str = GENESIS
    key_id: str = ""
    witness: str = field(default="an anchor", compare=False)


@dataclass(slots=True)
class ChainVerifier:
    """Call `feed` with the rows in the order of their numbers, then `end`; `findings` has the result.

    `keys`: all of AUDIT_KEYS. Before there were activations their order alone said that a key was replaced, and a
    start without a key uses it until the first activation. `start`: the place before the first row. `anchors`: the
    places that anchors and others recorded, by number. `differences`: which columns of a row differ in meaning from its text.
    """

    keys: Sequence[tuple[str, bytes]]
    start: ChainPosition = ChainPosition()
    anchors: Mapping[int, ChainPosition] = field(default_factory=dict)
    differences: Callable[[int, str], list[str]] = lambda _number, _text: []
    findings: IntegrityIssues = field(default_factory=IntegrityIssues)
    count: int = 0
    position: ChainPosition = field(init=False)  # the last event in its place
    key_id: str = field(init=False)  # of the key that is current behind `position`
    is_strict: bool = field(init=False)  # only an activation makes another key current
    _loose: Loose = field(default_factory=Loose)  # behind `position`
    _holes: set[int] = field(default_factory=set)
    _number: int = field(init=False)  # of the row before
    _early: tuple[Row, int] | None = None  # with the number of the row before it
    _early_rows: dict[int, Row] = field(default_factory=dict)  # before their turn, by their numbers
    _new_numbers: tuple[int, int] | None = None  # events whose numbers nothing else explains
    _closed_gaps: set[int] = field(default_factory=set)  # the last number of each that later rows have closed
    _is_another_history: bool = False

    def __post_init__(self) -> None:
        self.position = self.start
        self.key_id = self.start.key_id or self.keys[-1][0]
        self.is_strict = bool(self.start.key_id)
        self._number = self.start.seq

    def feed(self, rows: Iterable[Row]) -> None:
        """The next rows. 100,000 rows a second pass through this loop; anything odd goes to `_consider`."""
        hmac_digest, anchors, loose = hmac.digest, self.anchors, self._loose
        keys = dict(self.keys)
        key_id, key = self.key_id, keys.get(self.key_id, b"")
        seq, previous, before = self.position.seq, self.position.digest, self._number
        for row in rows:
            number, row_key_id, seal, text, agrees = row
            self.count += 1
            if (
                agrees
                and number == seq + 1
                and row_key_id == key_id
                and text[13:77] == previous
                and hmac_digest(key, text.encode(), "sha256").hex() == seal
                and not loose.count
                and not self._early
                and number not in anchors
                and text.find(ACTIVATION_MARK, MARK_FROM, MARK_UP_TO) < 0
            ):
                seq, previous, before = number, seal, number
                continue
            self.position, self._number = ChainPosition(seq, previous), before
            self._consider(row)
            seq, previous, before = self.position.seq, self.position.digest, number
            key_id, key = self.key_id, keys.get(self.key_id, b"")
        self.position, self._number = ChainPosition(seq, previous, key_id), before

    def end(self, head: ChainPosition | None) -> None:
        """All rows were fed. `head` is the recorded end of the chain; None if that record is gone."""
        self._settle_early()
        self._judge_unverified(max(head.seq if head else 0, self.position.seq), head.digest if head else "")
        if (furthest := max(self._early_rows, default=0)) > self.position.seq:
            self._passed_over(self.position.seq + 1, furthest + 1)
            self.position = ChainPosition(furthest, "")
        for text_seq, row in self._early_rows.items():
            self.findings.add(IssueKind.INSERTED, row[0], detail=f"a copy of event {text_seq}")
        for first, last in ranges(self._holes):
            self.findings.add(
                IssueKind.DELETED, first, last, NUMBERS_REUSED if last in self._closed_gaps else ""
            )
        if head is None:
            self.findings.add(IssueKind.DELETED, self.position.seq, detail=END)
        elif head.seq > self.position.seq and head.digest != self.position.digest:
            self.findings.add(IssueKind.CUT, self.position.seq + 1, head.seq)
        elif not self._is_end(head):
            self.findings.add(IssueKind.EDITED, head.seq, detail=END)
        for gap_end in sorted(self._closed_gaps - self._holes):
            self._renumber(gap_end + 1)
        if self._new_numbers:
            self.findings.add(IssueKind.EDITED, *self._new_numbers, detail="seq")
        latest = max(self.anchors, default=0)
        if latest > max(head.seq if head else 0, self.position.seq):
            detail = f"{self.anchors[latest].witness} has seen these events"
            self.findings.add(IssueKind.ROLLED_BACK, self.position.seq + 1, latest, detail)

    def _is_end(self, head: ChainPosition) -> bool:
        """Whether the rows end here, as far as they can tell: an edited last event has no digest to compare."""
        if not self.position.digest:
            return head.seq == self.position.seq
        is_key = not head.key_id or not (self.count or self.start.key_id) or head.key_id == self.key_id
        return (
            is_key and head.digest == self.position.digest and head.seq in {self.position.seq, self._number}
        )

    def _consider(self, row: Row) -> None:
        number, _, _, text, _ = row
        if self._key_of(row) is None:
            if number <= self.start.seq:
                self._judge_outside(row)
            else:
                self._loose.add(row)
            return
        text_seq = seq_of(text)
        if self._early:
            self._settle_early(text_seq)
        if text_seq <= self.position.seq:
            self._came_late(text_seq, row)
        elif 0 < number <= self.start.seq:
            self._note_early(text_seq, row)
        elif text_seq > self.position.seq + 1 + self._loose.count and number != text_seq:
            # The next one shows whether the chain goes on from here, or this one was moved here.
            self._early = row, self._number
        else:
            self._accept(row, text_seq, self._number)

    def _settle_early(self, next_seq: int = 0) -> None:
        """Handle a row whose text has a later number than its turn: the chain continues from it, or it was moved
        here."""
        if self._early is None:
            return
        (row, before), self._early = self._early, None
        text_seq = seq_of(row[3])
        if next_seq in {0, text_seq + 1} or len(self._early_rows) >= HOLES_AT_MOST:
            self._accept(row, text_seq, before)
        else:
            self._note_early(text_seq, row)

    def _note_early(self, text_seq: int, row: Row) -> None:
        """Remember an event that stands before its turn, or a copy of it. A second one is a copy."""
        if self._early_rows.setdefault(text_seq, row) is not row:
            self.findings.add(IssueKind.INSERTED, row[0], detail=f"a copy of event {text_seq}")

    def _accept(self, row: Row, text_seq: int, before: int) -> None:
        """Take a genuine event, next in the chain or after a gap. `before`: the number of the row before it."""
        _, _, seal, text, agrees = row
        self._judge_unverified(text_seq - 1, text[13:77])
        is_gap = text_seq > self.position.seq + 1
        if is_gap:
            self._passed_over(self.position.seq + 1, text_seq)
        elif text[13:77] != self.position.digest and self.position.digest:
            self._another_history(text_seq, "it was not written after the event before it")
        self._see_key(self._key_of(row) or "", text_seq, text)
        if not agrees:
            self._columns(row, text_seq, before, is_gap=is_gap)
        if anchor := self.anchors.get(text_seq):
            if not self.is_strict and self._age_of(anchor.key_id) < self._age_of(self.key_id):
                self.key_id = anchor.key_id
            if anchor.digest != seal:
                self._another_history(text_seq, f"{anchor.witness} has seen another event here")
        self.position = ChainPosition(text_seq, seal)

    def _key_of(self, row: Row) -> str | None:
        """Which of our keys made this row's digest. Anchors and archives have seals of the same keys, over other
        texts."""
        _, _, seal, text, _ = row
        if TEXT.match(text) is None:
            return None
        return next((name for name, key in self.keys if digest(key, text) == seal), None)

    def _age_of(self, key_id: str) -> int:
        return next((age for age, (name, _) in enumerate(self.keys) if name == key_id), len(self.keys) - 1)

    def _see_key(self, key_id: str, text_seq: int, text: str) -> None:
        is_newer = not self.is_strict and self._age_of(key_id) < self._age_of(self.key_id)
        if key_id != self.key_id and not is_newer:
            self.findings.add(IssueKind.RESEALED, text_seq, detail=f"key {key_id!r}")
            return
        self.key_id = key_id
        if next_key := activated_key(text):
            self.key_id, self.is_strict = next_key, True

    def _came_late(self, text_seq: int, row: Row) -> None:
        if text_seq in self._holes:
            self._holes.remove(text_seq)
            self._name_move(text_seq, row)
        else:
            self.findings.add(IssueKind.INSERTED, row[0], detail=f"a copy of event {text_seq}")

    def _name_move(self, text_seq: int, row: Row, kind: IssueKind = IssueKind.REORDERED) -> None:
        columns = [name for name in self.differences(row[0], row[3]) if name != "seq"]
        edits = f" with another {', '.join(columns)}" if columns else ""
        self.findings.add(kind, text_seq, detail=ELSEWHERE.format(row[0]) + edits)

    def _passed_over(self, first: int, until: int) -> None:
        if until - first > HOLES_AT_MOST - len(self._holes):
            self.findings.add(IssueKind.DELETED, first, until - 1)
            return
        for hole in range(first, until):
            if row := self._early_rows.pop(hole, None):
                self._name_move(hole, row)
            else:
                self._holes.add(hole)

    def _another_history(self, text_seq: int, detail: str) -> None:
        if not self._is_another_history:
            self.findings.add(IssueKind.ROLLED_BACK, text_seq, detail=detail)
        self._is_another_history = True

    def _columns(self, row: Row, text_seq: int, before: int, *, is_gap: bool) -> None:
        columns = self.differences(row[0], row[3])
        if columns == ["seq"]:
            if self._new_numbers or row[0] != before + 1:
                self._renumber(text_seq)
            elif is_gap:  # else the rows before it have moved it, which is reported of them
                self._closed_gaps.add(text_seq - 1)
        elif columns and row[0] != text_seq:
            self._name_move(text_seq, row, IssueKind.EDITED)
        elif columns:
            self.findings.add(IssueKind.EDITED, text_seq, detail=", ".join(columns))

    def _renumber(self, text_seq: int) -> None:
        first, last = self._new_numbers or (text_seq, text_seq)
        self._new_numbers = min(first, text_seq), max(last, text_seq)

    def _judge_outside(self, row: Row) -> None:
        """Handle a row that is not genuine, with a number before everything that may be here."""
        kind = IssueKind.UNREADABLE if (part := unreadable_part(row)) else IssueKind.INSERTED
        self.findings.add(kind, row[0], detail=part)

    def _judge_unverified(self, until: int, previous_digest: str) -> None:
        """Judge the rows that are not genuine by the missing numbers up to `until`; `previous_digest` is the digest
        that the next event names as the one before it. Rows that match a number were edited, the others inserted."""
        if not (count := self._loose.count):
            return
        edits = free_numbers = min(count, until - self.position.seq)
        how = self._how(previous_digest) if count == edits == 1 else ""
        seq = self.position.seq
        for first, last, unreadable in self._loose.runs:
            if here := min(last - first + 1, free_numbers):
                kind = IssueKind.UNREADABLE if unreadable else IssueKind.EDITED
                self._name_loose(kind, range(seq + 1, seq + here + 1), first, unreadable or how)
                seq, free_numbers = seq + here, free_numbers - here
            if first + here <= last:
                kind = IssueKind.UNREADABLE if unreadable else IssueKind.INSERTED
                self.findings.add(kind, first + here, last, unreadable or self._stranger())
        if edits:
            self.position = ChainPosition(seq, "")
        self._loose.count = 0
        self._loose.runs.clear()

    def _name_loose(self, kind: IssueKind, seqs: range, first: int, detail: str) -> None:
        """Name these events, whose rows stand from `first` on: elsewhere each by its place, so that its content counts."""
        if first == seqs[0]:
            self.findings.add(kind, first, seqs[-1], detail)
            return
        for number, seq in enumerate(seqs, start=first):
            self.findings.add(kind, seq, detail=ELSEWHERE.format(number) + (detail and f", {detail}"))

    def _stranger(self) -> str:
        """Say so if the last loose row names none of our keys."""
        key_id = self._loose.last[1]
        return "" if key_id in dict(self.keys) else f"sealed with {key_id!r}, which is none of AUDIT_KEYS"

    def _how(self, previous_digest: str) -> str:
        """How the last loose row was edited, by the digest that its successor names."""
        _, _, seal, text, _ = self._loose.last
        if stranger := self._stranger():
            return stranger
        if previous_digest == seal:
            return "canonical"
        return "digest" if any(digest(key, text) == previous_digest for _, key in self.keys) else "replaced"
