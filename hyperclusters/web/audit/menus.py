"""The audit's filter menus and views: what can be chosen, and what is."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from django.http import QueryDict
from django.utils.translation import get_language, gettext

from hyperclusters.access.models import Grant, User
from hyperclusters.access.permissions import AuditScope
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.web.audit.periods import PERIODS, PeriodChoice, dates, moment
from hyperclusters.web.audit.query import (
    SPAN,
    TEXT_FIELDS,
    TIME_FIELDS,
    AuditQuery,
    action_options,
    outcome_options,
)
from hyperclusters.web.shared.listing import (
    FilterMenu,
    Options,
    View,
    address,
    carried_fields,
    menu_of_several,
    view,
)

PLAIN_TIME = r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?"  # what a browser's fields for a day and a time can hold
PEOPLE = 200  # names that the menu of people offers; any other can be typed
ACCESS_CHANGES = [
    EventType.GRANT_ADDED,
    EventType.GRANT_ENDED,
    EventType.GRANT_CHANGED,
    EventType.GRANT_EXTENDED,
    EventType.ACCESS_APPROVED,
    EventType.ACCESS_DECLINED,
]


class TypedField(NamedTuple):
    """A filter that is typed, and whether it was not understood. `time`: of the day that is the value of a "date"."""

    name: str
    label: Any
    value: str
    kind: str
    is_wrong: bool
    time: str = ""


def filter_context(query: AuditQuery, scope: AuditScope, parameters: QueryDict) -> dict[str, Any]:
    """What the template of the filters needs."""
    menus = _menus(query, scope, parameters)
    is_with_reads = parameters.get("reads") == "1"
    errors = query.form.errors
    more = [_field(query, name) for name in (*TEXT_FIELDS, "jump")]
    return {
        "form": query.form,
        "menus": menus,
        "periods": _periods(parameters),
        "period": _chosen_period(query),
        "period_fields": [_field(query, name) for name in SPAN[1:]],
        "is_period_open": not errors.keys().isdisjoint(SPAN[1:]),
        "more": more,
        "more_count": sum(bool(field.value) for field in more),
        "is_more_open": not errors.keys().isdisjoint((*TEXT_FIELDS, "jump")),
        "carried": carried_fields(parameters, menus, *TEXT_FIELDS, *TIME_FIELDS),
        "is_filtered": bool(query.filters),
        "has_team": scope.teams is None or len(scope.teams) > 1,  # one team alone needs no column
        "is_with_reads": is_with_reads,
        "reads_url": address(parameters, reads="" if is_with_reads else "1"),
        "here": address(parameters),
        "clear_url": "?reads=1" if is_with_reads else "",
    }


def views(parameters: QueryDict) -> list[View]:
    """The views that everybody has. The switch for reads stays as it is."""
    filters = {
        gettext("All activity"): {},
        gettext("Failures"): {"outcome": ["failed", "refused", "denied"]},
        gettext("Failed or unknown last week"): {"outcome": ["failed", "unknown"], "range": ["last-week"]},
        gettext("Access changes"): {"action": [str(each) for each in ACCESS_CHANGES]},
    }
    return [view(parameters, word, names, keeps=["reads"]) for word, names in filters.items()]


def _menus(query: AuditQuery, scope: AuditScope, parameters: QueryDict) -> list[FilterMenu]:
    language = get_language()
    filters: list[tuple[str, str, Any]] = [
        ("person", gettext("Person"), _people(scope)),
        ("team", gettext("Team"), query.teams),
        ("project", gettext("Project"), query.projects),
        ("action", gettext("Action"), _grouped_actions(language)),
        ("outcome", gettext("Outcome"), outcome_options(language)),
    ]
    others = {"person": gettext("Another name")}
    menus = [
        menu_of_several(parameters, name, label, options, entry=others.get(name, ""))
        for name, label, options in filters
    ]
    return [each for each in menus if each.is_choice]  # one team alone is no choice


def _people(scope: AuditScope) -> list[tuple[str, Options]]:
    """The people whose events somebody may look for: everybody, or those of the teams whose audit they may read."""
    people = User.objects.order_by("username")
    if scope.teams is not None:
        people = people.filter(pk__in=Grant.objects.filter(team__in=scope.teams).values("person"))
    names = list(people.values_list("username", "service_team")[:PEOPLE])
    services = [(name, name) for name, team in names if team]
    return [
        (gettext("People"), [(name, name) for name, team in names if not team]),
        (gettext("Service identities"), services),
    ]


@cache
def _grouped_actions(language: str | None) -> list[tuple[str, Options]]:
    headings = {
        "cluster": gettext("Clusters"),
        "creation": gettext("Creations"),
        "project": gettext("Projects"),
        "access": gettext("Teams and access"),
        "session": gettext("Signing in"),
        "audit": gettext("Audit"),
    }
    options = action_options(language)  # as they happen, which reads alike in every language
    return [
        (word, [pair for pair in options if pair[0].partition(":")[0] == kind])
        for kind, word in headings.items()
    ]


def _periods(parameters: QueryDict) -> list[PeriodChoice]:
    """The entries of the menu of times: each as a link that leaves typed times out."""
    is_typed = bool(parameters.get("since") or parameters.get("until"))
    name_in_address = "" if is_typed else parameters.get("range", "")
    everything = address(parameters, range="", since="", until="")
    lead = f"{everything}&" if everything != "?" else everything
    choices = [
        PeriodChoice(str(word), dates(name), f"{lead}range={name}", name_in_address == name)
        for name, word in PERIODS.items()
    ]
    return [*choices, PeriodChoice(gettext("All time"), "", everything, not name_in_address and not is_typed)]


def _chosen_period(query: AuditQuery) -> str:
    """The times in words; nothing for all time."""
    name = query.form.data.get("range", "")
    is_typed = any(query.form.data.get(each) for each in SPAN[1:])
    if not is_typed or query.filter is None:
        return str(PERIODS.get(name, ""))
    since, until = query.filter.since, query.filter.until
    if since and until:
        return f"{moment(since)} – {moment(until)} UTC"
    if since:
        return gettext("From %(time)s UTC") % {"time": moment(since)}
    return gettext("Before %(time)s UTC") % {"time": moment(until)} if until else ""


def _field(query: AuditQuery, name: str) -> TypedField:
    """A typed filter. A browser's field for days shows nothing of what is no day, so that stays a text."""
    value = query.form.data.get(name, "")
    field = TypedField(name, query.form.fields[name].label, value, "text", name in query.form.errors)
    if name in TIME_FIELDS and not field.is_wrong and (not value or re.fullmatch(PLAIN_TIME, value)):
        day, _blank, time = value.partition("T")
        return field._replace(value=day, kind="date", time=time)
    return field
