"""Reads events for pages, exports and alerts. A value that a column should not hold makes one event unreadable, and
ends nothing. Such values get there past the triggers; verification names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import DatabaseError, models
from django.db.models import Count

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
    names = [field.attname for field in Event._meta.concrete_fields if not field.primary_key]
    for seq, *row in values(rows, *names):
        is_readable = row[0] is not None
        yield seq, Event(seq=seq, **dict(zip(names, row, strict=True))) if is_readable else None


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
