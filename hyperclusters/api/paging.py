"""Cursors: a page continues behind the last row of the one before, so rows that come in meanwhile move nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from ninja.errors import ValidationError

M = TypeVar("M", bound=Model)
DEFAULT, MOST = 50, 200


def page_by_time(rows: QuerySet[M], *, field: str, limit: int, cursor: str) -> tuple[list[M], str | None]:
    """Rows with a UUID, newest first by this field, and the cursor of the next page."""
    if cursor:
        at, pk = _decode(cursor, _time, UUID)
        rows = rows.filter(Q(**{f"{field}__lt": at}) | Q(**{field: at, "pk__gt": pk}))
    page_rows = list(rows.order_by(f"-{field}", "pk")[: limit + 1])
    if len(page_rows) <= limit:
        return page_rows, None
    last = page_rows[limit - 1]
    return page_rows[:limit], encode(getattr(last, field).isoformat(), str(last.pk))


def page_by_key(rows: QuerySet[M], *, field: str, limit: int, cursor: str) -> tuple[list[M], str | None]:
    """Rows in the order of a unique text, and the cursor of the next page."""
    return _page(rows, field, limit, _decode(cursor, _text)[0] if cursor else None)


def page_by_number(rows: QuerySet[M], *, limit: int, cursor: str) -> tuple[list[M], str | None]:
    """Rows in the order of their numbers, and the cursor of the next page."""
    return _page(rows, "pk", limit, decode_number(cursor))


def _page(rows: QuerySet[M], field: str, limit: int, after: Any) -> tuple[list[M], str | None]:
    if after is not None:
        rows = rows.filter(**{f"{field}__gt": after})
    page_rows = list(rows.order_by(field)[: limit + 1])
    if len(page_rows) <= limit:
        return page_rows, None
    return page_rows[:limit], encode(str(getattr(page_rows[limit - 1], field)))


def encode(*parts: str) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode_number(cursor: str) -> int | None:
    """The number in a cursor; None for no cursor. Raises ValidationError."""
    return int(_decode(cursor, _number)[0]) if cursor else None


def _decode(cursor: str, *parsers: Callable[[str], Any]) -> list[Any]:
    """Raises ValidationError unless this is a cursor of ours."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [parse(part) for parse, part in zip(parsers, parts, strict=True)]
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        error = {"loc": ("query", "cursor"), "msg": "Not a cursor of this list"}
        raise ValidationError([error]) from None


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at.astimezone(UTC)


def _text(text: str) -> str:
    if not text.isprintable():
        raise ValueError(text)
    return text


def _number(text: str) -> int:
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError(text)
    return number
