"""The audit's filters as they stand in the address, and what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django import forms
from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Team, User
from hyperclusters.access.permissions import AuditScope
from hyperclusters.audit import clock
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.web.shared.fields import UtcDateTimeField
from hyperclusters.web.shared.listing import FilterMenu, menu

PRESETS = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "24h": (_("Last 24 hours"), timedelta(hours=24)),
    "7d": (_("Last 7 days"), timedelta(days=7)),
    "30d": (_("Last 30 days"), timedelta(days=30)),
}
SPAN = ("range", "since", "until")
MENU_FIELDS = ("range", "team", "project", "action", "outcome")
TEXT_FIELDS = ("person", "cluster", "request", "ip")
TIME_FIELDS = ("since", "until", "jump")
PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")  # what a browser's field for times can hold
NAMES = ("q", *MENU_FIELDS, *TEXT_FIELDS, *SPAN)  # what narrows the list
MOST = 2**63 - 1


@cache
def _options(_language: str | None) -> tuple[list[tuple[str, str]], ...]:
    """What can be chosen everywhere: times, actions, outcomes; in the language of this request."""
    ranges = [(key, str(words)) for key, (words, _) in PRESETS.items()]
    actions = [(value, str(label).capitalize()) for value, label in sorted(EventType.choices)]
    return ranges, actions, [(value, str(label)) for value, label in Outcome.choices]


class AuditForm(forms.Form):
    """What the address may hold. What it does not understand is said, and then nothing is shown."""

    q = forms.CharField(label=_("Search"), required=False, max_length=200)
    range = forms.ChoiceField(label=_("Time"), required=False, choices=lambda: _options(get_language())[0])
    since = UtcDateTimeField(label=_("From (UTC)"), required=False)
    until = UtcDateTimeField(label=_("To (UTC)"), required=False, is_end=True)
    jump = UtcDateTimeField(label=_("Jump to (UTC)"), required=False, is_end=True)
    person = forms.CharField(label=_("Person"), required=False, max_length=150)
    team = forms.ChoiceField(label=_("Team"), required=False)
    project = forms.ChoiceField(label=_("Project"), required=False)
    action = forms.ChoiceField(label=_("Action"), required=False, choices=lambda: _options(get_language())[1])
    outcome = forms.ChoiceField(
        label=_("Outcome"), required=False, choices=lambda: _options(get_language())[2]
    )
    cluster = forms.CharField(label=_("Cluster name or ID"), required=False, max_length=200)
    request = forms.CharField(label=_("Request ID"), required=False, max_length=128)
    ip = forms.CharField(label=_("IP address"), required=False, max_length=45)
    before = forms.IntegerField(required=False, min_value=0, max_value=MOST)
    after = forms.IntegerField(required=False, min_value=0, max_value=MOST)
    upto = forms.IntegerField(required=False, min_value=0, max_value=MOST)


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What somebody asked the audit for: the form, its menus, and the filter, which is None if it was not understood."""

    form: AuditForm
    filter: EventFilter | None
    menus: list[FilterMenu]
    team: Team | None  # where only one team's events are visible

    @property
    def filters(self) -> dict[str, str]:
        """What narrows the list, by its name in the address."""
        return {name: value for name in NAMES if (value := self.form.data.get(name, ""))}

    @property
    def context(self) -> dict[str, Any]:
        """What the filters' template needs."""
        return {
            "form": self.form,
            "menus": self.menus,
            "typed": self.fields,
            "menu_values": [(name, value) for name in MENU_FIELDS if (value := self.form.data.get(name, ""))],
            "is_mistyped": not {*TEXT_FIELDS, *TIME_FIELDS}.isdisjoint(self.form.errors),
            "has_typed": any(value for _, _, value, _, _ in self.fields),
            "is_filtered": bool(self.filters),
        }

    @property
    def words(self) -> list[tuple[str, str]]:
        """The same in words."""
        fields = self.form.fields
        return [
            (str(fields[name].label), str(dict(getattr(fields[name], "choices", ())).get(value, value)))
            for name, value in self.filters.items()
        ]

    @property
    def fields(self) -> list[tuple[str, Any, str, str, bool]]:
        """What is typed in: name, label, what was typed, the kind of field, and whether it was not understood."""
        return [
            (name, self.form.fields[name].label, value, self._kind(name, value), name in self.form.errors)
            for name in (*TEXT_FIELDS, *TIME_FIELDS)
            for value in [self.form.data.get(name, "")]
        ]

    @staticmethod
    def _kind(name: str, value: str) -> str:
        """A browser's field for times shows nothing of a date alone, or of what is no time."""
        is_time = name in TIME_FIELDS and (not value or PLAIN_TIME.fullmatch(value))
        return "datetime-local" if is_time else "text"

    @property
    def jump(self) -> datetime | None:
        """The moment to jump to."""
        at: datetime | None = self.form.cleaned_data.get("jump")
        return at


def parse_query(person: User, scope: AuditScope, query: QueryDict) -> AuditQuery:
    """Read the address. The teams and projects to choose from are those whose audit this person may read."""
    teams = Team.objects.all() if scope.teams is None else Team.objects.filter(pk__in=scope.teams)
    rows = list(teams.order_by("name").values_list("pk", "slug", "name", "projects__name"))
    ids = {slug: pk for pk, slug, _, _ in rows}
    team_options = list({slug: name for _, slug, name, _ in rows}.items())
    project_options = [(name, name) for name in sorted(project for *_, project in rows if project)]
    form = AuditForm(query)
    form.fields["team"].choices = team_options  # type: ignore[attr-defined]
    form.fields["project"].choices = project_options  # type: ignore[attr-defined]
    event_filter = _filter(person, form.cleaned_data, ids) if form.is_valid() else None
    only = rows[0] if scope.teams and len(scope.teams) == 1 else None
    team = Team(pk=only[0], slug=only[1], name=only[2]) if only else None
    return AuditQuery(form, event_filter, _menus(query, team_options, project_options), team)


def _filter(person: User, values: dict[str, Any], teams: dict[str, int]) -> EventFilter:
    span = PRESETS[values["range"]][1] if values["range"] else None
    since = values["since"] or (clock.now() - span if span and not values["until"] else None)
    return EventFilter(
        since=since,
        until=values["until"],
        person_name=values["person"],
        team_id=teams[values["team"]] if values["team"] else None,
        project_name=values["project"],
        action=values["action"],
        outcome=values["outcome"],
        ip=values["ip"],
        about=_about(person, values["cluster"]) if values["cluster"] else (),
        request=values["request"],
        text=values["q"],
        text_ids=_about(person, values["q"])[1:] if len(values["q"]) > 30 else (),  # as long as an ID
    )


def _about(person: User, text: str) -> tuple[str, ...]:
    """What the ledger calls a cluster: by its name, or, for the cloud's ID, by the IDs it has here."""
    clusters = Cluster.objects.visible_to(person).filter(Q(cluster_id=text))
    ids = [pk for pair in clusters.values_list("pk", "creation") for pk in pair if pk]
    ids += Deletion.objects.filter(cluster__in=clusters).values_list("pk", flat=True)
    return (text, *map(str, ids))


def _menus(
    query: QueryDict, teams: list[tuple[str, str]], projects: list[tuple[str, str]]
) -> list[FilterMenu]:
    ranges, actions, outcomes = _options(get_language())
    timeless = query.copy()
    for name in SPAN[1:]:
        timeless.pop(name, None)
    menus = [
        menu(timeless, "range", gettext("Time"), ranges, everything=gettext("Any time")),
        menu(query, "team", gettext("Team"), teams, everything=gettext("Every team")),
        menu(query, "project", gettext("Project"), projects, everything=gettext("Every project")),
        menu(query, "action", gettext("Action"), actions, everything=gettext("Any action")),
        menu(query, "outcome", gettext("Outcome"), outcomes, everything=gettext("Any outcome")),
    ]
    return [each for each in menus if len(each.choices) > 2]  # one team alone is no choice
