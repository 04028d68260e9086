"""The audit's filters as they stand in the address, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, wraps
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Team, User
from hyperclusters.access.permissions import AuditScope
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.web.audit.periods import PERIODS, period
from hyperclusters.web.shared.fields import RepeatedField, UtcDateTimeField
from hyperclusters.web.shared.listing import Options

SEVERAL = ("person", "team", "project", "action", "outcome")  # may be repeated in the address
TEXT_FIELDS = ("cluster", "request", "code", "reason", "ip")
TIME_FIELDS = ("since", "until", "jump")
SPAN = ("range", "since", "until")
NAMES = ("q", *SEVERAL, *TEXT_FIELDS, *SPAN)  # what narrows the list
MOST = 2**63 - 1
PART_OF_ID = re.compile(r"[0-9A-Fa-f-]{6,}")
CLUSTERS = 50  # clusters whose ID a text may be a part of


@cache
def action_options(_language: str | None) -> Options:
    """Every action and its words, in the language of this request."""
    return [(value, (words := str(label))[:1].upper() + words[1:]) for value, label in EventType.choices]


@cache
def outcome_options(_language: str | None) -> Options:
    """Every outcome and its words."""
    return [(value, str(label)) for value, label in Outcome.choices]


class AuditForm(forms.Form):
    """What the address may hold. What it does not understand is said, and then nothing is shown."""

    q = forms.CharField(label=_("Search"), required=False, max_length=200)
    range = forms.ChoiceField(label=_("Time"), required=False, choices=lambda: list(PERIODS.items()))
    since = UtcDateTimeField(label=_("From (UTC)"), required=False)
    until = UtcDateTimeField(label=_("To (UTC)"), required=False, is_end=True)
    jump = UtcDateTimeField(label=_("Jump to (UTC)"), required=False, is_end=True)
    person = RepeatedField(label=_("Person"), required=False)
    team = RepeatedField(label=_("Team"), required=False)
    project = RepeatedField(label=_("Project"), required=False)
    action = RepeatedField(label=_("Action"), required=False, choices=lambda: action_options(get_language()))
    outcome = RepeatedField(
        label=_("Outcome"), required=False, choices=lambda: outcome_options(get_language())
    )
    cluster = forms.CharField(label=_("Object name or ID"), required=False, max_length=200)
    request = forms.CharField(label=_("Request ID"), required=False, max_length=128)
    code = forms.CharField(label=_("Error code"), required=False, max_length=64)
    reason = forms.CharField(label=_("Reason"), required=False, max_length=200)
    ip = forms.CharField(label=_("IP address"), required=False, max_length=45)
    reads = forms.ChoiceField(
        label=_("Reads and system events"), required=False, choices=[("0", "0"), ("1", "1")]
    )
    before = forms.IntegerField(required=False, min_value=0, max_value=MOST)
    after = forms.IntegerField(required=False, min_value=0, max_value=MOST)
    upto = forms.IntegerField(required=False, min_value=0, max_value=MOST)


def joins_times(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of a list; what its form sends of a day and of a time becomes one value, at an address without empty ones."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        fields = {f"{name}_time": name for name in TIME_FIELDS}
        if fields.keys().isdisjoint(request.GET):
            return view(request, *args, **kwargs)
        parameters = request.GET.copy()
        for field, name in fields.items():
            if time := parameters.pop(field, [""])[-1]:
                parameters[name] = f"{parameters.get(name, '')}T{time}"
        for name, values in parameters.lists():
            parameters.setlist(name, [value for value in values if value])
        return redirect(f"{request.path}?{parameters.urlencode()}")

    return wrapper


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What somebody asked the audit for: the form, and the filter, which is None if it was not understood.

    `teams`, `projects`: those to choose from.
    """

    form: AuditForm
    parameters: QueryDict
    filter: EventFilter | None
    team: Team | None  # where only one team's events are visible
    teams: Options
    projects: Options

    @property
    def filters(self) -> dict[str, str]:
        """What narrows the list, by its name in the address."""
        values = {name: ",".join(filter(None, self.parameters.getlist(name))) for name in NAMES}
        return {name: value for name, value in values.items() if value}

    @property
    def words(self) -> list[tuple[str, str]]:
        """The same in words, with what a filter that is not set leaves in: all times, reads, what the system did."""
        fields = self.form.fields
        pairs = []
        if self.filter and not (self.filter.since or self.filter.until):
            pairs.append((str(fields["range"].label), gettext("All time")))
        for name in self.filters:
            options = {value: str(word) for value, word in getattr(fields[name], "choices", ())}
            values = filter(None, self.parameters.getlist(name))
            pairs.append((str(fields[name].label), ", ".join(options.get(value, value) for value in values)))
        if self.filter and not self.filter.action:
            state = gettext("left out") if self.filter.people_only else gettext("included")
            pairs.append((str(fields["reads"].label), state))
        return pairs

    @property
    def jump(self) -> datetime | None:
        """The moment to jump to."""
        at: datetime | None = self.form.cleaned_data.get("jump")
        return at


def parse_query(
    person: User, scope: AuditScope, query: QueryDict, *, people_only: bool = False
) -> AuditQuery:
    """Read the address. The teams and projects to choose from are those whose audit this person may read.

    `people_only`: whether reads and what workers noticed are left out where the address does not say it.
    """
    teams = Team.objects.all() if scope.teams is None else Team.objects.filter(pk__in=scope.teams)
    rows = list(teams.order_by("name").values_list("pk", "slug", "name", "projects__name"))
    ids = {slug: pk for pk, slug, _, _ in rows}
    team_options = list({slug: name for _, slug, name, _ in rows}.items())
    project_options = [(name, name) for name in sorted({project for *_, project in rows if project})]
    form = AuditForm(query)
    for name, options in (("team", team_options), ("project", project_options)):
        form.fields[name].choices = options or [("", "")]  # type: ignore[attr-defined]
    event_filter = _filter(person, form.cleaned_data, ids, people_only) if form.is_valid() else None
    only = rows[0] if scope.teams and len(scope.teams) == 1 else None
    team = Team(pk=only[0], slug=only[1], name=only[2]) if only else None
    return AuditQuery(form, query, event_filter, team, team_options, project_options)


def _filter(person: User, values: dict[str, Any], teams: dict[str, int], people_only: bool) -> EventFilter:
    since, until = values["since"], values["until"]
    if values["range"]:
        span = period(values["range"])
        # A time that is typed counts more than one that is chosen.
        since, until = since or (None if until else span.since), until or (None if since else span.until)
    text = values["q"]
    return EventFilter(
        since=since,
        until=until,
        person_name=_one_or_several(values["person"]) or "",
        team_id=_one_or_several([teams[slug] for slug in values["team"]]),
        project_name=_one_or_several(values["project"]) or "",
        action=_one_or_several(values["action"]) or "",
        outcome=_one_or_several(values["outcome"]) or "",
        ip=values["ip"],
        about=_about(person, values["cluster"]) if values["cluster"] else (),
        request=values["request"],
        reason=values["reason"],
        code=values["code"],
        text=text,
        text_ids=_ids(person, Q(cluster_id__contains=text.lower())) if PART_OF_ID.fullmatch(text) else (),
        people_only=people_only if values["reads"] == "" else values["reads"] == "0",
    )


def _one_or_several(values: Iterable[Any]) -> Any:
    several = tuple(values)
    return several[0] if len(several) == 1 else several or None


def _about(person: User, text: str) -> tuple[str, ...]:
    """What the ledger calls a cluster: by its name, or, for the cloud's ID, by the IDs it has here."""
    return (text, *_ids(person, Q(cluster_id=text)))


def _ids(person: User, condition: Q) -> tuple[str, ...]:
    """The IDs under which the ledger has these clusters, their creations and their deletions."""
    rows = list(Cluster.objects.visible_to(person).filter(condition).values_list("pk", "creation")[:CLUSTERS])
    ids = [pk for pair in rows for pk in pair if pk]
    if rows:
        ids += Deletion.objects.filter(cluster__in=[pk for pk, _ in rows]).values_list("pk", flat=True)
    return tuple(map(str, ids))
