"""A person's grants in a team, in sentences: what counts, until when, and what follows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext

from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.layers import Stage, covering_grant, is_outlasted, replaced_by, stages
from hyperclusters.access.models import AccessRequest, Grant, RequestState, Role, User
from hyperclusters.access.permissions import active_grants
from hyperclusters.access.rules import resolve_expiry
from hyperclusters.access.team_admins import SOON
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.audit.segments import archived_until
from hyperclusters.web.texts.access import access_refusal
from hyperclusters.web.texts.causes import join_sentences


def day(at: date) -> str:
    """A day, or that of a moment in UTC, as "2 Dec 2026"."""
    return date_format(at, gettext("j M Y"))


def last_day(until: datetime) -> str:
    """The day on which access ends: at 24:00 UTC it is still that day."""
    return day(until - timedelta(microseconds=1))


def access_text(person: str, grants: Iterable[Grant]) -> str:
    """What the grants of this person amount to: "vera is Creator until 2 Dec 2026, then Viewer." """
    after = stages(grants)
    if not after:
        return gettext("%(who)s has no access.") % {"who": person}
    parts = [_until_text(after[0]), *map(_then_text, after[1:])]
    if after[-1][1] is not None:
        parts.append(gettext("then no access"))
    text = parts[0]
    for part in parts[1:]:
        text = gettext("%(before)s, %(part)s") % {"before": text, "part": part}
    return gettext("%(who)s is %(access)s.") % {"who": person, "access": text}


def approval_text(request: AccessRequest) -> str:
    """What this person has, and what they have once the request is approved as it is, or why that is not possible. Empty
    once it is decided."""
    if request.state != RequestState.PENDING:
        return ""
    person, team, role, now = request.person, request.team, Role(request.role), clock.now()
    grants = list(Grant.objects.active().of(person, team))
    length = None if request.days is None else timedelta(days=request.days)
    now_text = access_text(person.username, grants)
    try:
        until = resolve_expiry(team, end=length, reason=request.reason, since=now)
    except ChangeRefused as error:
        return join_sentences(now_text, access_refusal(error))
    if covering_grant(grants, role, until):  # approving would add nothing
        return now_text
    old_grants = replaced_by(grants, role, until, keep_higher=True)
    rest = [each for each in grants if each not in old_grants]
    after = access_text(person.username, [*rest, Grant(person=person, team=team, role=role, until=until)])
    return gettext("%(now)s If you approve %(length)s: %(after)s") % {
        "now": now_text,
        "length": request.length,
        "after": after,
    }


def change_text(role: str, replaced_grants: list[Grant], remaining_grants: list[Grant]) -> str:
    """What a change takes away and what stays: "Replaces Admin. Viewer stays." Empty if it only adds."""
    old_roles = [each.get_role_display() for each in replaced_grants if each.role != role]
    stays = [each.get_role_display() for each in remaining_grants]
    lines = [gettext("Replaces %(roles)s") % {"roles": gettext(", ").join(old_roles)}] if old_roles else []
    if stays:
        lines.append(gettext("%(roles)s stays") % {"roles": gettext(", ").join(stays)})
    return " · ".join(lines)


def granted_text(event: Event) -> str:
    """Which role an event is about and until when, or for how long: "Viewer until 2 Dec 2026". Empty if it names none."""
    facts = event.after or event.before
    if not facts or facts.get("role") not in Role.values:
        return ""
    role, days = Role(facts["role"]), facts.get("days")
    if "until" in facts:
        return _until_text((role, datetime.fromisoformat(facts["until"]) if facts["until"] else None))
    if "days" in facts:
        values = {"role": role.label, "length": AccessRequest(days=days).length}
        return gettext("%(role)s %(length)s") % values
    return str(role.label)


def _until_text(stage: Stage) -> str:
    role, until = stage
    if until is None:
        return gettext("%(role)s with no end date") % {"role": role.label}
    return gettext("%(role)s until %(day)s") % {"role": role.label, "day": last_day(until)}


def _then_text(stage: Stage) -> str:
    role, until = stage
    if until is None:
        return gettext("then %(role)s again") % {"role": role.label}
    return gettext("then %(role)s until %(day)s") % {"role": role.label, "day": last_day(until)}


def ending_grants(person: User) -> list[Grant]:
    """This person's access that ends soon, the nearest end first, unless a higher role there lasts as long."""
    now, grants = clock.now(), active_grants(person)
    near = [
        each for each in grants if each.until and warned_at(each) <= now and not is_outlasted(each, grants)
    ]
    return sorted(near, key=lambda grant: grant.until or now)


def warned_at(grant: Grant) -> datetime:
    """A week before its end; a day before, if it was given for two weeks or less; when it was given, if that is later."""
    if grant.until is None:
        return grant.since
    is_short = grant.until - grant.since <= 2 * SOON
    return max(grant.until - (timedelta(days=1) if is_short else SOON), grant.since)


def no_action_text() -> str:
    """What is said where the ledger has no event of a person: archived events are not looked through."""
    if at := archived_until(None, None):
        return gettext("none since %(day)s") % {"day": day(at)}
    return gettext("never")
