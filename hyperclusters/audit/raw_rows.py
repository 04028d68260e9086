"""Reads the ledger's rows for verification, and checks whether their columns hold the bytes that their texts say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import DatabaseError, DataError, connection, transaction

from .chain import COLUMNS, CURRENT_KEY, DOCUMENTS, SCALARS, document
from .chain_verifier import ChainPosition
from .loose import UNREADABLE, Row

AT_ONCE = 5000
LEAST, MOST = -(2**63), 2**63 - 1
NUMBERS = ("person_id", "team_id")
# Errors that a stored value causes, and not the connection, a lock or a full disk: PostgreSQL's classes of SQLSTATE
# (data exception, limit exceeded, internal error) and SQLite's codes (error, corrupt, too big, mismatch; None: the
# driver could not decode a text).
VALUE_ERRORS: dict[str, set[Any]] = {"postgresql": {"22", "54", "XX"}, "sqlite": {None, 1, 11, 18, 20}}
# Errors of PostgreSQL that a definition in the database causes, beside those: not supported (such as LIKE with a
# nondeterministic collation), in a function or raised by one, or with a name that does not fit.
DEFINITION_ERRORS = {"0A", "2F", "38", "39", "42", "P0"}
NO_RIGHT = "42501"

# What the text must have for a column, as JSON, in the database's own words; null where no text of ours can say what
# the column holds. The database compares: to fetch every column costs more than to write this text.
POSTGRESQL = {
    "text": "to_json({0})",
    "number": "coalesce(CAST({0} AS text), 'null')",
    "document": "CASE WHEN {0} IS NULL THEN 'null' ELSE nullif(CAST({0} AS text), 'null') END",
    # Without the bound a year before Christ is written as the same year after.
    "at": """CASE WHEN at >= '0001-01-01 00:00:00Z' THEN """
    """to_char(at AT TIME ZONE 'UTC', '"\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""') END""",
}
# A column of SQLite takes any type. `< x''` is true of texts and numbers alone, `< ''` of numbers alone. Its functions
# of texts stop at a NUL; json_quote and the comparison of columns do not.
SQLITE = {
    "text": "CASE WHEN {0} < x'' THEN json_quote({0}) END",
    "number": "CASE WHEN {0} IS NULL THEN 'null' WHEN {0} < '' THEN {0} END",
    "document": "CASE WHEN {0} IS NULL THEN 'null' WHEN {0} < x'' AND {0} <> 'null' THEN {0} END",
    "at": "CASE WHEN at = substr(at, 1, 10) || ' ' || substr(at, 12) THEN "
    """'"' || substr(at, 1, 10) || 'T' || substr(at, 12, 8) || CASE length(at) WHEN 19 THEN '.000000' """
    """WHEN 26 THEN nullif(substr(at, 20), '.000000') END || 'Z"' END""",
}


def column_texts() -> dict[str, str]:
    """For each name in the text, in the text's order, SQL for the column's value."""
    words = POSTGRESQL if connection.vendor == "postgresql" else SQLITE
    scalars = {name: words["number" if name in NUMBERS else "text"] for name in SCALARS}
    columns = {"at": words["at"]} | scalars | dict.fromkeys(DOCUMENTS, words["document"])
    return {
        "previous": """'"' || substr(canonical, 14, 64) || '"'""",
        "seq": "seq",
        "key": words["text"].format("key_id"),
    } | {name: sql.format(f'"{name}"') for name, sql in columns.items()}


def agreement() -> str:
    """SQL that is true where the row's columns, joined as `chain` does it, are its text, byte for byte.

    Otherwise it proves nothing on PostgreSQL, which writes some numbers in documents differently: then `differences`
    looks closer.
    """
    parts = column_texts()
    if connection.vendor == "sqlite":
        return f"canonical = ({_text_in_sql(parts)}) COLLATE BINARY AND digest < x''"
    # Where no scalar of the text has an escape, a column that holds the same bytes needs none: a quote in it would
    # have to be the end of the value and begin the next name a second time.
    plain = {name: f"""'"' || "{name}" || '"'""" for name in SCALARS if name not in NUMBERS}
    plain["key"] = """'"' || key_id || '"'"""
    return rf"""CASE WHEN strpos(split_part(canonical COLLATE "C", ',"before":', 1), '\') = 0
        THEN canonical = ({_text_in_sql(parts | plain)}) COLLATE "C"
        ELSE canonical = ({_text_in_sql(parts)}) COLLATE "C" END"""


def _text_in_sql(parts: dict[str, str]) -> str:
    """SQL for the text of these values; null if one of them is."""
    members = " || ',' || ".join(f"""'"{name}":' || {sql}""" for name, sql in parts.items())
    return f"'{{' || {members} || '}}'".replace("' || '", "")  # literals beside each other as one


def rows(first: int, until: int) -> Iterator[list[Row]]:
    """The rows numbered from `first` to `until`, in batches, so that memory stays flat and no lock is kept.

    A row that the database or its driver cannot read comes without a text; its key's ID says which columns those are.
    """
    while (start := _next(first, until)) is not None:
        last = min(start + AT_ONCE - 1, until)
        if batch := _read(start, last):
            yield batch
        if last == until:
            return
        first = last + 1


def _next(first: int, until: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(seq) FROM audit_event WHERE seq >= %s AND seq <= %s", [first, until])
        lowest = cursor.fetchone()[0]
    return None if lowest is None else int(lowest)


def _read(first: int, last: int) -> list[Row]:
    names = ", ".join(f"coalesce(CAST({name} AS text), '')" for name in ("key_id", "digest", "canonical"))
    query = (
        f"SELECT seq, {names}, {agreement()} FROM audit_event "  # noqa: S608 -- names of columns
        "WHERE seq >= %s AND seq <= %s ORDER BY seq"
    )
    try:
        return _fetch(query, first, last)
    except (DatabaseError, ValueError) as error:
        if not is_about_a_value(error):
            raise
    if first == last:
        return [(first, UNREADABLE + _unreadable(first), "", "", False)]
    middle = (first + last) // 2
    return [*_read(first, middle), *_read(middle + 1, last)]


def savepoint() -> AbstractContextManager[None]:
    """An error inside ends no open transaction. Outside of one there is no savepoint: on SQLite it would block
    writers."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _fetch(query: str, *values: Any) -> list[Any]:
    with savepoint(), connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def is_about_a_value(error: Exception) -> bool:
    """Whether a stored value caused the error, so that it comes again for this row and for no other."""
    if not isinstance(error, DatabaseError):
        return True
    if connection.vendor == "postgresql":
        state = getattr(error.__cause__, "sqlstate", None)  # none if the driver cannot read what was sent
        return state[:2] in VALUE_ERRORS["postgresql"] if state else isinstance(error, DataError)
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return (code and code & 0xFF) in VALUE_ERRORS["sqlite"]  # the low byte: the code without its details


def is_about_a_definition(error: Exception) -> bool:
    """Whether a stored value caused the error, or something that was defined in the database."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    is_defined = state[:2] in DEFINITION_ERRORS and state != NO_RIGHT
    return is_about_a_value(error) or is_defined


def _unreadable(number: int) -> str:
    """The columns of this row that cannot be read."""
    columns = []
    for name in COLUMNS:
        try:
            _fetch(f'SELECT CAST("{name}" AS text) FROM audit_event WHERE seq = %s', number)  # noqa: S608 -- a column's name
        except (DatabaseError, ValueError):
            columns.append(name)
    return ", ".join(columns) or "the row"


def ahead(batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """The same, reading the next batch while one is checked: the database works on another core."""
    with ThreadPoolExecutor(1, thread_name_prefix="audit-rows") as reader:
        next_batch: Future[list[Row]] = reader.submit(next, batches, [])
        try:
            while batch := next_batch.result():
                next_batch = reader.submit(next, batches, [])
                yield batch
        finally:
            reader.submit(lambda: connection.close())  # noqa: PLW0108 -- the connection of that thread


def ends() -> tuple[ChainPosition | None, int]:
    """The recorded end of the chain and the highest number there is, as of one moment. Raises ValueError if the
    record is not a place."""
    form, types = "encode(convert_to(CAST({} AS text), 'UTF8'), 'hex')", "true"
    if connection.vendor == "sqlite":
        form = "hex({})"
        types = "audit_head.seq < '' AND audit_head.digest < x'' AND audit_head.key_id < x''"
    values = ", ".join(form.format(name) for name in ("audit_head.seq", "audit_head.digest", CURRENT_KEY))
    query = (
        f"SELECT {types}, {values}, (SELECT max(seq) FROM audit_event WHERE seq <= %s) "  # noqa: S608 -- names of columns
        "FROM (SELECT 1) one LEFT JOIN audit_head ON id = 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [MOST])
        are_types_right, *others, highest = cursor.fetchone()
    if others[0] is None or (others[0] == "" and connection.vendor == "sqlite"):
        return None, highest or 0
    seq, digest, key_id = (bytes.fromhex(value).decode() for value in others)
    if seq != str(int(seq)) or not are_types_right:
        raise ValueError("a value is written otherwise")
    return ChainPosition(int(seq), digest, key_id), highest or 0


def highest() -> int:
    """The highest number there is."""
    return _fetch("SELECT max(seq) FROM audit_event WHERE seq <= %s", MOST)[0][0] or 0


def without_number(limit: int) -> list[str]:
    """The contents of rows without a number: a table that was created again may allow them."""
    is_none, value = (
        ("seq IS NULL", "'NULL'")
        if connection.vendor == "postgresql"
        else (
            "typeof(seq) <> 'integer'",
            "substr(quote(seq), 1, 80)",
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {value} FROM audit_event WHERE {is_none} LIMIT {limit}")  # noqa: S608 -- our own words
        return [value for (value,) in cursor.fetchall()]


def differences(number: int, text: str) -> list[str]:
    """The columns of this row that differ from its text.

    Only PostgreSQL's own way of writing a document (jsonb) or a time is overlooked.
    """
    parts = column_texts()
    is_postgresql = connection.vendor == "postgresql"
    columns = [f"CAST({sql} AS {'text' if is_postgresql else 'blob'})" for sql in parts.values()]
    if is_postgresql:
        columns += [f"""CAST(CAST(canonical AS jsonb) -> '{name}' AS text)""" for name in DOCUMENTS]
    else:
        columns += ["typeof(canonical)", "typeof(digest)"]
    try:
        fields = json.loads(text)
        row = _fetch(f"SELECT {', '.join(columns)} FROM audit_event WHERE seq = %s", number)[0]  # noqa: S608 -- our own words
    except (DatabaseError, ValueError, RecursionError, IndexError):
        return ["columns that cannot be read"]
    cells = dict(zip(parts, row, strict=False))
    texts: dict[str, Any] = {name: text_of(name, fields.get(name)) for name in parts}
    if is_postgresql:
        texts |= dict(zip(DOCUMENTS, row[len(parts) :], strict=True))
    else:
        texts = {name: value.encode() for name, value in texts.items()}
    other = [] if is_postgresql else zip(("canonical", "digest"), row[len(parts) :], strict=True)
    return [
        *("key_id" if name == "key" else name for name in parts if cells[name] != texts[name]),
        *(name for name, kind in other if kind != "text"),
    ]


def text_of(name: str, value: Any) -> str:
    """A value as the text has it."""
    return document(value) if name in DOCUMENTS else json.dumps(value, ensure_ascii=False)
