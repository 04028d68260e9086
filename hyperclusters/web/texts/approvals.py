"""Approval by a second person, in words: which rule needs it, and why somebody may not give it."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.models import Team
from hyperclusters.clusters.errors import ApprovalRefused
from hyperclusters.clusters.models import Approval, Creation
from hyperclusters.web.texts.causes import CAUSES, Text, join_sentences

OBJECTIONS: dict[str, Text] = {
    "own_approval": gettext_lazy("You requested this creation: another admin of the team must decide."),
    "own_service": gettext_lazy(
        "You made this service identity or its API token: another admin of the team must decide."
    ),
    "unknown_sponsors": gettext_lazy(
        "We can't tell who made this service identity and its API token, so nobody can approve this creation."
    ),
}


def approval_rule_text(team: Team, rule: str) -> str:
    """Why a creation needs approval."""
    kind, _colon, value = rule.partition(":")
    if kind == "count":
        text = _("%(team)s requires approval from cluster %(count)s on")
        return text % {"team": team.name, "count": value}
    if value:
        return _("%(team)s requires approval of %(type)s clusters") % {"team": team.name, "type": value}
    return _("%(team)s requires approval if the type is not stated") % {"team": team.name}


def approval_rules(team: Team) -> str:
    """All that needs approval in a team, for its page; empty: nothing."""
    texts = []
    if team.approval_types:
        texts.append(_("%(types)s clusters") % {"types": ", ".join(team.approval_types)})
    if team.approval_from is not None:
        texts.append(_("from cluster %(count)d of the team on") % {"count": team.approval_from})
    return " · ".join(texts)


def approval_refusal(error: ApprovalRefused) -> str:
    """Why this person may not decide."""
    return join_sentences(str(OBJECTIONS.get(error.cause, "")), _("Nothing was changed."))


def no_approver_text(creation: Creation) -> str:
    """Why nobody can approve it."""
    if creation.has_unknown_sponsors:
        return str(OBJECTIONS["unknown_sponsors"])
    text = _("Nobody can approve this now: %(team)s has no other admin.")
    return text % {"team": creation.team.name}


def waiting_status(creation: Creation) -> tuple[str, str]:
    """The state of a creation that waits for approval: a title and what it means."""
    lost_text = str(CAUSES["approver_lost"]) if creation.cause == "approver_lost" else ""
    why = _("%(rule)s.") % {"rule": approval_rule_text(creation.team, creation.approval_rule)}
    return _("Waiting for approval"), join_sentences(
        lost_text,
        why,
        _("We send the request once an admin other than %(person)s approves it.")
        % {"person": creation.requested_by.username},
    )


def declined_text(creation: Creation) -> str:
    """Who declined it, and why; empty if nobody did."""
    if creation.approval != Approval.DECLINED or creation.approval_by is None:
        return ""
    return _("%(person)s declined it: “%(reason)s”.") % {
        "person": creation.approval_by.username,
        "reason": creation.approval_reason,
    }
