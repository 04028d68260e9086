"""G21: whatever somebody with every right on the database does to the ledger is found, and said: what, and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from hyperclusters.audit import anchors, verification
from hyperclusters.audit.chain import COLUMNS
from hyperclusters.audit.findings import IssueKind
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.audit import tampering as mallory

OLD, NEW, OWN = ("a", b"a" * 32), ("b", b"b" * 32), ("b", b"m" * 32)
EVENTS, OLD_UNTIL = 30, 10  # the key was replaced after the tenth event
FIRST, MIDDLE, LAST = 1, 15, EVENTS
Expected = tuple[str, int, int] | tuple[str, int, int, str]
Mutation = tuple[str, Callable[[], None], list[Expected]]


def noted(number: int) -> None:
    record(
        EventType.CREATE_FAILED,
        Outcome.FAILED,
        on=Subject("creation", str(number), f"train-{number}"),
        person_name="ada",
        reason='why "so"\n' if number % 7 == 0 else "why",
        before={"state": "sending"},
        after={"state": "failed", "send": 1, "is": True, "seconds": 1.5, "name": "é"},
        request={"body": '{"name": "x"}'},
        evidence="refused",
        upstream_request_id="cloud-1",
    )


@pytest.fixture
def ledger(database: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty events under two keys, and anchors at 10, 20 and 30."""
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    settings.AUDIT_KEYS = [OLD]
    for number in range(1, EVENTS + 1):
        noted(number)
        if number == OLD_UNTIL:
            settings.AUDIT_KEYS = [NEW, OLD]
            mallory.replace_key_as_before(NEW[0])
        if number % 10 == 0:
            anchors.anchor()
    # Tampering is undone by a rollback: it is verified on the same connection, not on one that reads ahead.
    monkeypatch.setattr(verification, "ahead", iter)
    assert found() == []
    return tmp_path / "anchors.jsonl"


def found() -> list[tuple[str, int, int, str]]:
    return [(each.kind, each.first, each.last, each.detail) for each in verification.verify().findings]


def matches(rows: list[tuple[str, int, int, str]], expected: list[Expected]) -> bool:
    """Each of what was expected was found, in its words where they are given, and nothing else."""
    return len(rows) == len(expected) and all(
        any(one[: len(each)] == each for one in rows) for each in expected
    )


def judge(mutations: list[Mutation]) -> dict[str, Any]:
    """The mutations that were not named right, and what was said instead."""
    wrong: dict[str, Any] = {}
    for name, act, expected in mutations:
        with mallory.undone():
            act()
            if not matches(rows := found(), expected):
                wrong[name] = {"found": rows, "expected": expected}
    assert found() == []
    return wrong


def columns() -> list[Mutation]:
    made: list[Mutation] = []
    for name in COLUMNS:
        for seq in (FIRST, MIDDLE, LAST):
            if name == "seq":
                kind, detail = (
                    (IssueKind.EDITED, "seq")
                    if seq == LAST
                    else (IssueKind.REORDERED, f"it stands at {seq + 100}")
                )
                made.append(
                    (f"seq of {seq}", partial(mallory.move, seq, seq + 100), [(kind, seq, seq, detail)])
                )
                continue

            def act(name: str = name, seq: int = seq) -> None:
                mallory.change(seq, **{name: mallory.another(name, seq)})

            made.append((f"{name} of {seq}", act, [(IssueKind.EDITED, seq, seq, name)]))
    return made


def emptied() -> list[Mutation]:
    """Taking something away is an edit too."""
    made: list[Mutation] = []
    for name in ("before", "after", "request"):
        act = partial(mallory.change, MIDDLE, **{name: None})
        made.append((f"{name} emptied", act, [(IssueKind.EDITED, MIDDLE, MIDDLE, name)]))
    for name in ("person_name", "reason", "object_name", "evidence", "upstream_request_id"):
        act = partial(mallory.change, MIDDLE, **{name: ""})
        made.append((f"{name} emptied", act, [(IssueKind.EDITED, MIDDLE, MIDDLE, name)]))
    true_is_one = json.dumps({"state": "failed", "send": 1, "is": 1, "seconds": 1.5, "name": "é"})
    for name, document in (
        ("true is no 1", true_is_one),
        ("a text", '"x"'),
        ("a list", "[]"),
        ("null", "null"),
    ):
        act = partial(mallory.change, MIDDLE, after=document)
        made.append((f"after: {name}", act, [(IssueKind.EDITED, MIDDLE, MIDDLE, "after")]))
    made.append(
        ("case", partial(mallory.change, 3, person_name="Ada"), [(IssueKind.EDITED, 3, 3, "person_name")])
    )
    made.append(
        ("blank", partial(mallory.change, 3, person_name="ada "), [(IssueKind.EDITED, 3, 3, "person_name")])
    )
    return made


def several(*acts: Callable[[], None]) -> Callable[[], None]:
    def act() -> None:
        for each in acts:
            each()

    return act


def inserted_at(seq: int, key: tuple[str, bytes], *, moving_head: bool) -> Callable[[], None]:
    """A made-up event between two others, whose numbers make room for it."""

    def act() -> None:
        mallory.shift(seq, EVENTS, 1)
        mallory.put(mallory.fabricated(seq, "f" * 64, *key, reason="made up"))
        if moving_head:
            mallory.head(EVENTS + 1)

    return act


def appended(key: tuple[str, bytes], *, moving_head: bool) -> Callable[[], None]:
    def act() -> None:
        mallory.put(mallory.fabricated(EVENTS + 1, mallory.row(EVENTS)["digest"], *key))
        if moving_head:
            mallory.head(EVENTS + 1)

    return act


def copied(seq: int, to: int) -> Callable[[], None]:
    return lambda: mallory.put(mallory.row(seq) | {"seq": to})


def swapped_contents(one: int, other: int) -> None:
    """Everything but the numbers changes places."""
    first, second = mallory.row(one), mallory.row(other)
    for seq, values in ((one, second), (other, first)):
        mallory.change(seq, **{name: value for name, value in values.items() if name != "seq"})


def resealed(first: int, key: tuple[str, bytes], **changes: Any) -> Callable[[], None]:
    def act() -> None:
        mallory.rechain(first, EVENTS, *key, **changes)
        mallory.head(EVENTS)

    return act


def put_back(since: int) -> None:
    """The record of the chain's end as it was then."""
    mallory.head(since)
    mallory.sql("UPDATE audit_head SET key_id = %s", (OLD if since < OLD_UNTIL else NEW)[0])


def continued_otherwise(since: int) -> None:
    """An older state of the database was put back, and other events were recorded since."""
    mallory.delete(since + 1, EVENTS)
    mallory.head(since)
    previous = mallory.row(since)["digest"]
    for seq in range(since + 1, EVENTS + 1):
        values = mallory.fabricated(seq, previous, *NEW, reason="recorded again")
        mallory.put(values)
        previous = values["digest"]
    mallory.head(EVENTS)


def two_histories(since: int, until: int) -> None:
    """As before, but the later events are those of the first history again."""
    kept = [mallory.row(seq) for seq in range(until + 1, EVENTS + 1)]
    continued_otherwise(since)
    mallory.delete(until + 1, EVENTS)
    for values in kept:
        mallory.put(values)
    mallory.head(EVENTS)


def structure() -> list[Mutation]:
    anchored = "an anchor has seen these events"
    other_event = "an anchor has seen another event here"
    deleted, cut, back = IssueKind.DELETED, IssueKind.CUT, IssueKind.ROLLED_BACK
    made: list[Mutation] = [
        (f"delete {first}-{last}", partial(mallory.delete, first, last), [(deleted, first, last)])
        for first, last in ((1, 1), (2, 2), (15, 15), (29, 29), (1, 5), (10, 20), (2, 29))
    ]
    made += [
        (f"cut off {first}", partial(mallory.delete, first, EVENTS), [(cut, first, EVENTS)])
        for first in (30, 29, 21, 20, 11, 2, 1)
    ]
    made += [
        (
            "two holes",
            several(partial(mallory.delete, 3, 4), partial(mallory.delete, 9, 9)),
            [(deleted, 3, 4), (deleted, 9, 9)],
        ),
        (
            "hole and cut",
            several(partial(mallory.delete, 3, 3), partial(mallory.delete, 30, 30)),
            [(deleted, 3, 3), (cut, 30, 30)],
        ),
        (
            "hole and edit",
            several(partial(mallory.delete, 3, 3), partial(mallory.change, 9, reason="x")),
            [(deleted, 3, 3), (IssueKind.EDITED, 9, 9, "reason")],
        ),
    ]
    for seq in (1, 15, 29):
        ranks = several(partial(mallory.delete, seq, seq), partial(mallory.shift, seq + 1, EVENTS, -1))
        made.append((f"delete {seq}, close ranks", ranks, [(deleted, seq, seq)]))
    for since in (29, 25, 20, 10, 1):
        older = several(partial(mallory.delete, since + 1, EVENTS), partial(put_back, since))
        made.append((f"an older database ({since})", older, [(back, since + 1, EVENTS, anchored)]))
    made.append(
        (
            "an empty database",
            several(partial(mallory.delete, 1, EVENTS), partial(mallory.head, 0)),
            [(back, 1, EVENTS, anchored)],
        )
    )
    for one, other in ((1, 2), (15, 16), (29, 30), (3, 27)):
        made.append((f"swap {one} and {other}", partial(mallory.swap, one, other), swap_named(one, other)))
    made += [
        ("shift all", partial(mallory.shift, 1, EVENTS, 100), [(IssueKind.EDITED, 1, EVENTS, "seq")]),
        ("a copy at the end", copied(5, 31), [(IssueKind.INSERTED, 31, 31, "a copy of event 5")]),
        ("a copy of the last", copied(30, 31), [(IssueKind.INSERTED, 31, 31, "a copy of event 30")]),
        ("a copy before all", copied(7, 0), [(IssueKind.INSERTED, 0, 0, "a copy of event 7")]),
        (
            "two copies before all",
            several(copied(7, 0), copied(7, -7)),
            [
                (IssueKind.INSERTED, 0, 0, "a copy of event 7"),
                (IssueKind.INSERTED, -7, -7, "a copy of event 7"),
            ],
        ),
        (
            "a copy over another",
            several(partial(mallory.delete, 9, 9), copied(5, 9)),
            [(IssueKind.INSERTED, 9, 9, "a copy of event 5"), (deleted, 9, 9)],
        ),
        ("head on", partial(mallory.head, 35, "f" * 64), [(cut, 31, 35)]),
        (
            "head back",
            partial(mallory.head, 27),
            [(IssueKind.EDITED, 27, 27, "the record of the chain's end")],
        ),
        (
            "head's digest",
            partial(mallory.head, 30, "f" * 64),
            [(IssueKind.EDITED, 30, 30, "the record of the chain's end")],
        ),
        (
            "no head",
            partial(mallory.sql, "DELETE FROM audit_head"),
            [(deleted, 30, 30, "the record of the chain's end")],
        ),
        ("recorded again since 20", partial(continued_otherwise, 20), [(back, 30, 30, other_event)]),
        ("recorded again since 5", partial(continued_otherwise, 5), [(back, 10, 10, other_event)]),
        (
            "two histories",
            partial(two_histories, 21, 25),
            [(back, 26, 26, "it was not written after the event before it")],
        ),
    ]
    return made


def swap_named(one: int, other: int) -> list[Expected]:
    """Of neighbours one is said to stand elsewhere, of two far apart both."""
    expected: list[Expected] = [(IssueKind.REORDERED, other, other, f"it stands at {one}")]
    return (
        expected
        if other == one + 1
        else [*expected, (IssueKind.REORDERED, one, one, f"it stands at {other}")]
    )


def forgery() -> list[Mutation]:
    edited, inserted = IssueKind.EDITED, IssueKind.INSERTED
    made: list[Mutation] = []
    made += [
        (
            f"insert at {seq}, head moved {moves}",
            inserted_at(seq, OWN, moving_head=moves),
            [(inserted, seq, seq)],
        )
        for seq in (1, 15, 29)
        for moves in (False, True)
    ]
    for moving_head in (False, True):
        expected: list[Expected] = [(edited if moving_head else inserted, 31, 31)]
        made.append((f"append, head moved {moving_head}", appended(OWN, moving_head=moving_head), expected))
    for seq in (1, 15, 30):
        replaced = partial(forged, seq)
        made.append((f"replace {seq} whole", replaced, [(edited, seq, seq, "replaced")]))
    for first in (1, 5, 15, 29, 30):
        made.append(
            (
                f"seal again from {first} without a key",
                resealed(first, OWN, reason="x"),
                [(edited, first, EVENTS)],
            )
        )
        stranger = ("m", b"m" * 32)
        made.append(
            (
                f"seal again from {first} with a stranger's key",
                resealed(first, stranger, reason="x"),
                [(edited, first, EVENTS)],
            )
        )
    other: list[Expected] = [
        (IssueKind.ROLLED_BACK, 10, 10, "an anchor has seen another event here"),
        (IssueKind.RESEALED, 11, 30, "key 'a'"),
    ]
    made += [
        (
            f"seal again from {first} with the old key",
            resealed(first, OLD, reason="x"),
            with_the_old_key(first) if first > 10 else other,
        )
        for first in (1, 5, 10, 11, 15, 21, 29, 30)
    ]
    made.append(
        ("contents of neighbours", partial(swapped_contents, 15, 16), [(IssueKind.REORDERED, 16, 16)])
    )
    return made


def with_the_old_key(first: int) -> list[Expected]:
    anchor = -(-first // 10) * 10
    return [
        (IssueKind.RESEALED, first, anchor, "key 'a'"),
        (IssueKind.ROLLED_BACK, anchor, anchor, "an anchor has seen another event here"),
        *([(IssueKind.RESEALED, anchor + 1, EVENTS, "key 'a'")] if anchor < EVENTS else []),
    ]  # fmt: skip


def forged(seq: int) -> None:
    values = mallory.fabricated(
        seq, mallory.row(seq - 1)["digest"] if seq > 1 else "0" * 64, *OWN, reason="made up"
    )
    mallory.change(seq, **{name: value for name, value in values.items() if name != "seq"})


DATABASE: list[Mutation] = [*columns(), *emptied(), *structure(), *forgery()]


def test_g21_what_is_done_to_the_database_is_named(ledger: Path) -> None:
    assert judge(DATABASE) == {}


def lines_changed(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def edited_line(number: int, name: str) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        line = json.loads(lines[number - 1])
        line[name] = (
            line[name] + 1
            if isinstance(line[name], int)
            else line[name][:-1] + ("0" if line[name][-1:] != "0" else "1")
        )
        lines[number - 1] = json.dumps(line) + "\n"
        return lines

    return change


FIELDS = ("file", "line", "at", "seq", "digest", "previous", "key", "seal")
AnchorMutation = tuple[str, Callable[[list[str]], list[str]], list[Expected]]
EDITS: list[AnchorMutation] = [
    (f"{name} of line {number}", edited_line(number, name), [(IssueKind.ANCHOR_EDITED, number, number)])
    for name in FIELDS
    for number in (1, 2, 3)
]
ANCHORS: list[AnchorMutation] = [
    *EDITS,
    ("line 1 gone", lambda lines: lines[1:], [(IssueKind.ANCHOR_MISSING, 1, 1)]),
    ("line 2 gone", lambda lines: [lines[0], lines[2]], [(IssueKind.ANCHOR_MISSING, 2, 2)]),
    ("line 3 gone", lambda lines: lines[:2], [(IssueKind.ANCHOR_MISSING, 3, 3)]),
    ("all lines gone", lambda _lines: [], [(IssueKind.ANCHOR_MISSING, 1, 3)]),
    ("garbage", lambda lines: [lines[0], "garbage\n", lines[2]], [(IssueKind.ANCHOR_EDITED, 2, 2)]),
    ("garbage at the end", lambda lines: [*lines[:2], "garbage\n"], [(IssueKind.ANCHOR_EDITED, 3, 3)]),
    ("line 3 cut", lambda lines: [*lines[:2], lines[2][:200]], [(IssueKind.ANCHOR_MISSING, 3, 3)]),
    ("line 3 without its end", lambda lines: [*lines[:2], lines[2][:-1]], [(IssueKind.ANCHOR_MISSING, 3, 3)]),
]


def test_g21_what_is_done_to_the_anchors_is_named(ledger: Path) -> None:
    value, wrong = ledger.read_text(), {}
    for name, change, expected in ANCHORS:
        lines_changed(ledger, change)
        if not matches(rows := found(), expected):
            wrong[name] = {"found": rows, "expected": expected}
        ledger.write_text(value)
    assert wrong == {}
    ledger.unlink()
    assert matches(found(), [(IssueKind.ANCHOR_MISSING, 1, 3)])


def test_g21_there_are_at_least_120_mutations() -> None:
    assert len(DATABASE) + len(ANCHORS) >= 120


def test_g21_what_the_database_itself_writes_otherwise_is_no_alarm(ledger: Path) -> None:
    """PostgreSQL keeps documents and times as values. SQLite keeps bytes, and those are the ones that were written."""
    after = json.loads(mallory.row(MIDDLE)["after"])
    other_order = partial(mallory.change, MIDDLE, after=json.dumps(dict(reversed(after.items())), indent=2))
    other_number = partial(mallory.change, MIDDLE, after=json.dumps(after).replace("1.5", "15e-1"))
    at = datetime.fromisoformat(str(mallory.row(MIDDLE)["at"]))
    offset = partial(mallory.change, MIDDLE, at=f"{at:%Y-%m-%d %H:%M:%S.%f}+00:00")
    acts = [(other_order, "after"), (other_number, "after"), (offset, "at")]
    if connection.vendor == "postgresql":
        acts.append((partial(mallory.sql, "SET LOCAL TIME ZONE 'Asia/Shanghai'"), ""))
    for act, column in acts:
        with mallory.undone():
            act()
            named = [(IssueKind.EDITED.value, MIDDLE, MIDDLE, column)]
            assert found() == ([] if connection.vendor == "postgresql" else named)


def test_g21_an_honest_word_about_what_no_anchor_has_seen(ledger: Path) -> None:
    """Whoever may change everything can cut off what came after the last anchor: that is what the interval is."""
    noted(EVENTS + 1)
    assert found() == []
    with mallory.undone():
        mallory.delete(EVENTS + 1, EVENTS + 1)
        mallory.head(EVENTS)
        assert found() == []
    anchors.anchor()
    with mallory.undone():
        mallory.delete(EVENTS + 1, EVENTS + 1)
        mallory.head(EVENTS)
        assert matches(found(), [(IssueKind.ROLLED_BACK, EVENTS + 1, EVENTS + 1)])
