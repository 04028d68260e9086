"""How old the list of clusters is: one chip, what it opens, and a banner while the cloud cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.clusters.models import ClusterListing, Project
from hyperclusters.web.texts.causes import cause_of, is_about_request


@dataclass(frozen=True, slots=True)
class Freshness:
    """The chip's colour and words; with `at` it ends in a time. `projects`: each with its lists."""

    kind: str
    text: str
    at: datetime | None
    projects: list[tuple[Project, list[ClusterListing]]]


@dataclass(frozen=True, slots=True)
class Outage:
    """Projects whose lists fail: the heading, why if it is one cause, since when what is shown is old, and when calls
    resume if they are paused."""

    title: str
    cause: str
    listed_at: datetime | None
    resumes_at: datetime | None


def freshness(listings: list[ClusterListing]) -> Freshness | None:
    """By what is worst of all lists; by the oldest if all are well. None without a list."""
    if not listings:
        return None
    projects = [(project, list(lists)) for project, lists in groupby(listings, lambda each: each.project)]
    count, failures = len(listings), len(failing_lists(listings))
    if failures:
        text = ngettext("%(n)d of %(count)d list failing", "%(n)d of %(count)d lists failing", count)
        return Freshness("warn", text % {"n": failures, "count": count}, None, projects)
    if any(listing.suspect_since for listing in listings):
        return Freshness("warn", _("Checking an empty list"), None, projects)
    times = [listing.listed_at for listing in listings if listing.listed_at]
    if len(times) < count:
        return Freshness("idle", _("Loading lists"), None, projects)
    return Freshness("good", _("Updated"), min(times), projects)


def failing_lists(listings: Iterable[ClusterListing]) -> list[ClusterListing]:
    """Those that could not be read the last time."""
    return [listing for listing in listings if listing.is_failing]


def outage(listings: list[ClusterListing]) -> Outage | None:
    """What to say above the list while some of its lists fail."""
    failures = failing_lists(listings)
    if not failures:
        return None
    projects = sorted({listing.project.name for listing in failures})
    well = {listing.project.name for listing in listings} - set(projects)
    pause_ends = [listing.project.blocked_until for listing in failures if listing.project.is_blocked()]
    times = [listing.listed_at for listing in failures if listing.listed_at]
    causes = {(listing.failure_cause, listing.failure_code) for listing in failures}
    return Outage(
        title=_title(projects, failures, is_everything=not well and len(projects) > 1),
        cause=_cause(*causes.pop()) if len(causes) == 1 else "",
        listed_at=min(times, default=None),
        resumes_at=max(filter(None, pause_ends), default=None),
    )


def _cause(cause: str, code: str) -> str:
    return cause_of(cause, code, is_clear=False if is_about_request(code) else None)


def _title(projects: list[str], failing_listings: list[ClusterListing], *, is_everything: bool) -> str:
    if is_everything:
        return _("Every project has a list that can't be read")
    if len(projects) > 1:
        text = _("%(count)d projects have lists that can't be read: %(names)s")
        return text % {"count": len(projects), "names": ", ".join(projects)}
    if len(failing_listings) > 1:
        return _("The lists of %(project)s can't be read") % {"project": projects[0]}
    text = _("The %(type)s list of %(project)s can't be read")
    return text % {"type": failing_listings[0].type, "project": projects[0]}
