"""What CTS names, in words: never more than a trace says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class TraceText:
    """One trace as a page shows it."""

    sentence: str
    what: str
    request_id: str


def trace_texts(rows: Sequence[dict[str, Any]]) -> list[TraceText]:
    """Each trace of an answer."""
    return [TraceText(trace_sentence(row), _what(row), row["request_id"]) for row in rows]


def traces_summary(rows: Sequence[dict[str, Any]] | None) -> str:
    """An answer in a sentence: the oldest trace, which is nearest to the creation. Empty without an answer."""
    if rows is None:
        return ""
    return trace_sentence(rows[-1]) if rows else _("CTS has no matching trace.")


def trace_sentence(row: dict[str, Any]) -> str:
    """Whom a trace names, and when."""
    user = row["user"] or _("unknown")
    if not row["at"]:
        return _("CTS names user %(user)s, without a time.") % {"user": user}
    at = date_format(datetime.fromisoformat(row["at"]).astimezone(UTC), _("j M Y, H:i")) + " UTC"
    return _("CTS names user %(user)s at %(at)s.") % {"user": user, "at": at}


def _what(row: dict[str, Any]) -> str:
    return " · ".join(part for part in (row["name"], row["code"], row["source_ip"]) if part)
