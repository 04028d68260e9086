"""What every mail is made of: addresses, and links to pages."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from .models import User

Text = tuple[list[str], str, str]  # to whom, the subject, the text


def addresses(people: Iterable[User]) -> list[str]:
    return sorted({person.email for person in people if person.email})


def link(path: str) -> str:
    return f"{settings.SITE_URL}{path}"
