"""The texts of mails about access: a request, its decision, an invitation, an end that is near, a team that will have no
admin, an address that was changed. Each takes the row it is about and returns its addresses, its subject and its text."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from . import invitations
from .layers import stages
from .mail_parts import Text, addresses, link
from .models import AccessRequest, Grant, Invitation, OutgoingMail, RequestState, Team, User
from .permissions import Permission, platform_admins, who_can


def access_request_mail(access_request: AccessRequest) -> Text:
    """To those who can decide this request."""
    deciders = [
        grant.person
        for grant in who_can(Permission.GRANT, access_request.team)
        if grant.person != access_request.person
    ]
    subject = _("%(person)s asks for access to %(team)s") % _names(access_request)
    text = _(
        "%(person)s asks to be %(role)s in %(team)s, %(length)s:\n\n  %(reason)s\n\nDecide here: %(url)s"
    )
    facts = _names(access_request) | {"length": access_request.length, "reason": access_request.reason}
    url = link(access_request.team.get_absolute_url())
    return addresses(deciders or platform_admins()), subject, text % (facts | {"url": url})


def access_decision_mail(access_request: AccessRequest) -> Text:
    """To the person who asked for access."""
    by = access_request.decided_by.username if access_request.decided_by else ""
    facts = _names(access_request) | {
        "by": by,
        "note": access_request.note,
        "url": link(reverse("access:mine")),
    }
    if access_request.state == RequestState.APPROVED:
        subject = _("You are %(role)s in %(team)s now") % facts
        text = _("%(by)s approved your request. %(note)s\n\nWhat you may do, and until when: %(url)s")
    else:
        subject = _("Your request for %(team)s was declined") % facts
        text = _("%(by)s declined it:\n\n  %(note)s\n\nWhat you may do, and until when: %(url)s")
    return addresses([access_request.person]), subject, text % facts


def invitation_mail(invitation: Invitation) -> Text:
    """To the address that was invited, with the link that works once."""
    facts = {
        "by": invitation.invited_by.username,
        "role": invitation.get_role_display(),
        "team": invitation.team.name,
        "reason": invitation.reason,
        "until": f"{invitation.expires_at:%Y-%m-%d %H:%M} UTC",
        "url": link(reverse("access:invitation", args=[invitations.token(invitation)])),
    }
    subject = _("%(by)s invites you to %(team)s on hyperclusters") % facts
    text = _(
        "%(by)s invites you to be %(role)s in %(team)s:\n\n  %(reason)s\n\n"
        "The link is good once, until %(until)s: %(url)s"
    )
    return [invitation.email], subject, text % facts


def expiry_mail(grant: Grant) -> Text:
    """To the person whose access ends soon."""
    facts = {
        "role": grant.get_role_display(),
        "team": grant.team.name if grant.team else "hyperclusters",
        "until": f"{grant.until:%Y-%m-%d %H:%M} UTC",
        "url": link(reverse("access:mine")),
    }
    subject = _("Your access to %(team)s ends soon") % facts
    text = _("You are %(role)s in %(team)s until %(until)s. If you need it longer, ask with a click: %(url)s")
    after = stages(Grant.objects.active().of(grant.person, grant.team)) if grant.team else []
    if lower := [role for role, _until in after if grant.is_above(role)]:
        facts["then"] = str(lower[0].label)
        text = _(
            "You are %(role)s in %(team)s until %(until)s, then %(then)s. If you need it longer, ask with a click: "
            "%(url)s"
        )
    return addresses([grant.person]), subject, text % facts


def token_mail(token: Any) -> Text:
    """To a token's person; to the admins of a service identity's team."""
    team = token.owner.service_team
    readers = [grant.person for grant in who_can(Permission.GRANT, team)] if team else [token.owner]
    page = team.get_absolute_url() if team else reverse("access:mine")
    facts = {
        "name": token.name,
        "owner": token.owner.username,
        "until": f"{token.expires_at:%Y-%m-%d %H:%M} UTC",
        "url": link(page),
    }
    subject = _("The API token “%(name)s” ends soon") % facts
    text = _(
        "The API token “%(name)s” of %(owner)s ends at %(until)s. What uses it will be rejected then.\n\n"
        "Create another one: %(url)s"
    )
    return addresses(readers), subject, text % facts


def no_admin_mail(team: Team) -> Text:
    """To the platform admins."""
    facts = {
        "team": team.name,
        "until": f"{team.unled_at:%Y-%m-%d %H:%M} UTC",
        "url": link(reverse("teams:give", args=[team.slug])),
    }
    subject = _("%(team)s has no admin from %(until)s on") % facts
    text = _(
        "The access of the last admin of %(team)s ends at %(until)s. Nobody can give access there, decide requests or "
        "settle open outcomes then.\n\nAppoint an admin: %(url)s"
    )
    return addresses(platform_admins()), subject, text % facts


def address_changed(person: User) -> Text:
    """To the former addresses of this person."""
    letters = OutgoingMail.objects.filter(kind=OutgoingMail.FORMER_ADDRESS, about=str(person.pk))
    subject = _("The e-mail address of your hyperclusters account was changed")
    text = _(
        "Mails about the account %(person)s go to another address from now on. If you did not expect this, tell a "
        "platform admin.\n\n%(url)s"
    )
    return [mail.address for mail in letters], subject, text % {"person": person.username, "url": link("/")}


def _names(access_request: AccessRequest) -> dict[str, str]:
    return {
        "person": access_request.person.username,
        "role": access_request.get_role_display(),
        "team": access_request.team.name,
    }
