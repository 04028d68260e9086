"""Digests of what is at the place of a finding: other content at the same place is another finding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, connection

from .chain import COLUMNS, DOCUMENTS
from .findings import IntegrityIssue, IssueKind
from .raw_rows import AT_ONCE, column_texts, is_about_a_definition, savepoint, text_of


def with_contents(
    findings: Iterable[IntegrityIssue], acknowledgements: Iterable[IntegrityIssue]
) -> list[IntegrityIssue]:
    """The findings with digests of what is at their places now. An acknowledgement of an earlier release names the
    same content by `raw_fingerprint`."""
    kinds = (
        IssueKind.EDITED,
        IssueKind.INSERTED,
        IssueKind.REORDERED,
        IssueKind.RESEALED,
        IssueKind.ROLLED_BACK,
        IssueKind.UNREADABLE,
    )
    places: dict[IntegrityIssue, set[str]] = {}
    for each in acknowledgements:
        places.setdefault(each, set()).add(each.content)
    issues = []
    for each in findings:
        if each.kind in kinds:
            content = _content(each, places.get(each, set()))
            each = replace(each, content=content)  # noqa: PLW2901
        issues.append(each)
    return issues


def _content(issue: IntegrityIssue, contents: set[str]) -> str:
    """The digest of the finding's rows, of an earlier release if these `contents` have it. Empty if the database
    cannot answer, which is a finding too."""
    try:
        with savepoint():
            content = fingerprint(*issue.rows)
            if contents - {content} and (raw := raw_fingerprint(*issue.rows)) in contents:
                return raw
            return content
    except DatabaseError as error:
        if not is_about_a_definition(error):
            raise
        return ""


RAW = {
    "sqlite": "typeof({0}) || ':' || hex({0})",
    "postgresql": "'text:' || upper(encode(convert_to(CAST({0} AS text), 'UTF8'), 'hex'))",
}


def fingerprint(first: int, last: int) -> str:
    """A digest of these rows, the same on both databases: the sealed text byte for byte, and each column that says
    something else than the text."""
    parts, raw = column_texts(), RAW[connection.vendor]
    texts = [raw.format(f'"{name}"') for name in ("key_id", "canonical", "digest")]
    columns = {"key_id" if name == "key" else name: sql for name, sql in parts.items() if name != "previous"}
    values = [f"CAST({sql} AS {_text_type()})" for sql in columns.values()]
    exact = [raw.format(f'"{name}"') for name in columns]
    content = hashlib.sha256()
    query = f"SELECT CAST(canonical AS {_text_type()}), {', '.join([*texts, *values, *exact])} FROM audit_event WHERE seq BETWEEN %s AND %s ORDER BY seq"  # noqa: S608 -- names of columns
    with connection.cursor() as cursor:
        cursor.execute(query, [first, last])
        while batch := cursor.fetchmany(AT_ONCE):
            for text, *row in batch:
                event = _parse(text)
                others = zip(columns, row[3 : 3 + len(columns)], row[3 + len(columns) :], strict=True)
                differences = [
                    (name, _as_text(value) or bytes_of)
                    for name, value, bytes_of in others
                    if event is None or not _is_same(name, _as_text(value), event)
                ]
                content.update(json.dumps([row[:3], differences]).encode())
    return content.hexdigest()


def _text_type() -> str:
    """The type a text is read as: SQLite's may hold bytes that are not text."""
    return "blob" if connection.vendor == "sqlite" else "text"


def _as_text(value: Any) -> str | None:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def _parse(text: Any) -> dict[str, Any] | None:
    """The content of a sealed text; None if it is none."""
    try:
        content = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return {"key_id": content.get("key")} | content if isinstance(content, dict) else None


def _is_same(name: str, value: str | None, content: dict[str, Any]) -> bool:
    """Whether a column's value is that of the text, whichever way PostgreSQL writes the numbers of a document."""
    text = text_of(name, content.get(name))
    if value == text or value is None or name not in DOCUMENTS or connection.vendor == "sqlite":
        return value == text
    return bool(_numbers(value) == _numbers(text))


def _numbers(text: str) -> Any:
    def as_text(number: str) -> tuple[str]:
        return (format(Decimal(number), "f"),)

    try:
        return json.loads(text, parse_float=as_text, parse_int=as_text)
    except RecursionError:
        return text


def raw_fingerprint(first: int, last: int) -> str:
    """The digest of earlier releases: what this database holds, type for type, in its own form."""
    form = RAW["sqlite"] if connection.vendor == "sqlite" else "quote_nullable(CAST({0} AS text))"
    columns = " || ',' || ".join(form.format(f'"{name}"') for name in COLUMNS)
    content = hashlib.sha256()
    with connection.cursor() as cursor:
        query = f"SELECT {columns} FROM audit_event WHERE seq BETWEEN %s AND %s ORDER BY seq"  # noqa: S608 -- names of columns
        cursor.execute(query, [first, last])
        while batch := cursor.fetchmany(AT_ONCE):
            for (text,) in batch:
                content.update(text.encode())
    return content.hexdigest()
