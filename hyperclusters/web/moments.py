"""How long ago something was, in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import get_language
from django.utils.translation import gettext as _

DAY, MONTH = 24 * 60, 30 * 24 * 60  # minutes


def ago(at: datetime, now: datetime | None = None, language: str | None = None) -> str:
    """ "3 hours, 5 minutes ago", in the reader's language, as exact as somebody reads it.

    A list has many of these: it asks once what the time and the language are.
    """
    minutes = max(int(((now or timezone.now()) - at).total_seconds()) // 60, 0)
    step = 1 if minutes < DAY else 60 if minutes < MONTH else DAY
    return _ago(minutes // step * step, language or get_language())


@lru_cache(4096)
def _ago(minutes: int, language: str | None) -> str:  # the language is part of the key
    if not minutes:
        return _("just now")
    now = timezone.now()
    return _("%(past)s ago") % {"past": timesince(now - timedelta(minutes=minutes), now)}
