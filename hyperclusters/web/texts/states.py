"""The one table of words: what happened, whether anything was sent, what to do, who can help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hyperclusters.access.models import Team
from hyperclusters.clusters.errors import (
    AgainstRules,
    AlreadyGone,
    Blocked,
    CreationRefused,
    DeletionOpen,
    InvalidValues,
    NameTaken,
    NameUnresolved,
    QuotaReached,
    TokenUsed,
    TooMany,
    WrongName,
)
from hyperclusters.clusters.models import Creation, Deletion, DeletionState, Evidence, State
from hyperclusters.web.texts.causes import CAUSES, Text, cause_of, refusal_remedy, remedy, said

# How a state looks: which of the five kinds of badge, and its icon.
KINDS: dict[str, str] = {
    State.REFUSED: "bad",
    State.QUEUED: "idle",
    State.SENDING: "wait",
    State.UNKNOWN: "wait",
    State.NEEDS_ATTENTION: "warn",
    State.CREATED: "good",
    State.FAILED: "bad",
    State.NOT_CREATED: "warn",
    State.CANCELLED: "idle",
}

OUTCOME_KINDS: dict[str, str] = {
    "done": "good",
    "accepted": "idle",
    "refused": "warn",
    "denied": "warn",
    "failed": "bad",
    "unknown": "wait",
    "noted": "idle",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a creation in words: the sentence, what it means for the person, and its looks."""

    kind: str
    title: str
    text: str


def verdict(creation: Creation) -> Verdict:
    """The creation's state as a person should read it."""
    title, text = _WORDS[State(creation.state)](creation)
    if creation.conflict_at:
        text = said(text, _("Later evidence contradicts this: see below, and tell operations."))
    return Verdict(KINDS[creation.state], title, text)


def _created(creation: Creation) -> tuple[str, str]:
    how = {
        Evidence.REPLY: _("The cloud confirmed it in its answer."),
        Evidence.LISTED: _(
            "We got no clear answer, but the cluster is in the cloud: this request created it."
        ),
        Evidence.HUMAN: _("A person decided which of the cloud's clusters is this one."),
    }
    odd = str(CAUSES["odd_id"]) if creation.cause == "odd_id" else ""
    return _("Created"), said(how.get(Evidence(creation.evidence), ""), odd)


def _queued(creation: Creation) -> tuple[str, str]:
    if not creation.cause:
        return _("Waiting to be sent"), _(
            "It is recorded, and nothing was sent yet. You may close this page."
        )
    because = cause_of(creation.cause, creation.code, creation.message)
    return _("Waiting to be tried again"), _(
        "%(because)s Nothing was created; it will be tried again by itself."
    ) % {"because": because}


def _sending(creation: Creation) -> tuple[str, str]:
    return _("Being created"), _("The request is on its way to the cloud. You may close this page.")


def _unknown(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message, is_clear=False)
    return _("No clear answer from the cloud. It may exist."), _(
        "%(because)s Don't create it again: we are looking for it in the cloud's list. You may close this page."
    ) % {"because": because}


def _undecided(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message, is_clear=False)
    if len(creation.candidates) == 1:
        return _("A person must decide"), _(
            "%(because)s Whether this request made it cannot be proved, so an admin of the team must choose."
        ) % {"because": because}
    return _("A person must decide"), _(
        "%(because)s Which of them this request made cannot be proved, so an admin of the team must choose."
    ) % {"because": because}


def _failed(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message, is_clear=True)
    what_to_do = refusal_remedy(creation)
    if creation.code or creation.cause.startswith("status_"):
        return _("The cloud refused it"), said(because, _("Nothing was created."), what_to_do)
    title = _("Not created: the cloud could not be reached")
    return title, said(because, attempts_made(creation), what_to_do)


def attempts_made(work: Creation | Deletion) -> str:
    """What may be said of the attempts of work that was not carried out. "Nothing was sent" is for none at all."""
    if not work.attempts:
        return _("Nothing was sent.")
    return ngettext(
        "It was tried %(count)d time, and not carried out.",
        "It was tried %(count)d times, and none was carried out.",
        work.attempts,
    ) % {"count": work.attempts}


def _refused(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message)
    what_to_do = remedy(creation.cause, creation.code)
    if (
        creation.evidence == Evidence.LISTED
    ):  # what is there may be this very request's, by an earlier attempt
        return _("Refused: the name is taken"), said(because, what_to_do)
    if not creation.attempts:
        return _("Refused: nothing was sent"), said(because, what_to_do)
    return _("Refused: nothing was created"), said(because, attempts_made(creation), what_to_do)


def _not_created(creation: Creation) -> tuple[str, str]:
    if creation.evidence == Evidence.HUMAN:
        return _("Not created"), _(
            "A person decided that this request made none of the clusters. You can try again."
        )
    return _("Not created"), _(
        "The cloud refuses requests signed this long ago, and its list does not have this cluster: "
        "it was not made and cannot be any more. You can try again."
    )


def _cancelled(creation: Creation) -> tuple[str, str]:
    if creation.attempts:
        return _("Withdrawn"), said(_("It was withdrawn before it was sent again."), attempts_made(creation))
    return _("Withdrawn"), _("It was withdrawn before anything was sent.")


_WORDS = {
    State.CREATED: _created,
    State.QUEUED: _queued,
    State.SENDING: _sending,
    State.UNKNOWN: _unknown,
    State.NEEDS_ATTENTION: _undecided,
    State.FAILED: _failed,
    State.REFUSED: _refused,
    State.NOT_CREATED: _not_created,
    State.CANCELLED: _cancelled,
}


def deletion_verdict(deletion: Deletion) -> Verdict:
    """How a deletion stands, as a person should read it."""
    state = DeletionState(deletion.state)
    is_clear = False if state == DeletionState.UNKNOWN else None
    because = cause_of(deletion.cause, deletion.code, deletion.message, is_clear=is_clear)
    if state == DeletionState.QUEUED:
        return Verdict(
            "wait", _("Waiting to be deleted"), because or _("It is recorded, and nothing was sent yet.")
        )
    if state == DeletionState.SENDING:
        return Verdict("wait", _("Being deleted"), _("The request is on its way to the cloud."))
    if state == DeletionState.UNKNOWN:
        looking = _("It is not sent again: we are looking whether the cluster is still there.")
        return Verdict("wait", _("No clear answer from the cloud. It may be gone."), said(because, looking))
    if state == DeletionState.DELETED:
        return Verdict("good", _("Deleted"), _("The cloud does not have this cluster any more."))
    if state == DeletionState.REFUSED:
        title = _("Not deleted") if deletion.attempts else _("Not deleted: nothing was sent")
        return Verdict("bad", title, said(because, attempts_made(deletion) if deletion.attempts else ""))
    return Verdict("bad", _("Not deleted"), said(because, refusal_remedy(deletion)))


def refusal(refused: CreationRefused) -> str:
    """Why something was not accepted. Every such sentence says that nothing was sent."""
    if isinstance(refused, AgainstRules):
        return rule_broken(refused.team, refused.fields[0])
    if isinstance(refused, QuotaReached) and refused.team:
        return ngettext(
            "This team may have %(quota)d cluster, and has it. Nothing was sent.",
            "This team may have %(quota)d clusters, and has or is making as many. Nothing was sent.",
            refused.quota,
        ) % {"quota": refused.quota}
    if isinstance(refused, QuotaReached):
        return ngettext(
            "This project may have %(quota)d cluster, and has it. Nothing was sent.",
            "This project may have %(quota)d clusters, and has or is making as many. Nothing was sent.",
            refused.quota,
        ) % {"quota": refused.quota}
    if isinstance(refused, Blocked):
        because = cause_of(refused.project.blocked_cause, refused.project.blocked_code)
        return _(
            "Calls to the cloud are stopped for this project at the moment. %(because)s Nothing was sent."
        ) % {"because": because}
    return str(REFUSALS[type(refused)])


def rule_broken(team: Team, field: str) -> str:
    """Which rule of the team a creation breaks, by the form's field. Says that nothing was sent."""
    facts = {"team": team.name, "pattern": team.name_pattern, "types": ", ".join(team.allowed_types)}
    texts = {
        "name": _("%(team)s gives its clusters names like %(pattern)s. Nothing was sent."),
        "type": _("%(team)s allows only %(types)s. Nothing was sent."),
        "reason": _("%(team)s asks for a reason. Nothing was sent."),
    }
    return texts[field] % facts


REFUSALS: dict[type[CreationRefused], Text] = {
    NameUnresolved: gettext_lazy(
        "A creation of this name is not settled yet in this project. Nothing was sent: wait for its outcome."
    ),
    NameTaken: gettext_lazy(
        "A cluster of this name is already there in this project. Nothing was sent: use another name."
    ),
    TokenUsed: gettext_lazy("This form was already used for another creation. Nothing more was sent."),
    TooMany: gettext_lazy(
        "You have asked for more creations than one person may within a minute. Nothing was sent: wait a little."
    ),
    InvalidValues: gettext_lazy("One of the values cannot be sent. Nothing was sent."),
    WrongName: gettext_lazy("This is not the cluster's name. Nothing was sent."),
    AlreadyGone: gettext_lazy("The cloud does not have this cluster any more. Nothing was sent."),
    DeletionOpen: gettext_lazy("This cluster is being deleted already. Nothing more was sent."),
}


def name_trouble(name: str) -> str:
    """What is wrong with a name, or nothing."""
    rest = _("A name has 1 to 64 letters (A–Z, a–z), digits, “-”, “_” or “.”.")
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    wrong = [(position, character) for position, character in enumerate(name, 1) if character not in allowed]
    if wrong:
        position, character = wrong[0]
        where = {"position": position, "what": _visible(character), "rest": rest}
        return _("%(what)s at position %(position)d cannot be in a name. %(rest)s") % where
    if len(name) > 64:
        too_many = len(name) - 64
        length = ngettext(
            "This is %(count)d character too long.", "This is %(count)d characters too long.", too_many
        ) % {"count": too_many}
        return said(length, rest)
    return rest if not name else ""


def subnet_trouble(subnet_id: str) -> str:
    """What is wrong with a subnet ID."""
    if subnet_id.strip() != subnet_id:
        return _("There is a space or a line break around the subnet ID. Remove it.")
    if subnet_id.lower() != subnet_id:
        return _("A subnet ID has no capital letters.")
    return _(
        "This is not a subnet ID of a hyper cluster. It has 32 digits and letters a–f in the form "
        "8-4-4-4-12, of UUID version 1 to 5."
    )


def _visible(character: str) -> str:
    named: dict[str, Any] = {
        " ": _("A space"),
        "\n": _("A line break"),
        "\r": _("A line break"),
        "\t": _("A tab"),
    }
    if character in named:
        return str(named[character])
    return f"“{character}”" if character.isprintable() else f"U+{ord(character):04X}"
