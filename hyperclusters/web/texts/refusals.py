"""Why a request was not accepted, and what is wrong with a value. Every refusal says that nothing was sent or changed."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hyperclusters.access.models import Team
from hyperclusters.clusters.errors import (
    AgainstRules,
    AlreadyGone,
    ApprovalRefused,
    Blocked,
    ClusterLocked,
    CreationRefused,
    DeletionOpen,
    InvalidValues,
    NameTaken,
    NameUnresolved,
    NotInTeam,
    NotLocked,
    NotReported,
    OverrideUnexplained,
    OwnerAlready,
    ProjectRetired,
    QuotaReached,
    ReasonRequired,
    TokenUsed,
    TooMany,
    TracesOff,
    TracesTooOld,
    WrongName,
)
from hyperclusters.web.texts.approvals import approval_refusal
from hyperclusters.web.texts.causes import Text, cause_of
from hyperclusters.web.texts.ownership import ownership_refusal


def _quota_reached(error: QuotaReached) -> str:
    if not error.quota:
        return _(
            "The quota is 0: no cluster can be created. Nothing was sent: ask a platform admin for more."
        )
    if error.team:
        words = ngettext(
            "This team has reached its quota of %(quota)d cluster. Nothing was sent: delete one, or ask a platform admin for more.",
            "This team has reached its quota of %(quota)d clusters. Nothing was sent: delete one, or ask a platform admin for more.",
            error.quota,
        )
    else:
        words = ngettext(
            "This project has reached its quota of %(quota)d cluster. Nothing was sent: delete one, or ask a platform admin for more.",
            "This project has reached its quota of %(quota)d clusters. Nothing was sent: delete one, or ask a platform admin for more.",
            error.quota,
        )
    return words % {"quota": error.quota}


def refusal(error: CreationRefused) -> str:
    """Why something was not accepted. Every such sentence says that nothing was sent or changed."""
    if isinstance(error, AgainstRules):
        return rule_broken(error.team, error.fields[0])
    if isinstance(error, QuotaReached):
        return _quota_reached(error)
    if isinstance(error, Blocked):
        because = cause_of(error.project.blocked_cause, error.project.blocked_code)
        return _("Calls to the cloud are paused for this project. %(because)s Nothing was sent.") % {
            "because": because
        }
    if isinstance(error, ClusterLocked | NotInTeam):
        return ownership_refusal(error)
    return approval_refusal(error) if isinstance(error, ApprovalRefused) else str(REFUSALS[type(error)])


def rule_text(team: Team, field: str) -> str:
    """A rule of the team, by the form's field."""
    texts = {
        "name": _("%(team)s's names look like %(pattern)s"),
        "type": _("%(team)s allows only %(types)s"),
        "reason": _("%(team)s asks for a reason"),
    }
    return texts[field] % _rule_facts(team)


def _rule_facts(team: Team) -> dict[str, str]:
    return {"team": team.name, "pattern": team.name_pattern, "types": ", ".join(team.allowed_types)}


def rule_broken(team: Team, field: str) -> str:
    """Which rule of the team a creation breaks, by the form's field. Says that nothing was sent."""
    texts = {
        "name": _("%(team)s gives its clusters names like %(pattern)s. Nothing was sent."),
        "type": _("%(team)s allows only %(types)s. Nothing was sent."),
        "reason": _("%(team)s asks for a reason. Nothing was sent."),
    }
    return texts[field] % _rule_facts(team)


REFUSALS: dict[type[CreationRefused], Text] = {
    NameUnresolved: gettext_lazy(
        "A creation of this name is not settled yet in this project. Nothing was sent: wait for its outcome."
    ),
    NameTaken: gettext_lazy(
        "A cluster with this name already exists in this project. Nothing was sent: choose another name."
    ),
    TokenUsed: gettext_lazy("This form was already used for another creation. Nothing more was sent."),
    TooMany: gettext_lazy(
        "You have asked for more creations than one person may within a minute. Nothing was sent: wait a little."
    ),
    ProjectRetired: gettext_lazy("This project is retired. Nothing was sent: choose another one."),
    InvalidValues: gettext_lazy("One of the values cannot be sent. Nothing was sent."),
    WrongName: gettext_lazy("This is not the cluster's name. Nothing was sent."),
    OverrideUnexplained: gettext_lazy("Enter a reason to override the check. Nothing was sent."),
    AlreadyGone: gettext_lazy("The cloud does not have this cluster any more. Nothing was sent."),
    NotReported: gettext_lazy("ModelArts doesn't report this for ECS clusters. Nothing was sent."),
    TracesOff: gettext_lazy("The project's settings don't allow us to ask CTS. Nothing was sent."),
    TracesTooOld: gettext_lazy(
        "CTS keeps traces for seven days, and this cluster was first seen earlier. Nothing was sent."
    ),
    NotLocked: gettext_lazy("This cluster is not locked any more. Nothing was changed."),
    OwnerAlready: gettext_lazy("This person owns the cluster already. Nothing was changed."),
    ReasonRequired: gettext_lazy("Enter a reason: it is kept in the audit. Nothing was changed."),
    DeletionOpen: gettext_lazy("This cluster is being deleted already. Nothing more was sent."),
}


def name_trouble(name: str) -> str:
    """What is wrong with a name, or nothing. The form's hint has the whole rule."""
    if not name:
        return _("A name has 1 to 64 letters (A–Z, a–z), digits, “-”, “_” or “.”.")
    alphabet = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    wrong = [(position, character) for position, character in enumerate(name, 1) if character not in alphabet]
    if wrong:
        places: dict[str, int] = {}
        for position, character in wrong:
            places.setdefault(_visible(character), position)
        each = [
            _("%(what)s (position %(position)d)") % {"what": what, "position": position}
            for what, position in places.items()
        ]
        return _("Remove %(characters)s.") % {"characters": ", ".join(each[:3]) + ("…" if each[3:] else "")}
    if len(name) > 64:
        too_many = len(name) - 64
        return ngettext(
            "This is %(count)d character too long.", "This is %(count)d characters too long.", too_many
        ) % {"count": too_many}
    return ""


def subnet_trouble(subnet_id: str) -> str:
    """What is wrong with a subnet ID."""
    if subnet_id.strip() != subnet_id:
        return _("There is a space or a line break around the subnet ID. Remove it.")
    if subnet_id.lower() != subnet_id:
        return _("A subnet ID has no capital letters.")
    return _("Enter a subnet ID such as 5e60883c-9b0f-4d5e-8c7a-2f1d6b3a4e90.")


def _visible(character: str) -> str:
    names = {" ": _("the space"), "\n": _("the line break"), "\r": _("the line break"), "\t": _("the tab")}
    if character in names:
        return str(names[character])
    return f"“{character}”" if character.isprintable() else f"U+{ord(character):04X}"
