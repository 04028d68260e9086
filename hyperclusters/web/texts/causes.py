"""What went wrong with a call to the cloud, in words: what happened, what to do, who can help."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.clusters.models import Deletion, Operation
from hyperclusters.modelarts import CodeMeaning, meaning_of

Text = str | Promise

# What went wrong on the way to the cloud or back, by the slug that the client or a service gives.
CAUSES: dict[str, Text] = {
    "connect_error": _(
        "The cloud could not be reached: the connection was refused or cut before the request went out."
    ),
    "connect_timeout": _("The cloud could not be reached: connecting took too long."),
    "dns_error": _("The cloud could not be reached: the name of its endpoint could not be looked up."),
    "dns_timeout": _("The cloud could not be reached: looking up the name of its endpoint took too long."),
    "tls_error": _("The cloud could not be reached: no trusted encrypted connection could be made."),
    "tls_timeout": _("The cloud could not be reached: the encrypted connection took too long to set up."),
    "pool_timeout": _("Too many calls were under way at once, so this one was not started."),
    "request_error": _("The request could not be built, so it was not sent."),
    "deadline": _("The cloud did not answer in time."),
    "read_error": _("The connection broke before the answer was complete."),
    "write_error": _("The connection broke while the request was being sent."),
    "protocol_error": _("The connection was closed without a proper answer."),
    "content_encoding": _(
        "The cloud's answer was compressed in a way we did not request, so we did not read it."
    ),
    "too_large": _("The cloud's answer was far too large, so we did not read it."),
    "list_too_large": _(
        "The cloud's list is larger than this dashboard is set to read (UPSTREAM_LIST_MIB), so none of it was used."
    ),
    "unexpected": _("The call to the cloud ended in an unexpected way."),
    "bad_json": _("The cloud's answer could not be read."),
    "bad_shape": _("The cloud's answer did not have the documented form."),
    "bad_list": _("The cloud's list did not have the documented form."),
    "bad_row": _("The cloud's list had a row that could not be read, so none of it was used."),
    "contradicting_rows": _(
        "The cloud's list has one cluster twice, with different details, so none of it was used."
    ),
    "incomplete_list": _("The cloud's list has fewer clusters than it says, so none of it was used."),
    "no_references": _(
        "No row of the cloud's list has the field that names a cluster, so we can't tell what is inside."
    ),
    "bad_id": _("The cloud's answer held no usable cluster ID."),
    "bad_name": _("The cloud's answer held no usable name."),
    "wrong_name": _("The cloud answered with a cluster of another name."),
    "wrong_id": _("The cloud answered with another cluster."),
    "error_code": _("The cloud reported success and an error code in the same answer."),
    "sender_lost": _("The sending process stopped before it could record an answer."),
    "sender_crashed": _("The dashboard failed while it was waiting for the answer."),
    "project_retired": _("The project was retired before this was sent."),
    "name_taken": _("The project already has a cluster of this name."),
    "name_appeared": _(
        "The cloud's list has a cluster of this name that was not there when this was requested. Somebody else created it, or an earlier attempt of this request did, such as one before the database was restored from a backup."
    ),
    "known_id": _(
        "The cluster that the cloud named or listed was there before, or the cloud named it for another request."
    ),
    "other_name": _(
        "The cloud has the cluster whose ID it answered with, but under another name than requested."
    ),
    "other_spelling": _(
        "The cloud's list has a new cluster whose name differs from the requested one by case or blanks alone."
    ),
    "unread_answer": _(
        "The cloud accepted the request without naming a cluster that it lists, and its list has a new cluster of another name."
    ),
    "other_network": _("The cloud has a matching cluster, but in another network than requested."),
    "other_type": _("The cloud has a matching cluster, but of the other type."),
    "id_not_shown": _(
        "The cloud answered with the ID of a cluster, and could not be asked whether it has that cluster."
    ),
    "vanished": _("A new cluster of this name was in the cloud's list for a while and is no longer there."),
    "not_under_this_type": _(
        "The cloud has no such cluster under this type. The other type is checked before it counts as deleted."
    ),
    "absent_once": _("The first check did not find the cluster. A second check must confirm it."),
    "not_empty": _("ModelArts lists supernodes or groups inside the cluster."),
    "inside_unchecked": _("We couldn't check what is inside the cluster, so we didn't send the deletion."),
    "still_there": _("The cluster is still there, and the request cannot be acted on any more."),
    "database_restored": _(
        "The database was restored from a backup in which this request was still waiting, so it may have been sent since."
    ),
    "several_candidates": _("Several new clusters have this name."),
    "not_permitted": _("The requester has no permission to do this here."),
    "approval_needed": _("An admin of the team must approve it first."),
    "approver_lost": _("The approver was no longer an admin of the team when the request was due."),
    "declined": _("An admin of the team declined it."),
    "right_lost": _("The requester no longer had permission when the request was due."),
    "calls_stopped": _(
        "Calls to the cloud are stopped for this project, so nothing was sent. Try again later."
    ),
    "traces_off": _("The project's settings don't allow us to ask CTS, so nothing was sent."),
    "no_trace_service": _(
        "We don't know where CTS is for this project's endpoint, or the operator does not allow its host (UPSTREAM_HOSTS)."
    ),
    "iam_refused_key": _("IAM did not accept the key."),
    "no_iam_service": _(
        "We don't know where IAM is for this endpoint, or the operator does not allow its host (UPSTREAM_HOSTS)."
    ),
    "locked": _("The cluster is locked."),
    "owner_changed": _(
        "The requester neither owns the cluster nor is an admin of the team. Only its owner or an admin may delete it."
    ),
    "team_rules": _("The team's rules do not allow it."),
    "rules_tightened": _("The team's rules no longer allowed it when the request was due."),
    "quota": _("The quota is used up."),
    "quota_lowered": _("The quota had no room left when the request was due."),
    "unreadable_credentials": _(
        "The project's credentials cannot be decrypted with the keys of this installation."
    ),
    "key_ended": _("The project's temporary key has ended."),
    "metadata_off": _(
        "The project uses the machine's own key, but METADATA_ENDPOINT is not set for this process."
    ),
    "metadata_unreachable": _(
        "The project uses the machine's own key, but the metadata service did not answer. Does this process run on a cloud machine?"
    ),
    "metadata_no_agency": _(
        "The project uses the machine's own key, but the metadata service has none: no agency is set on the machine."
    ),
    "metadata_refused": _("The metadata service refused to give the machine's key."),
    "metadata_unreadable": _("The metadata service's answer held no usable key."),
    "odd_id": _("Its ID does not have the documented form. We keep it as it is."),
}

# Of these the words are the network's, not the cloud's.
NETWORK = {
    "connect_error",
    "dns_error",
    "tls_error",
    "request_error",
    "read_error",
    "write_error",
    "protocol_error",
}

# What the cloud's error codes mean. A code that is not known is shown as it came.
CODES: dict[CodeMeaning, Text] = {
    CodeMeaning.CREDENTIALS: _("The cloud does not accept the project's access key or its signature."),
    CodeMeaning.CLOCK: _("The cloud's clock and ours are more than 15 minutes apart."),
    CodeMeaning.DENIED: _("The project's access key is not permitted to make this call."),
    CodeMeaning.THROTTLED: _("The cloud is being called too often."),
    CodeMeaning.ENDPOINT: _("The cloud knows no such call at this endpoint."),
    CodeMeaning.GATEWAY: _("The cloud's gateway did not accept the request."),
    CodeMeaning.EXISTS: _("The cloud already has a cluster of this name."),
    CodeMeaning.INVALID: _("The cloud did not accept one of the values."),
    CodeMeaning.QUOTA: _("Huawei Cloud's quota is used up."),
    CodeMeaning.NOT_FOUND: _("The cloud did not find something that the request names."),
}
ABOUT_CREATING = {CodeMeaning.EXISTS, CodeMeaning.QUOTA}
ABOUT_REQUEST = {CodeMeaning.EXISTS, CodeMeaning.INVALID, CodeMeaning.QUOTA, CodeMeaning.NOT_FOUND}

# What to do about it, and who can.
CODE_REMEDIES: dict[CodeMeaning, Text] = {
    CodeMeaning.CREDENTIALS: _(
        "A platform admin must put the project's credentials right. Calls are paused for 5 minutes, because the cloud locks a key after more than 5 bad signatures."
    ),
    CodeMeaning.CLOCK: _("An operator can set the clock of the worker's machine by a time server."),
    CodeMeaning.DENIED: _("A platform admin can check what the access key is permitted to do."),
    CodeMeaning.THROTTLED: _("Try again in a minute."),
    CodeMeaning.ENDPOINT: _("A platform admin can check the project's endpoint."),
    CodeMeaning.GATEWAY: _("Give the details for the vendor's support to Huawei Cloud."),
    CodeMeaning.EXISTS: _("Use another name, or the cluster that is there."),
    CodeMeaning.INVALID: _("Check the name, the type and the subnet, then try again."),
    CodeMeaning.QUOTA: _(
        "A platform admin can ask the vendor for a larger quota, or somebody can delete a cluster that is not needed."
    ),
    CodeMeaning.NOT_FOUND: _(
        "Use a subnet ID that an existing cluster of this project shows, or none. A platform admin can check the project ID."
    ),
}
# Where the same request would end the same way, until something else has changed.
LASTING_CODES = {
    CodeMeaning.DENIED,
    CodeMeaning.EXISTS,
    CodeMeaning.INVALID,
    CodeMeaning.NOT_FOUND,
    CodeMeaning.QUOTA,
}
LASTING_CAUSES = {
    *("name_taken", "name_appeared", "not_permitted", "right_lost", "declined", "project_retired"),
    *("team_rules", "rules_tightened", "quota", "quota_lowered", "status_403"),
}
CREATE_REMEDY = _(
    "The vendor names three reasons: the access key lacks the permission, the project lacks the required resources, or a value is not valid. A platform admin can check the first two in the vendor's console."
)
DELETE_REMEDY = _(
    "If the cloud says that the cluster is in use, remove what uses it, then delete it again. Otherwise give the details for the vendor's support to Huawei Cloud."
)
REMEDIES: dict[str, Text] = {
    "list_too_large": _("An operator can raise UPSTREAM_LIST_MIB."),
    "unreadable_credentials": _("A platform admin must give the project its credentials again."),
    "team_rules": _("The team's page says what it allows; its admins can change that."),
    "rules_tightened": _("The team's page says what it allows; its admins can change that."),
    "quota": _("A platform admin can raise the quota."),
    "quota_lowered": _("A platform admin can raise the quota."),
    "database_restored": _("If the cluster is still there, request the deletion again."),
    "locked": _("An admin of the team can unlock it."),
    "key_ended": _("A platform admin must give the project a new key."),
    "metadata_off": _("A platform admin must give the project a key, or set METADATA_ENDPOINT."),
    "metadata_no_agency": _("A platform admin can set an agency on the machine."),
    "not_permitted": _("An admin of the team can give the access back; then try again."),
    "not_empty": _(
        "Remove what is inside, then delete the cluster again. An admin of the team can override this with a reason."
    ),
    "inside_unchecked": _("Try again later. An admin of the team can override this with a reason."),
    "right_lost": _("An admin of the team can give the access back; then try again."),
}


def join_sentences(*sentences: str) -> str:
    """Sentences in a row. What stands between two is the language's own: Chinese has no space there."""
    texts = ""
    for sentence in filter(None, sentences):
        texts = gettext("%(first)s %(second)s") % {"first": texts, "second": sentence} if texts else sentence
    return texts


def cause_of(cause: str, code: str, message: str = "", *, is_clear: bool | None = None) -> str:
    """What went wrong, in a sentence: by the cloud's code if it is known, else by what happened on the way.

    A code that is not known is shown as it came, with the cloud's own words. `is_clear`: whether the answer proves what
    became of the request; a known code means what it says only then. None: as the status says.
    """
    words = f"{code}: {message}" if code and message else code or message
    status = cause.removeprefix("status_") if cause.startswith("status_") else ""
    if is_clear is None:
        is_clear = not status or status[0] == "4"
    if words and (not is_clear or (status and not code)):
        return _unclear(cause, status, code, message)
    if meaning := meaning_of(code):
        return str(CODES[meaning])
    if code:
        return gettext("The cloud answered: “%(words)s”.") % {"words": words}
    if cause in CAUSES:
        return str(CAUSES[cause])
    if status:
        return gettext("The cloud answered HTTP %(status)s.") % {"status": status}
    return gettext("The cause is noted as “%(cause)s”.") % {"cause": cause} if cause else ""


def is_about_request(code: str) -> bool:
    """Whether the cloud's code speaks of what a creation asks for. In an answer to a list it can mean no such thing."""
    return meaning_of(code) in ABOUT_REQUEST


def list_refused_text() -> str:
    """Why a creation was refused before it was sent, where the cloud's code is about its list."""
    return gettext("The cloud refused to list its clusters, which we check before we send a creation.")


def _unclear(cause: str, status: str, code: str, message: str) -> str:
    """What came instead of a clear answer, with the cloud's own words: they are shown, and not interpreted."""
    words = ": ".join(filter(None, (code, message)))
    if status:
        text = gettext("The cloud answered HTTP %(status)s: “%(words)s”.")
        text = text if message else gettext("The cloud answered HTTP %(status)s (%(words)s).")
        return text % {"status": status, "words": words}
    if cause in NETWORK:
        return join_sentences(
            str(CAUSES[cause]), gettext("Details: “%(words)s”.") % {"words": words.rstrip(".")}
        )
    answer = gettext("The cloud answered: “%(words)s”.") % {"words": words}
    return join_sentences(str(CAUSES[cause]), answer) if cause in CAUSES else answer


def remedy(cause: str, code: str) -> str:
    """What to do and who can, or nothing."""
    meaning = meaning_of(code)
    return str((CODE_REMEDIES[meaning] if meaning else REMEDIES.get(cause)) or "")


def refusal_remedy(work: Operation) -> str:
    """What to do about a creation or deletion that failed. For a refusal of the cloud there is always something."""
    if not (work.code or work.cause.startswith("status_")):
        return remedy(work.cause, "")
    about_deletions = {None, CodeMeaning.INVALID, CodeMeaning.GATEWAY, *ABOUT_CREATING}
    if isinstance(work, Deletion) and meaning_of(work.code) in about_deletions:
        return remedy(work.cause, "") or str(DELETE_REMEDY)
    return remedy(work.cause, work.code) or str(CREATE_REMEDY)


def cloud_message(work: Operation) -> str:
    """What the cloud said, as it came; nothing where no answer came, for then the words are the network's."""
    has_answer = work.code or work.cause.startswith("status_") or work.cause == "bad_json"
    return work.message if has_answer else ""


def cloud_words(work: Operation) -> str:
    """The cloud's code and words, where our sentence does not quote them already."""
    message = cloud_message(work)
    is_quoted = not meaning_of(work.code) if work.code else work.cause.startswith("status_")
    return "" if is_quoted or not message else f"{work.code} {message}".strip()
