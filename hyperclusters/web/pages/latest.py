"""The newest notices on Home, without what its lists say already."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from hyperclusters.access.models import User
from hyperclusters.web.texts.notices import Notice, inbox

NEWS = 6  # notices; the inbox has the rest
LISTS = ("undecided", "to_approve", "to_answer", "to_close", "under_way", "failures")


def latest_notices(person: User, lists: dict[str, Any]) -> list[Notice]:
    """The notices whose page no list of `lists` leads to."""
    listed_urls = {each.get_absolute_url() for name in LISTS for each in lists[name]}
    listed_urls |= {reverse("teams:review", args=[each.team.slug]) for each in lists["access_reviews"]}
    if lists.get("broken_audit"):
        listed_urls.add(reverse("audit:chain"))
    mine = (reverse("access:mine"), "warn") if lists["ending"] else None
    notices = inbox(person, NEWS + 2 * len(listed_urls))
    return [each for each in notices if each.url not in listed_urls and (each.url, each.kind) != mine][:NEWS]
