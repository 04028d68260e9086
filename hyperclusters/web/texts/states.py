"""The state of a creation or a deletion in words: what happened, whether anything was sent, what to do, who can help."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.clusters.models import Creation, Deletion, DeletionState, Evidence, State
from hyperclusters.modelarts import meaning_of
from hyperclusters.web.texts.approvals import declined_text, waiting_status
from hyperclusters.web.texts.causes import (
    ABOUT_CREATING,
    CAUSES,
    LASTING_CAUSES,
    LASTING_CODES,
    REMEDIES,
    cause_of,
    is_about_request,
    join_sentences,
    list_refused_text,
    refusal_remedy,
    remedy,
)
from hyperclusters.web.texts.inside import names_text
from hyperclusters.web.texts.ownership import lock_text

# How a state looks: which of the five kinds of badge, and its icon.
KINDS: dict[str, str] = {
    State.REFUSED: "warn",
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
class StatusText:
    """The state of a creation in words: the sentence, what it means for the person, and its looks."""

    kind: str
    title: str
    text: str


def creation_status(creation: Creation) -> StatusText:
    """The creation's state as a person should read it."""
    words = _contradicted_status if creation.conflict_at else _WORDS[State(creation.state)]
    title, text = words(creation)
    return StatusText(KINDS[creation.state], title, text)


def failure_text(creation: Creation) -> str:
    """Why a creation made no cluster, in one sentence or two."""
    if decline := declined_text(creation):
        return decline
    if creation.state in (State.FAILED, State.REFUSED) and (cause := _cause(creation)):
        return cause
    return creation_status(creation).text


def may_repeat(creation: Creation) -> bool:
    """Whether the same request may succeed another time, with nothing else changed."""
    if creation.state not in (State.FAILED, State.REFUSED) or _is_list_refused(creation):
        return True
    return meaning_of(creation.code) not in LASTING_CODES and creation.cause not in LASTING_CAUSES


def _cause(creation: Creation) -> str:
    """Why a creation failed or was refused."""
    if _is_list_refused(creation):
        return list_refused_text()
    is_clear = True if creation.state == State.FAILED else None
    return cause_of(creation.cause, creation.code, creation.message, is_clear=is_clear)


def _is_list_refused(creation: Creation) -> bool:
    """Whether the code is of the list that is checked first, and would mean something else for a creation."""
    return creation.state == State.REFUSED and is_about_request(creation.code)


def _created_status(creation: Creation) -> tuple[str, str]:
    how = {
        Evidence.REPLY: _("The cloud confirmed it in its answer."),
        Evidence.LISTED: _(
            "We got no clear answer, but the cluster is in the cloud: this request created it."
        ),
        Evidence.HUMAN: _("A person decided which of the cloud's clusters is this one."),
    }
    odd = str(CAUSES["odd_id"]) if creation.cause == "odd_id" else ""
    return _("Created"), join_sentences(how.get(Evidence(creation.evidence), ""), odd)


def _queued_status(creation: Creation) -> tuple[str, str]:
    if creation.waits_for_approval:
        return waiting_status(creation)
    if not creation.cause:
        return _("Waiting to be sent"), _("The request is logged and not sent yet. You may close this page.")
    because = cause_of(creation.cause, creation.code, creation.message)
    return _("Waiting to be tried again"), _(
        "%(because)s Nothing was created. We will try again automatically."
    ) % {"because": because}


def _sending_status(creation: Creation) -> tuple[str, str]:
    return _("Being created"), _("The request is on its way to the cloud. You may close this page.")


def _unknown_status(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message, is_clear=False)
    return _("No clear answer from the cloud. The cluster may exist."), _(
        "%(because)s Don't create it again: we are looking for it in the cloud's list. You may close this page."
    ) % {"because": because}


def _undecided_status(creation: Creation) -> tuple[str, str]:
    because = cause_of(creation.cause, creation.code, creation.message, is_clear=False)
    if len(creation.candidates) == 1:
        return _("A person must decide"), _(
            "%(because)s We can't prove that this request created it, so a team admin must choose."
        ) % {"because": because}
    if not creation.candidates:
        return _("A person must decide"), _(
            "%(because)s We know no cluster that it may have created, so a team admin must choose: the cloud's console may show one."
        ) % {"because": because}
    return _("A person must decide"), _(
        "%(because)s We can't prove which of them this request created, so a team admin must choose."
    ) % {"because": because}


def _failed_status(creation: Creation) -> tuple[str, str]:
    because, what_to_do = _cause(creation), refusal_remedy(creation)
    if creation.code or creation.cause.startswith("status_"):
        return _("Failed: the cloud refused the request"), join_sentences(
            because, _("Nothing was created."), what_to_do
        )
    title = _("Failed: the cloud could not be reached")
    return title, join_sentences(because, attempts_made(creation), what_to_do)


def _contradicted_status(creation: Creation) -> tuple[str, str]:
    """Later evidence stands against the verdict: what the verdict alone would say is not said any more."""
    if creation.state == State.CREATED:
        title, text = _created_status(creation)
        return title, join_sentences(
            text, _("Later evidence contradicts this: see below, and tell operations.")
        )
    because = "" if creation.state == State.NOT_CREATED else _cause(creation)
    return _("It may exist after all"), join_sentences(
        because,
        _(
            "The cloud named or listed a cluster that this request may have created: see below, and tell operations. Don't create it again before they have looked."
        ),
    )


def attempts_made(work: Creation | Deletion) -> str:
    """What may be said of the attempts of work that was not carried out. "Nothing was sent" is for none at all."""
    if not work.attempts:
        return _("Nothing was sent.")
    return ngettext(
        "It was tried %(count)d time, and not carried out.",
        "It was tried %(count)d times, and none was carried out.",
        work.attempts,
    ) % {"count": work.attempts}


def _refused_status(creation: Creation) -> tuple[str, str]:
    because = declined_text(creation) or _cause(creation)
    what_to_do = (
        _("Try again later.") if _is_list_refused(creation) else remedy(creation.cause, creation.code)
    )
    if (
        creation.evidence == Evidence.LISTED
    ):  # what is there may be this very request's, by an earlier attempt
        return _("Refused: the name is taken"), join_sentences(because, what_to_do)
    if not creation.attempts:
        return _("Refused: nothing was sent"), join_sentences(because, what_to_do)
    return _("Refused: nothing was created"), join_sentences(because, attempts_made(creation), what_to_do)


def _not_created(creation: Creation) -> tuple[str, str]:
    if creation.evidence == Evidence.HUMAN:
        return _("Not created"), _(
            "A person decided that this request created none of the clusters. You can try again."
        )
    return _("Not created"), _(
        "The request has expired, and the cloud's list does not have this cluster: it was not created. You can try again."
    )


def _cancelled_status(creation: Creation) -> tuple[str, str]:
    return _("Withdrawn"), attempts_made(creation)


_WORDS = {
    State.CREATED: _created_status,
    State.QUEUED: _queued_status,
    State.SENDING: _sending_status,
    State.UNKNOWN: _unknown_status,
    State.NEEDS_ATTENTION: _undecided_status,
    State.FAILED: _failed_status,
    State.REFUSED: _refused_status,
    State.NOT_CREATED: _not_created,
    State.CANCELLED: _cancelled_status,
}


def _deletion_cause(deletion: Deletion, *, is_clear: bool | None) -> str:
    """What stands in the way: whose lock, what is inside, or why that could not be read."""
    if deletion.locked_by:
        return join_sentences(lock_text(deletion), str(REMEDIES["locked"]))
    if deletion.blockers and deletion.cause == "not_empty":
        names = _("Inside: %(names)s.") % {"names": names_text(deletion.blockers, deletion.blockers_total)}
        return join_sentences(cause_of(deletion.cause, ""), names)
    if meaning_of(deletion.code) in ABOUT_CREATING:
        is_clear = False  # the cloud's words are quoted: what the code means to a creation is no cause here
    if deletion.cause != "inside_unchecked":
        return cause_of(deletion.cause, deletion.code, deletion.message, is_clear=is_clear)
    why = deletion.inside_failure_cause
    because = (
        cause_of(why, deletion.code, deletion.message, is_clear=is_clear) if why or deletion.code else ""
    )
    return join_sentences(cause_of(deletion.cause, ""), because)


def _deleted_status(deletion: Deletion) -> StatusText:
    """That the cluster is gone, unless the cloud lists it again."""
    if not deletion.is_contradicted:
        return StatusText("good", _("Deleted"), _("The cloud does not have this cluster any more."))
    text = _(
        "The cloud said that this cluster was gone, and has listed it since. Look in the cloud's console, then delete it again, or ask Huawei support."
    )
    return StatusText("warn", _("Deleted here, but the cloud lists it again"), text)


def deletion_status(deletion: Deletion) -> StatusText:
    """How a deletion stands, as a person should read it."""
    state = DeletionState(deletion.state)
    is_clear = False if state == DeletionState.UNKNOWN else None
    because = _deletion_cause(deletion, is_clear=is_clear)
    if state == DeletionState.QUEUED:
        return StatusText(
            "wait", _("Waiting to be deleted"), because or _("It is recorded, and nothing was sent yet.")
        )
    if state == DeletionState.SENDING:
        return StatusText("wait", _("Being deleted"), _("The request is on its way to the cloud."))
    if state == DeletionState.UNKNOWN:
        next_step = _("It is not sent again: we are looking whether the cluster is still there.")
        return StatusText(
            "wait", _("No clear answer from the cloud. It may be gone."), join_sentences(because, next_step)
        )
    if state == DeletionState.DELETED:
        return _deleted_status(deletion)
    if state == DeletionState.REFUSED:
        if deletion.cause == "database_restored":
            title = _("Not sent after a restore. The cluster may be gone.")
        else:
            title = _("Not deleted") if deletion.attempts else _("Not deleted: nothing was sent")
        attempts = attempts_made(deletion) if deletion.attempts else ""
        return StatusText("bad", title, join_sentences(because, attempts, remedy(deletion.cause, "")))
    return _failed_deletion_status(deletion, because)


def _failed_deletion_status(deletion: Deletion, because: str) -> StatusText:
    """Why nothing was deleted, unless the cluster is gone by now."""
    if not deletion.cluster.gone_at:
        return StatusText("bad", _("Not deleted"), join_sentences(because, refusal_remedy(deletion)))
    text = _("The cloud did not say that it deleted the cluster. Its list no longer has it.")
    return StatusText("idle", _("Not deleted by this request, but gone since"), text)
