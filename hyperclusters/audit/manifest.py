"""The last line of an exported file: the request, the content, and a seal over both.

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

PURPOSE = "export"  # a seal is never valid for anything else that the same key seals


@dataclass(slots=True)
class Manifest:
    """What a file holds; complete once its last event was sent."""

    filter: dict[str, Any]
    through_seq: int  # no later event is in it, even if recorded while it was written
    by: str
    at: str
    count: int = 0
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None

    def sealed(self, sha256: str) -> str:
        """The manifest as the file has it. `sha256`: of everything before it."""
        key_id, key = current_key()
        facts = {name: getattr(self, name) for name in self.__slots__} | {"sha256": sha256, "key": key_id}
        return _text(facts | {"seal": _seal(facts, key)})


def read(text: str) -> dict[str, Any] | None:
    """The content of a manifest; None if the text is none."""
    try:
        facts = json.loads(text)["manifest"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def sheet_line(text: str, columns: int) -> str:
    """A manifest as the last line of a CSV file with so many columns."""
    return row(["manifest", text, *[""] * (columns - 2)])


def problems(
    text: str, facts: dict[str, Any], sha256: str, keys: Mapping[str, bytes], *, unsealed: bool
) -> Iterator[str]:
    """What is wrong with a manifest, or with the file that it closes. `unsealed`: it may lack a seal."""
    if "seal" not in facts:
        if not unsealed:
            yield (
                "the manifest has no seal, so lines could have been cut out; files that were exported before there were "
                "seals are verified with --unsealed"
            )
        return
    rest = {name: value for name, value in facts.items() if name != "seal"}
    key = keys.get(str(facts.get("key")))
    if key is None:
        yield f"the manifest names the key {facts.get('key')!r}, which is not among AUDIT_KEYS"
    elif facts["seal"] != _seal(rest, key) or text != _text(facts):
        yield "the manifest was edited: its seal is not ours"
    if facts.get("sha256") != sha256:
        yield "the lines are not those that were exported: some were cut out, added, moved or edited"


def _seal(facts: dict[str, Any], key: bytes) -> str:
    return digest(key, PURPOSE + _text(facts))


def _text(facts: dict[str, Any]) -> str:
    return json.dumps({"manifest": facts}, ensure_ascii=False)
