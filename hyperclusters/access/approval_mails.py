"""Mails about approval by a second person: to the admins who can give it, and the decision to who requested it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from .mail_parts import Text, addresses, link


def approval_mail(creation: Any) -> Text:
    """To the admins who may approve it."""
    subject = _("%(person)s asks for approval of %(name)s in %(team)s") % _names(creation)
    text = _(
        "%(person)s requested the cluster %(name)s in %(team)s, which needs another admin's approval:\n\n  %(reason)s\n\n"
        "It is not sent until then. Decide here: %(url)s"
    )
    return addresses(creation.approvers()), subject, text % _names(creation)


def decision_mail(creation: Any) -> Text:
    """To who requested it."""
    facts = _names(creation) | {
        "by": creation.approval_by.username,
        "note": creation.approval_reason,
    }
    if creation.approval == "approved":
        subject = _("%(by)s approved the creation of %(name)s") % facts
        text = _("%(by)s approved it. %(note)s\n\nWhat becomes of it: %(url)s")
    else:
        subject = _("%(by)s declined the creation of %(name)s") % facts
        text = _("%(by)s declined it, and nothing was sent:\n\n  %(note)s\n\nThe request: %(url)s")
    return addresses([creation.requested_by]), subject, text % facts


def _names(creation: Any) -> dict[str, str]:
    return {
        "person": creation.requested_by.username,
        "name": creation.name,
        "team": creation.team.name,
        "reason": creation.reason or "–",
        "url": link(creation.get_absolute_url()),
    }
