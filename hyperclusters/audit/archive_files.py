"""Reads the files of archives and verifies them without the ledger. Memory stays flat, whatever a file holds."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from .chain import digest, from_jsonl, key_id_of, seq_of
from .chain_verifier import ChainPosition, ChainVerifier
from .findings import IntegrityIssue, IntegrityIssues, IssueKind
from .loose import Row

AT_ONCE = 5000  # lines between two calls of `progress`
BLOCK = 1 << 20  # bytes read at once
LINE_AT_MOST = 8 << 20  # bytes; what is longer is no event of ours, and is read in pieces
MANIFEST_AT_MOST = 64 << 20
MANIFEST = ("first", "last", "previous", "digest", "file", "sha256", "anchors", "key")
EDITED_FILE = "the file is not the one that was sealed"
Progress = Callable[[int, int], None]  # done and total; may raise to end it


class Unavailable(Exception):
    """The file cannot be read here. `is_missing`: nothing has its name."""

    def __init__(self, name: str, *, is_missing: bool) -> None:
        super().__init__(
            f"{name} is missing" if is_missing else f"{name} is not a plain file that can be read"
        )
        self.is_missing = is_missing


@contextmanager
def open_archive(name: str) -> Iterator[IO[bytes]]:
    """A file of AUDIT_ARCHIVE. Raises Unavailable, also where the disk or the network behind it fails meanwhile."""
    try:
        with open_file(name) as file:
            yield file
    except OSError as error:
        raise Unavailable(name, is_missing=False) from error


def open_file(name: str) -> IO[bytes]:
    """Open a file of AUDIT_ARCHIVE for reading. Raises Unavailable, also for a link, a folder or a pipe."""
    if Path(name).name != name:
        raise Unavailable(name, is_missing=False)
    try:
        number = os.open(
            settings.AUDIT_ARCHIVE / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except FileNotFoundError as error:
        raise Unavailable(name, is_missing=True) from error
    except OSError as error:
        raise Unavailable(name, is_missing=False) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise Unavailable(name, is_missing=False)
    return os.fdopen(number, "rb")


def size_of(name: str) -> int | None:
    """The bytes of a file of AUDIT_ARCHIVE; None if it cannot be read."""
    try:
        with open_file(name) as file:
            return os.fstat(file.fileno()).st_size
    except Unavailable:
        return None


def lines_backwards(file: IO[bytes], end: int) -> Iterator[tuple[int, bytes]]:
    """The lines before the byte `end`, last first, each with the place of its first byte. Blank ones too: who reads for
    a limited time hears of every line."""
    last, tail = end, b""
    while end > 0:
        start = max(end - BLOCK, 0)
        file.seek(start)
        data = file.read(end - start) + tail
        pieces, at, end = data.split(b"\n"), start + len(data), start
        # The first piece may begin in the block before.
        tail = pieces.pop(0) if start and len(pieces[0]) <= LINE_AT_MOST else b""
        for piece in reversed(pieces):
            at -= len(piece)
            if at < last:
                yield at, piece
            at -= 1


def verify_file(path: Path) -> IntegrityIssues:
    """Verify an archive with its manifest beside it and without a database. Needs the keys."""
    manifest = b""
    with suppress(OSError):
        manifest = Path(f"{path}.manifest").read_bytes()
    with path.open("rb") as file:
        return verify_open(file, read_manifest(manifest))


def verify_open(
    file: IO[bytes],
    manifest: dict[str, Any],
    anchor_positions: dict[int, ChainPosition] | None = None,
    progress: Progress = lambda _count, _all: None,
) -> IntegrityIssues:
    """Verify an open archive: the file as a whole, each seal, each link, and the anchors in its manifest and in
    `anchor_positions`."""
    findings = IntegrityIssues()
    if not manifest:
        findings.add(IssueKind.ARCHIVE_EDITED, 0, detail="its manifest is missing or was edited")
        return findings
    sha256 = hashlib.sha256()
    events = walk_file(file, manifest, sha256.update, anchor_positions, progress)
    if sha256.hexdigest() != manifest["sha256"]:
        findings.add(IssueKind.ARCHIVE_EDITED, manifest["first"], manifest["last"], EDITED_FILE)
    # Other content of the file is another finding.
    findings.issues += [replace(each, content=sha256.hexdigest()) for each in events.issues]
    known_issues = [IntegrityIssue(**facts) for facts in manifest.get("acknowledged", [])]
    findings.acknowledged = [each for each in findings.issues if each in known_issues]
    findings.issues = [each for each in findings.issues if each not in known_issues]
    return findings


def walk_file(
    file: IO[bytes],
    manifest: dict[str, Any],
    update: Callable[[bytes], object] = lambda _line: None,
    anchor_positions: dict[int, ChainPosition] | None = None,
    progress: Progress = lambda _count, _all: None,
) -> IntegrityIssues:
    """Verify the events of an archive by themselves. `update` gets every byte of the file."""
    own = {
        each["seq"]: ChainPosition(each["seq"], each["digest"], each["key"]) for each in manifest["anchors"]
    }
    start = ChainPosition(manifest["first"] - 1, manifest["previous"])
    # What an anchor elsewhere has seen counts more than what the manifest beside the file says.
    verifier = ChainVerifier(settings.AUDIT_KEYS, start, own | (anchor_positions or {}))
    total, lines = manifest["last"] - manifest["first"] + 1, _lines(file, manifest["first"], update)
    for batch in _batches(lines):
        verifier.feed(batch)
        progress(verifier.count, max(total, verifier.count))
    verifier.end(ChainPosition(manifest["last"], manifest["digest"]))
    return verifier.findings


def read_manifest(content: bytes) -> dict[str, Any]:
    """The manifest; empty if none of our keys has sealed it."""
    manifest: Any = None
    with suppress(ValueError, RecursionError):
        manifest = json.loads(content, object_pairs_hook=_once)
    if not isinstance(manifest, dict):
        return {}
    keys = dict(settings.AUDIT_KEYS)
    names = [*MANIFEST, *(["acknowledged"] if "acknowledged" in manifest else [])]  # older ones have none
    fields = {name: manifest.get(name) for name in names}
    key = keys.get(str(fields["key"]))
    if manifest.keys() - {*names, "seal"}:  # what is not sealed
        return {}
    return manifest if key and digest(key, json.dumps(fields)) == manifest.get("seal") else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError if it has a name twice: programs differ in which one they take."""
    if len(fields := dict(pairs)) != len(pairs):
        raise ValueError("a name comes twice")
    return fields


def _batches(lines: Iterator[Row]) -> Iterator[list[Row]]:
    """The lines, some thousand or some megabytes at once."""
    batch: list[Row] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line[3])
        if len(batch) >= AT_ONCE or size > BLOCK:
            yield batch
            batch, size = [], 0
    yield batch


def _lines(file: IO[bytes], first: int, update: Callable[[bytes], object]) -> Iterator[Row]:
    number = first
    while line := file.readline(LINE_AT_MOST):
        update(line)
        text, seal = from_jsonl(line.decode(errors="replace").removesuffix("\n"))
        seq, key_id = 0, ""
        with suppress(ValueError):
            seq, key_id = seq_of(text), key_id_of(text)
        yield number, key_id, seal, text, seq == number
        number += 1
