"""The last line of an exported file: the request, the content, and a seal over both. Reports have the same seal.

The seal is an HMAC with the current key of the ledger. It covers the manifest and, through `sha256`, everything
before it in the file: without a key nobody can remove a line or write another manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .chain import current_key, digest
from .spreadsheets import row

# A seal is valid for nothing else that the same key seals.
PURPOSES = {"manifest": "export", "report": "report"}


@dataclass(slots=True)
class Manifest:
    """What a file holds; complete once its last event was sent."""

    filter: dict[str, Any]
    through_seq: int  # no later event is in it, even if recorded while it was written
    by: str
    at: str
    archived_until: str = ""  # matching events up to this time may be in archives, and are not in the file
    count: int = 0
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None

    def as_text(self, sha256: str) -> str:
        """The manifest as the file has it. `sha256`: of everything before it."""
        return seal_facts(
            "manifest", {name: getattr(self, name) for name in self.__slots__} | {"sha256": sha256}
        )


def seal_facts(kind: str, facts: dict[str, Any]) -> str:
    """`{kind: facts}` as JSON with the current key's ID and seal. `kind`: `manifest` or `report`."""
    key_id, key = current_key()
    facts |= {"key": key_id}
    return _text(kind, facts | {"seal": _seal(kind, facts, key)})


def read(text: str, kind: str = "manifest") -> dict[str, Any] | None:
    """The content of a manifest or report; None if the text is none."""
    try:
        facts = json.loads(text)[kind]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def sheet_line(text: str, columns: int) -> str:
    """A manifest as the last line of a CSV file with so many columns."""
    return row(["manifest", text, *[""] * (columns - 2)])


def problems(
    text: str, facts: dict[str, Any], sha256: str, keys: Mapping[str, bytes], *, without_seal: bool
) -> Iterator[str]:
    """What is wrong with a manifest, or with the file that it closes. `without_seal`: it may lack a seal."""
    if "seal" not in facts:
        if not without_seal:
            yield (
                "the manifest has no seal, so lines could have been cut out; files that were exported before there were "
                "seals are verified with --unsealed"
            )
        return
    yield from seal_problems("manifest", text, facts, keys)
    if facts.get("sha256") != sha256:
        yield "the lines are not those that were exported: some were cut out, added, moved or edited"


def seal_problems(kind: str, text: str, facts: dict[str, Any], keys: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the seal of a manifest or report."""
    rest = {name: value for name, value in facts.items() if name != "seal"}
    key = keys.get(str(facts.get("key")))
    if key is None:
        yield f"the {kind} names the key {facts.get('key')!r}, which is not among AUDIT_KEYS"
    elif facts.get("seal") != _seal(kind, rest, key) or text != _text(kind, facts):
        yield f"the {kind} was edited: its seal is not ours"


def _seal(kind: str, facts: dict[str, Any], key: bytes) -> str:
    return digest(key, PURPOSES[kind] + _text(kind, facts))


def _text(kind: str, facts: dict[str, Any]) -> str:
    return json.dumps({kind: facts}, ensure_ascii=False)
