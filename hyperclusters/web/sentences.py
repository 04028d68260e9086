"""The one table of words: what happened, whether anything was sent, what to do, who can help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hyperclusters.clusters.models import Creation, Evidence, State
from hyperclusters.clusters.refusals import (
    Blocked,
    InvalidValues,
    NameTaken,
    NameUnresolved,
    QuotaReached,
    Refused,
    TokenUsed,
)

Text = str | Promise

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

# What went wrong on the way to the cloud or back, by the slug that the client or a service gives.
CAUSES: dict[str, Text] = {
    "connect_error": gettext_lazy(
        "The cloud could not be reached: the connection was refused or cut before anything was sent."
    ),
    "connect_timeout": gettext_lazy("The cloud could not be reached: connecting took too long."),
    "dns_error": gettext_lazy(
        "The cloud could not be reached: the name of its endpoint could not be looked up."
    ),
    "dns_timeout": gettext_lazy(
        "The cloud could not be reached: looking up the name of its endpoint took too long."
    ),
    "tls_error": gettext_lazy(
        "The cloud could not be reached: no trusted encrypted connection could be made."
    ),
    "tls_timeout": gettext_lazy(
        "The cloud could not be reached: the encrypted connection took too long to set up."
    ),
    "pool_timeout": gettext_lazy("Too many calls were under way at once, so this one was not begun."),
    "request_error": gettext_lazy("The request could not be put together, so it was not sent."),
    "deadline": gettext_lazy("The cloud did not answer in time."),
    "read_error": gettext_lazy("The connection broke before the answer was complete."),
    "write_error": gettext_lazy("The connection broke while the request was being sent."),
    "protocol_error": gettext_lazy("The connection was closed without a proper answer."),
    "content_encoding": gettext_lazy(
        "The cloud's answer was packed in a way we did not ask for, so it was not read."
    ),
    "too_large": gettext_lazy(
        "The cloud's answer was far larger than it can rightly be, so it was not read."
    ),
    "unexpected": gettext_lazy("The call to the cloud ended in an unexpected way."),
    "bad_json": gettext_lazy("The cloud's answer could not be read."),
    "bad_shape": gettext_lazy("The cloud's answer did not have the documented form."),
    "bad_list": gettext_lazy("The cloud's list did not have the documented form."),
    "bad_row": gettext_lazy("The cloud's list had a row that could not be read, so none of it was used."),
    "bad_id": gettext_lazy("The cloud's answer held no usable cluster ID."),
    "bad_name": gettext_lazy("The cloud's answer held no usable name."),
    "wrong_name": gettext_lazy("The cloud answered with a cluster of another name."),
    "wrong_id": gettext_lazy("The cloud answered with another cluster."),
    "error_code": gettext_lazy("The cloud said that it succeeded and gave an error code in the same answer."),
    "sender_lost": gettext_lazy(
        "The process that was sending it stopped before it could write down an answer."
    ),
    "sender_crashed": gettext_lazy("The dashboard failed while it was waiting for the answer."),
    "known_id": gettext_lazy("The cloud answered with the ID of a cluster that was there before."),
    "several_candidates": gettext_lazy("Several new clusters of this name came up."),
    "not_permitted": gettext_lazy(
        "The person who asked was not permitted to create here any more when its turn came."
    ),
    "unreadable_credentials": gettext_lazy(
        "The project's credentials cannot be decrypted with the keys of this installation."
    ),
    "odd_id": gettext_lazy("Its ID does not look as the vendor documents it; it is kept as it came."),
}

# The cloud's error codes that are known. Unknown ones are shown as they came.
CODES: dict[str, Text] = {
    "APIGW.0301": gettext_lazy("The cloud does not accept the project's access key or its signature."),
    "APIGW.0303": gettext_lazy("The cloud's clock and ours are more than 15 minutes apart."),
    "APIGW.0302": gettext_lazy("The project's access key is not permitted to make this call."),
    "APIGW.0304": gettext_lazy("The project's access key is not permitted to make this call."),
    "APIGW.0306": gettext_lazy("The project's access key is not permitted to make this call."),
    "APIGW.0308": gettext_lazy("The cloud is being called too often."),
    "APIGW.0101": gettext_lazy("The cloud knows no such call at this endpoint."),
    "APIGW.0103": gettext_lazy("The cloud knows no such call at this endpoint."),
    "APIGW.0104": gettext_lazy("The cloud knows no such call at this endpoint."),
    "APIGW.0105": gettext_lazy("The cloud knows no such call at this endpoint."),
    "APIGW.0106": gettext_lazy("The cloud knows no such call at this endpoint."),
    "APIGW.0201": gettext_lazy("The cloud's gateway did not accept the request."),
    "ModelArts.0103": gettext_lazy("The cloud already has a cluster of this name."),
    "ModelArts.6301": gettext_lazy("The cloud already has a cluster of this name."),
    "ModelArts.0104": gettext_lazy("The cloud did not accept one of the values."),
    "ModelArts.6400": gettext_lazy("The cloud did not accept one of the values."),
    "ModelArts.50004000": gettext_lazy("The cloud did not accept one of the values."),
    "ModelArts.0106": gettext_lazy("The cloud's own quota is used up."),
    "ModelArts.0113": gettext_lazy("The cloud's own quota is used up."),
    "ModelArts.0116": gettext_lazy("The cloud's own quota is used up."),
    "ModelArts.0118": gettext_lazy("The cloud's own quota is used up."),
    "ModelArts.6302": gettext_lazy("The cloud's own quota is used up."),
    "ModelArts.6407": gettext_lazy("The project's access key is not permitted to do this."),
    "ModelArts.0102": gettext_lazy("The cloud did not find something that the request names."),
    "ModelArts.6309": gettext_lazy("The cloud did not find something that the request names."),
    "ModelArts.6357": gettext_lazy("The cloud did not find something that the request names."),
    "ModelArts.6404": gettext_lazy("The cloud did not find something that the request names."),
}

# What to do about it, and who can: for codes that a person can act on.
REMEDIES: dict[str, Text] = {
    "APIGW.0301": gettext_lazy(
        "A platform admin must put the project's credentials right. Calls are stopped for 5 minutes, because the cloud locks a key after more than 5 bad signatures."
    ),
    "APIGW.0302": gettext_lazy("A platform admin can check what the access key is permitted to do."),
    "APIGW.0304": gettext_lazy("A platform admin can check what the access key is permitted to do."),
    "APIGW.0306": gettext_lazy("A platform admin can check what the access key is permitted to do."),
    "ModelArts.6407": gettext_lazy("A platform admin can check what the access key is permitted to do."),
    "APIGW.0308": gettext_lazy("Try again in a minute."),
    "APIGW.0101": gettext_lazy("A platform admin can check the project's endpoint."),
    "ModelArts.0103": gettext_lazy("Use another name, or the cluster that is there."),
    "ModelArts.6301": gettext_lazy("Use another name, or the cluster that is there."),
    "ModelArts.0106": gettext_lazy(
        "A platform admin can ask the vendor for a larger quota, or somebody can delete a cluster that is not needed."
    ),
    "ModelArts.6302": gettext_lazy(
        "A platform admin can ask the vendor for a larger quota, or somebody can delete a cluster that is not needed."
    ),
    "ModelArts.0104": gettext_lazy("Correct the value that the cloud names, and try again."),
    "ModelArts.6400": gettext_lazy("Correct the value that the cloud names, and try again."),
    "unreadable_credentials": gettext_lazy("A platform admin must give the project its credentials again."),
    "not_permitted": gettext_lazy("An admin of the team can give the access back; then try again."),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a creation in words: the sentence, what it means for the person, and its looks."""

    kind: str
    title: str
    text: str


def cause_of(cause: str, code: str, message: str = "") -> str:
    """What went wrong, in a sentence: by the cloud's code if it is known, else by what happened on the way.

    A code that is not known is shown as it came, with the cloud's own words.
    """
    said = f"{code}: {message}" if code and message else code or message
    if code in CODES:
        return str(CODES[code])
    if code:
        return _("The cloud answered: %(said)s") % {"said": said}
    if cause in CAUSES:
        return str(CAUSES[cause])
    if cause.startswith("status_"):
        return _("The cloud answered with the status %(status)s and no code.") % {
            "status": cause.removeprefix("status_")
        }
    return _("The cause is noted as “%(cause)s”.") % {"cause": cause} if cause else ""


def remedy(cause: str, code: str) -> str:
    """What to do and who can, or nothing."""
    return str(REMEDIES.get(code) or REMEDIES.get(cause) or "")


def verdict(creation: Creation) -> Verdict:
    """The creation's state as a person should read it."""
    title, text = _WORDS[State(creation.state)](creation)
    if creation.conflict_at:
        text += " " + _("Later evidence contradicts this: see below, and tell operations.")
    return Verdict(KINDS[creation.state], title, text.strip())


def _created(creation: Creation) -> tuple[str, str]:
    how = {
        Evidence.REPLY: _("The cloud confirmed it in its answer."),
        Evidence.LISTED: _("The answer got lost, but the cloud lists it: it was made by this request."),
        Evidence.HUMAN: _("A person decided which of the cloud's clusters is this one."),
    }
    odd = str(CAUSES["odd_id"]) if creation.cause == "odd_id" else ""
    return _("Created"), f"{how.get(Evidence(creation.evidence), '')} {odd}"


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
    because = cause_of(creation.cause, creation.code, creation.message)
    return _("No clear answer from the cloud. It may exist."), _(
        "%(because)s Don't create it again: we are looking for it in the cloud's list. You may close this page."
    ) % {"because": because}


def _undecided(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code)
    return _("A person must decide"), _(
        "%(because)s Which of them this request made cannot be proved, so an admin of the team must choose."
    ) % {"because": because}


def _failed(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message)
    if creation.evidence == Evidence.NOT_SENT:
        title = _("Not created: the cloud could not be reached")
        because = _("%(because)s It was tried %(count)d times, and nothing was sent.") % {
            "because": because,
            "count": creation.sends,
        }
        return title, f"{because} {remedy(creation.cause, creation.code)}"
    return _("The cloud refused it"), _("%(because)s Nothing was created. %(remedy)s") % {
        "because": because,
        "remedy": remedy(creation.cause, creation.code),
    }


def _refused(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message)
    return _("Refused: nothing was sent"), f"{because} {remedy(creation.cause, creation.code)}"


def _not_created(creation: Creation) -> tuple[str, str]:
    return _("Not created"), _(
        "The cloud refuses requests signed this long ago, and its list does not have this cluster: "
        "it was not made and cannot be any more. You can try again."
    )


def _cancelled(creation: Creation) -> tuple[str, str]:
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


def refusal(refused: Refused) -> str:
    """Why a form was not accepted. Every such sentence says that nothing was sent."""
    if isinstance(refused, NameUnresolved):
        return _(
            "A creation of this name is not settled yet in this project. Nothing was sent: wait for its outcome."
        )
    if isinstance(refused, NameTaken):
        return _(
            "A cluster of this name is already there in this project. Nothing was sent: use another name."
        )
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
    if isinstance(refused, TokenUsed):
        return _("This form was already used for another creation. Nothing was sent.")
    if isinstance(refused, InvalidValues):
        return _("One of the values cannot be sent. Nothing was sent.")
    raise AssertionError(f"no words for {type(refused)}")


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
        return f"{ngettext('This is %(count)d character too long.', 'This is %(count)d characters too long.', too_many) % {'count': too_many}} {rest}"
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
