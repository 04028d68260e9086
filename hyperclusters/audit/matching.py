"""What an EventFilter means for events that are in no database: the fields of an event's text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from string import ascii_lowercase
from typing import Any

from django.db import connection

from .filters import EQUAL, EventFilter
from .search import COLUMNS, LEAST, PATHS
from .times import LATEST
from .vocabulary import EventType

Fields = Mapping[str, Any]
Matches = Callable[[Fields], bool]
ASCII_UPPER = {ord(letter): letter.upper() for letter in ascii_lowercase}


def matcher(event_filter: EventFilter, teams: tuple[int, ...] | None) -> Matches:
    """Whether an event matches, and is of one of these teams (None: of any or none), as the ledger's queries decide it."""
    equal: dict[str, tuple[Any, ...]] = {}
    for name in EQUAL:
        value = getattr(event_filter, name)
        if value not in ("", None, ()):
            equal[name] = value if isinstance(value, tuple) else (value,)

    def matches(fields: Fields) -> bool:
        return (
            (teams is None or fields["team_id"] in teams)
            and all(fields.get(name, "") in values for name, values in equal.items())
            and _is_in_time(event_filter, fields)
            and _is_by_people(event_filter, fields)
            and _says(event_filter, fields)
        )

    return matches


def _is_in_time(event_filter: EventFilter, fields: Fields) -> bool:
    at, since, until = fields["at"], event_filter.since, event_filter.until
    return not (since and at < since) and not (until and until < LATEST and at >= until)


def _is_by_people(event_filter: EventFilter, fields: Fields) -> bool:
    if not event_filter.people_only or event_filter.action:
        return True
    is_by_somebody = event_filter.person_name or fields["person_name"] or fields["source"] != "worker"
    return bool(is_by_somebody) and fields["action"] != EventType.AUDIT_READ


def _says(event_filter: EventFilter, fields: Fields) -> bool:
    is_read = fields["action"] == EventType.AUDIT_READ
    parts = ((event_filter.reason, fields["reason"]), (event_filter.code, _at(fields, "response", "code")))
    # As in the ledger, whose search knows no reads of the audit.
    return (
        all(_is_like(words, part) and not (is_read and len(part) >= LEAST) for part, words in parts if part)
        and (
            not event_filter.about
            or not {fields["object_name"], fields["object_id"]}.isdisjoint(event_filter.about)
        )
        and (
            not event_filter.request
            or event_filter.request in (fields["request_id"], fields["upstream_request_id"])
        )
        and (not event_filter.text or (not is_read and _finds(event_filter, fields)))
    )


def _finds(event_filter: EventFilter, fields: Fields) -> bool:
    return fields["object_id"] in event_filter.text_ids or _contains(fields, event_filter.text)


def _contains(fields: Fields, text: str) -> bool:
    """As `search.contains`."""
    if len(text) < LEAST:
        return text in (fields["object_name"], fields["person_name"])
    words = [*(fields.get(name, "") for name in COLUMNS), *(_at(fields, *path) for path in PATHS)]
    return _has("\n".join(words), text)


def _has(words: str, text: str) -> bool:
    """In any case, as `search.contains`."""
    fold = _fold if connection.vendor == "sqlite" else _to_upper
    return fold(text) in fold(words)


def _is_like(words: str, text: str) -> bool:
    """In any case, as `icontains`. SQLite's LIKE knows the case of ASCII alone."""
    fold = _uppercased_ascii if connection.vendor == "sqlite" else _to_upper
    return fold(text) in fold(words)


def _fold(text: str) -> str:
    """As FTS5 folds: a letter stays one letter, so `STRASSE` is not `Straße`."""
    if len(letters := text.casefold()) == len(text):
        return letters
    return "".join(
        next(way for way in (each.casefold(), each.lower(), each) if len(way) == 1) for each in text
    )


def _to_upper(text: str) -> str:
    """As PostgreSQL's UPPER."""
    return _upper()(text)


@cache
def _upper() -> Callable[[str], str]:
    """What UPPER does depends on the locale of the database, which stays as it is: ICU makes two letters of `ß`, the C
    library leaves it, and the locale C knows ASCII alone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT UPPER('ß'), UPPER('é')")
        sharp_s, e_acute = cursor.fetchone()
    if sharp_s == "SS":
        return str.upper
    return _uppercased_singly if e_acute == "É" else _uppercased_ascii


def _uppercased_singly(text: str) -> str:
    if len(upper := text.upper()) == len(text):
        return upper
    return "".join(upper if len(upper := each.upper()) == 1 else each for each in text)


def _uppercased_ascii(text: str) -> str:
    return text.translate(ASCII_UPPER)


def _at(fields: Fields, *path: str) -> str:
    """The text at a place in a document; empty if there is none."""
    value: Any = fields
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)
