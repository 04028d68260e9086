"""Notices, without what the lists of their page say already."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from hyperclusters.access.models import User
from hyperclusters.web.texts.notices import Notice, inbox

NEWS = 6  # notices on Home; the inbox has the rest
LISTS = ("undecided", "to_approve", "to_answer", "to_close", "under_way", "failures")


def latest_notices(person: User, lists: dict[str, Any]) -> list[Notice]:
    """The newest of them, for Home."""
    most = NEWS + 2 * sum(len(lists[name]) for name in (*LISTS, "access_reviews")) + 2
    return not_in_lists(inbox(person, most), lists)[:NEWS]


def not_in_lists(notices: list[Notice], lists: dict[str, Any]) -> list[Notice]:
    """Those whose page no list of `lists` leads to."""
    urls = {each.get_absolute_url() for name in LISTS for each in lists.get(name, ())}
    urls |= {reverse("teams:review", args=[each.team.slug]) for each in lists["access_reviews"]}
    if lists["broken_audit"]:
        urls.add(reverse("audit:chain"))
    mine = (reverse("access:mine"), "warn") if lists["ending"] else None
    return [each for each in notices if each.url not in urls and (each.url, each.kind) != mine]
