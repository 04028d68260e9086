"""What people read about access: why something was refused, what a role allows, who helps, who is missing."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.models import AccessRequest, Grant, Role, User
from hyperclusters.access.models.grant import LATELY, GrantQuerySet
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
from hyperclusters.statements import NOW, PERSON, SINCE, rows
from hyperclusters.web.texts.causes import Text

REFUSALS: dict[Cause, Text] = {
    Cause.ONESELF: _(
        "You can't give access to yourself, keep your own or decide your own request. Nothing was changed. "
        "Ask another admin."
    ),
    Cause.ABOVE: _("This role is above your own. Nothing was changed."),
    Cause.SERVICE: _(
        "A service identity can be a viewer or a creator, in its own team only. Nothing was changed."
    ),
    Cause.LAST_ADMIN: _("This is the last admin. Nothing was changed. Make another person an admin first."),
    Cause.OPEN_ENDED: _("This team asks for an end date. Nothing was changed. Choose one."),
    Cause.TOO_LONG: _(
        "This is longer than the team allows. Nothing was changed. Choose an earlier end date."
    ),
    Cause.PAST: _("This end date has passed. Nothing was changed. Choose a later one."),
    Cause.NO_REASON: _("Enter a reason. It is kept in the audit. Nothing was changed."),
    Cause.HELD: _(
        "Already granted: this role or a higher one, for as long. Nothing was changed. An admin can lower it with Change "
        "on the team's page."
    ),
    Cause.NOT_HELD: _("This access has ended meanwhile. Nothing more was changed."),
    Cause.DECIDED: _("This request has been decided or withdrawn meanwhile. Nothing more was changed."),
    Cause.ASKED: _("Your request for this team is waiting for a decision already."),
    Cause.INACTIVE: _("This account is deactivated. Nothing was changed."),
    Cause.USED: _("This invitation was used, was taken back, or has expired. Ask for another one."),
    Cause.WRONG_PERSON: _(
        "This invitation is for another e-mail address than that of your account. Nothing was changed."
    ),
    Cause.REVIEW_OPEN: _("This team has an open access review already. Nothing was changed."),
    Cause.REVIEW_CLOSED: _(
        "This access review has been completed or cancelled meanwhile. Nothing more was changed."
    ),
    Cause.REVIEW_CHANGED: _(
        "Access changed since you opened this page, or somebody else decided. Nothing was saved. Check the marked rows, "
        "then save again."
    ),
    Cause.REVIEW_UNDECIDED: _(
        "Access is still waiting for a decision. Nothing was changed. Decide it first."
    ),
    Cause.INVITER: _(
        "The person who invited you can no longer give this access. Ask an admin of the team for another invitation."
    ),
}

ALLOWS: dict[Role, Text] = {
    Role.VIEWER: _("see its clusters and creations"),
    Role.CREATOR: _("see, create and lock clusters, delete your own, withdraw what is not sent yet"),
    Role.ADMIN: _(
        "everything creators can do; also give access, decide open outcomes, read the team's audit, "
        "unlock, delete and hand over any cluster"
    ),
    Role.AUDITOR: _("see every team, read the whole audit; changes nothing"),
    Role.PLATFORM_ADMIN: _("connect projects, add teams, appoint admins and auditors"),
}


# Why somebody may not do it, where a role is not all that counts or only admins may. Others are asked for access.
DENIALS: dict[Permission, Text] = {
    Permission.MANAGE: _(
        "Only the owner of the cluster or an admin of its team may do this. Nothing was sent to the cloud."
    ),
    Permission.UNLOCK: _("Only an admin of its team may unlock a cluster. Nothing was changed."),
}


def access_refusal(error: ChangeRefused) -> str:
    """Why a change of access was not made. Every such sentence says that nothing was changed."""
    return str(REFUSALS[error.cause])


def own_requests(person: User) -> list[tuple[AccessRequest, str]]:
    """What this person has asked for and nobody has decided yet, each with whose decision it waits for."""
    pending = AccessRequest.objects.pending().filter(person=person).select_related("team")
    return [(each, waits_for(each)) for each in pending]


def waits_for(request: AccessRequest) -> str:
    """Whose decision it waits for."""
    admins = sorted(grant.person.username for grant in who_can(Permission.GRANT, request.team))
    if admins:
        return gettext("waiting for %(names)s") % {"names": ", ".join(admins)}
    return decided_by([], platform_admins())


def decided_by(names: list[str], appointers: list[User]) -> str:
    """Who decides about access to a team: its admins, by name, or nobody until an admin is appointed."""
    if names:
        return gettext("decided by %(names)s") % {"names": ", ".join(names)}
    return gettext("%(names)s can appoint an admin") % {"names": _names(appointers)}


def _names(people: list[User]) -> str:
    return ", ".join(person.username for person in people)


def who_helps(denial: Exception | None) -> dict[str, str]:
    """For a page that was denied: who can help, and where to ask, unless what it needs cannot be asked for there.

    Says nothing of a team that was not named by it.
    """
    if not isinstance(denial, NotPermitted):
        return {"names": "", "query": ""}
    if not roles_for(denial.permission) or (denial.permission == Permission.AUDIT and denial.team is None):
        return {"names": _names(platform_admins())}
    if denial.team is None:
        return {"names": "", "query": ""}
    people = [grant.person for grant in who_can(Permission.GRANT, denial.team)] or platform_admins()
    names = ", ".join(sorted(person.username for person in people))
    if denial.permission in DENIALS:  # nobody asks to be an admin for one cluster
        return {"names": names}
    role = next(
        (role.value for role, actions in LEAST.items() if denial.permission in actions), Role.ADMIN.value
    )
    return {"names": names, "query": f"?team={denial.team.slug}&role={role}"}


LEAST: dict[Role, set[Permission]] = {
    Role.VIEWER: {Permission.VIEW, Permission.MEMBERS},
    Role.CREATOR: {Permission.CREATE, Permission.LOCK},
}


def no_admin_notice(team: TeamWithAdmins, person: User) -> dict[str, str]:
    """The warning that nobody decides in a team (one of `team_admins`), or soon nobody will, with what this person can do."""
    if team.is_led and (team.led_until is None or team.led_until > clock.now() + SOON):
        return {}
    if team.is_led:
        title = gettext("From %(at)s on nobody decides in %(team)s")
        text = gettext(
            "The access of its last admin ends then. An admin is needed whose access lasts longer."
        )
    else:
        title = gettext("%(team)s has no admin")
        text = gettext(
            "It has no admin: nobody can give access there, decide requests or settle open outcomes."
        )
    at = date_format(timezone.localtime(team.led_until), "DATETIME_FORMAT") + " UTC" if team.led_until else ""
    notice = {"kind": "warn" if team.is_led else "bad", "title": title % {"team": team.name, "at": at}}
    if may(person, Permission.APPOINT) or may(person, Permission.GRANT, team):
        url = reverse("teams:give", args=[team.slug]) + "?role=admin&until=open"
        return notice | {"text": text, "url": url, "action": gettext("Add team admin")}
    who = gettext("%(names)s can appoint one.") % {"names": _names(platform_admins())}
    return notice | {"text": f"{text} {who}"}


def ended_grants(person: User) -> list[Grant]:
    """What this person could do until lately, so that a page that is closed to them now can say so."""
    now = clock.now()
    return rows(_ended_grants, most=3, person=person.pk, now=now, since=now - LATELY)


def _ended_grants() -> GrantQuerySet:
    return Grant.objects.lost_by(PERSON, NOW, SINCE).select_related("team", "ended_by")
