"""What people read about access: why something was refused, what a role allows, who helps, who is missing."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.models import AccessRequest, Grant, Role, Team, User
from hyperclusters.access.permissions import (
    NotPermitted,
    Permission,
    may,
    platform_admins,
    roles_for,
    who_can,
)
from hyperclusters.access.team_admins import SOON, TeamWithAdmins
from hyperclusters.audit import clock

from .causes import Text

REFUSALS: dict[Cause, Text] = {
    Cause.ONESELF: gettext_lazy(
        "Nobody gives access to themselves, keeps their own or decides their own request. Nothing was changed: "
        "another admin can do it."
    ),
    Cause.ABOVE: gettext_lazy("This role is above your own. Nothing was changed."),
    Cause.SERVICE: gettext_lazy(
        "A service identity is at most a creator, and in its own team only. Nothing was changed."
    ),
    Cause.LAST_ADMIN: gettext_lazy(
        "This is the only admin, and nobody would be left who decides. Nothing was changed: make somebody else an admin first."
    ),
    Cause.OPEN_ENDED: gettext_lazy("This team gives access only with an end. Nothing was changed."),
    Cause.TOO_LONG: gettext_lazy("This is longer than the team gives access for. Nothing was changed."),
    Cause.PAST: gettext_lazy("This end has passed already. Nothing was changed."),
    Cause.NO_REASON: gettext_lazy("Please say why: it is kept in the audit. Nothing was changed."),
    Cause.HELD: gettext_lazy("They have that much, for that long, already. Nothing was changed."),
    Cause.NOT_HELD: gettext_lazy("This access has ended meanwhile. Nothing more was changed."),
    Cause.DECIDED: gettext_lazy(
        "This request has been decided or withdrawn meanwhile. Nothing more was changed."
    ),
    Cause.ASKED: gettext_lazy("You have asked for access to this team already, and it waits for a decision."),
    Cause.INACTIVE: gettext_lazy("This account is deactivated. Nothing was changed."),
    Cause.USED: gettext_lazy(
        "This invitation was used, was taken back, or has expired. Ask for another one."
    ),
    Cause.WRONG_PERSON: gettext_lazy(
        "This invitation is for another e-mail address than that of your account. Nothing was changed."
    ),
    Cause.INVITER: gettext_lazy(
        "Who invited you may not give this access any more. Ask an admin of the team for another invitation."
    ),
}

ALLOWS: dict[Role, Text] = {
    Role.VIEWER: gettext_lazy("see its clusters and creations"),
    Role.CREATOR: gettext_lazy("see, create and delete clusters, withdraw what is not sent yet"),
    Role.ADMIN: gettext_lazy(
        "all that creators may; give access, decide what needs a person, read the team's audit"
    ),
    Role.AUDITOR: gettext_lazy("see every team, read the whole audit; changes nothing"),
    Role.PLATFORM_ADMIN: gettext_lazy("connect projects, add teams, appoint admins and auditors"),
}


def access_refusal(refused: ChangeRefused) -> str:
    """Why a change of access was not made. Every such sentence says that nothing was changed."""
    return str(REFUSALS[refused.cause])


def helpers(team: Team) -> list[User]:
    """Who can give access to this team; where it has no admin, who can appoint one."""
    return [grant.person for grant in who_can(Permission.GRANT, team)] or platform_admins()


def request_line(person: User) -> list[str]:
    """What this person has asked for and nobody has decided yet, and who does."""
    text = _("You asked to be %(role)s in %(team)s: %(decided)s.")
    return [
        text
        % {
            "role": access_request.get_role_display(),
            "team": access_request.team.name,
            "decided": _who_decides(access_request.team),
        }
        for access_request in AccessRequest.objects.pending().filter(person=person).select_related("team")
    ]


def _who_decides(team: Team) -> str:
    names = sorted(grant.person.username for grant in who_can(Permission.GRANT, team))
    return decided_by(names, [] if names else platform_admins())


def decided_by(names: list[str], appointers: list[User]) -> str:
    """Who decides about access to a team: its admins, by name, or nobody until an admin is appointed."""
    if names:
        return _("decided by %(names)s") % {"names": ", ".join(names)}
    return _("%(names)s can appoint an admin") % {"names": ", ".join(each.username for each in appointers)}


def who_helps(denied: Exception | None) -> dict[str, str]:
    """For a page that was denied: who can help, and where to ask, unless what it needs cannot be asked for there.

    Says nothing of a team that was not named by it.
    """
    if isinstance(denied, NotPermitted) and not roles_for(denied.permission):
        return {"names": ", ".join(person.username for person in platform_admins())}
    if not isinstance(denied, NotPermitted) or denied.team is None:
        return {"names": "", "query": ""}
    names = ", ".join(sorted(person.username for person in helpers(denied.team)))
    role = next(
        (role.value for role, actions in LEAST.items() if denied.permission in actions), Role.ADMIN.value
    )
    return {"names": names, "query": f"?team={denied.team.slug}&role={role}"}


LEAST: dict[Role, set[Permission]] = {
    Role.VIEWER: {Permission.VIEW, Permission.MEMBERS},
    Role.CREATOR: {Permission.CREATE},
}


def unled_notice(team: TeamWithAdmins, person: User) -> dict[str, str]:
    """The warning that nobody decides in a team (one of `team_admins`), or soon nobody will, with what this person can do."""
    if team.is_led and (team.led_until is None or team.led_until > clock.now() + SOON):
        return {}
    if team.is_led:
        title = _("From %(at)s on nobody decides in %(team)s")
        text = _("The access of its last admin ends then. An admin is needed whose access lasts longer.")
    else:
        title = _("Nobody decides in %(team)s")
        text = _("It has no admin: nobody can give access there, decide requests or settle open outcomes.")
    at = date_format(timezone.localtime(team.led_until), "DATETIME_FORMAT") + " UTC" if team.led_until else ""
    notice = {"kind": "warn" if team.is_led else "bad", "title": title % {"team": team.name, "at": at}}
    if may(person, Permission.APPOINT) or may(person, Permission.GRANT, team):
        url = reverse("teams:give", args=[team.slug]) + "?role=admin&until=open"
        return notice | {"text": text, "url": url, "action": _("Appoint an admin")}
    who = _("%(names)s can appoint one.") % {"names": ", ".join(each.username for each in platform_admins())}
    return notice | {"text": f"{text} {who}"}


def lost(person: User) -> list[Grant]:
    """What this person could do until lately, so that a page that is closed to them now can say so."""
    return list(Grant.objects.lost_by(person).select_related("team", "ended_by")[:3])
