"""Reads events for pages, programs and alerts.

An event comes from its sealed text: whoever changes its columns in the database changes nothing of what is shown, and an
event that none of our keys has sealed is unreadable. A value that a column should not hold makes one event unreadable, and
ends nothing. Such values get there past the triggers; verification names them.
"""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, models
from django.db.models import Count

from .chain import DOCUMENTS, SCALARS, TEXT, digest, key_id_of
from .models import Event, EventQuerySet
from .raw_rows import is_about_a_value, savepoint

# What reading a value may raise besides database errors: not a text, not a time, not JSON, or too much of it.
UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)
_TYPES: dict[type[models.Field[Any, Any]], tuple[type, ...]] = {
    models.DateTimeField: (datetime,),
    models.JSONField: (dict, type(None)),
    models.BigIntegerField: (int, type(None)),
}


def values(rows: EventQuerySet, *names: str) -> list[tuple[Any, ...]]:
    """`seq` and these columns of each event, in order. An unreadable event has None for all of them."""
    try:
        with savepoint():
            fetched_rows = list(rows.values_list("seq", *names))
    except (DatabaseError, *UNREADABLE) as error:
        if not is_about_a_value(error):
            raise
        fetched_rows = [_one(seq, names) for seq in rows.values_list("seq", flat=True)]
    kinds = [_kinds(name) for name in names]
    empty = (None,) * len(names)
    return [row if all(map(isinstance, row[1:], kinds)) else (row[0], *empty) for row in fetched_rows]


def counts(rows: EventQuerySet, *names: str) -> Counter[tuple[Any, ...]]:
    """How many events have each combination of these columns; an unreadable event has None for all of them."""
    try:
        with savepoint():
            groups = list(rows.order_by().values_list(*names).annotate(n=Count("pk")))
    except (DatabaseError, *UNREADABLE) as error:
        if not is_about_a_value(error):
            raise
        groups = [(*row, 1) for _, *row in values(rows, *names)]
    kinds = [_kinds(name) for name in names]
    totals: Counter[tuple[Any, ...]] = Counter()
    for *row, n in groups:
        totals[tuple(row) if all(map(isinstance, row, kinds)) else (None,) * len(names)] += n
    return totals


def events(rows: EventQuerySet) -> Iterator[tuple[int, Event | None]]:
    """Each event with its number; None where it is unreadable."""
    for seq, text, seal in values(rows, "canonical", "digest"):
        fields = sealed_fields(text, seal)
        yield seq, event_of(fields, text, seal) if fields and fields["seq"] == seq else None


def sealed_fields(text: Any, seal: Any) -> dict[str, Any] | None:
    """What a text says of an event, if it is one and one of AUDIT_KEYS has sealed it. Its time is a datetime. Columns
    that are younger than the event are absent."""
    try:
        key = dict(settings.AUDIT_KEYS)[key_id_of(text)]
        if not hmac.compare_digest(digest(key, text), seal) or not TEXT.match(text):
            return None
        fields: dict[str, Any] = json.loads(text)
        fields["at"] = datetime.fromisoformat(fields["at"])
    except UNREADABLE:
        return None
    return fields


def event_of(fields: Mapping[str, Any], text: str, seal: str) -> Event:
    """The event whose sealed text has these fields."""
    columns = {name: fields[name] for name in (*SCALARS, *DOCUMENTS) if name in fields}
    return Event(
        seq=fields["seq"], at=fields["at"], key_id=fields["key"], canonical=text, digest=seal, **columns
    )


def _one(seq: int, names: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        with savepoint():
            row: tuple[Any, ...] = Event.objects.filter(seq=seq).values_list("seq", *names)[0]
            return row
    except (DatabaseError, IndexError, *UNREADABLE):
        return (seq, *(None,) * len(names))


def _kinds(name: str) -> tuple[type, ...]:
    field = Event._meta.get_field(name)
    return next((kinds for kind, kinds in _TYPES.items() if isinstance(field, kind)), (str,))
