"""What went wrong with a call to the cloud, in words: what happened, what to do, who can help."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.clusters.models import Deletion, Operation
from hyperclusters.modelarts import Meaning, meaning_of

Text = str | Promise

# What went wrong on the way to the cloud or back, by the slug that the client or a service gives.
CAUSES: dict[str, Text] = {
    "connect_error": gettext_lazy(
        "The cloud could not be reached: the connection was refused or cut before the request went out."
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
    "list_too_large": gettext_lazy(
        "The cloud's list is larger than this dashboard is set to read (UPSTREAM_LIST_MIB), so none of it was used."
    ),
    "unexpected": gettext_lazy("The call to the cloud ended in an unexpected way."),
    "bad_json": gettext_lazy("The cloud's answer could not be read."),
    "bad_shape": gettext_lazy("The cloud's answer did not have the documented form."),
    "bad_list": gettext_lazy("The cloud's list did not have the documented form."),
    "bad_row": gettext_lazy("The cloud's list had a row that could not be read, so none of it was used."),
    "contradicting_rows": gettext_lazy(
        "The cloud's list has one cluster twice, with different details, so none of it was used."
    ),
    "incomplete_list": gettext_lazy(
        "The cloud's list has fewer clusters than it says, so none of it was used."
    ),
    "bad_id": gettext_lazy("The cloud's answer held no usable cluster ID."),
    "bad_name": gettext_lazy("The cloud's answer held no usable name."),
    "wrong_name": gettext_lazy("The cloud answered with a cluster of another name."),
    "wrong_id": gettext_lazy("The cloud answered with another cluster."),
    "error_code": gettext_lazy("The cloud said that it succeeded and gave an error code in the same answer."),
    "sender_lost": gettext_lazy(
        "The process that was sending it stopped before it could write down an answer."
    ),
    "sender_crashed": gettext_lazy("The dashboard failed while it was waiting for the answer."),
    "name_taken": gettext_lazy("The project already has a cluster of this name."),
    "name_appeared": gettext_lazy(
        "The cloud's list has a cluster of this name that was not known when this was asked for. Somebody else made it, "
        "or an earlier attempt of this request did, such as one before the database was restored from a backup."
    ),
    "known_id": gettext_lazy("The cloud answered with the ID of a cluster that was there before."),
    "other_name": gettext_lazy(
        "The cloud has the cluster whose ID it answered with, but under another name than was asked for."
    ),
    "other_network": gettext_lazy(
        "The cloud has a cluster that fits, but in another network than was asked for."
    ),
    "other_type": gettext_lazy("The cloud has a cluster that fits, but under the other type."),
    "id_not_shown": gettext_lazy(
        "The cloud answered with the ID of a cluster, and could not be asked whether it has that cluster."
    ),
    "not_under_this_type": gettext_lazy(
        "The cloud has no such cluster under this type. The other type is checked before it counts as deleted."
    ),
    "still_there": gettext_lazy("The cluster is still there, and the request cannot be acted on any more."),
    "several_candidates": gettext_lazy("Several new clusters of this name came up."),
    "not_permitted": gettext_lazy("The person who asked is not permitted to do this here."),
    "right_lost": gettext_lazy(
        "The person who asked was not permitted to do this any more when its turn came."
    ),
    "team_rules": gettext_lazy("The team's rules do not allow it."),
    "rules_tightened": gettext_lazy("The team's rules had come to forbid it when its turn came."),
    "quota": gettext_lazy("The quota is used up."),
    "quota_lowered": gettext_lazy(
        "The quota had become smaller when its turn came, and others had taken it up."
    ),
    "unreadable_credentials": gettext_lazy(
        "The project's credentials cannot be decrypted with the keys of this installation."
    ),
    "key_ended": gettext_lazy("The project's temporary key has ended."),
    "metadata_off": gettext_lazy(
        "The project uses the machine's own key, but this process was not told where to ask for it."
    ),
    "metadata_unreachable": gettext_lazy(
        "The project uses the machine's own key, but the metadata service did not answer. Does this process run on a cloud machine?"
    ),
    "metadata_no_agency": gettext_lazy(
        "The project uses the machine's own key, but the metadata service has none: no agency is set on the machine."
    ),
    "metadata_refused": gettext_lazy("The metadata service refused to give the machine's key."),
    "metadata_unreadable": gettext_lazy("The metadata service's answer held no usable key."),
    "odd_id": gettext_lazy("Its ID does not look as the vendor documents it; it is kept as it came."),
}

# What the cloud's error codes mean. A code that is not known is shown as it came.
CODES: dict[Meaning, Text] = {
    Meaning.CREDENTIALS: gettext_lazy("The cloud does not accept the project's access key or its signature."),
    Meaning.CLOCK: gettext_lazy("The cloud's clock and ours are more than 15 minutes apart."),
    Meaning.DENIED: gettext_lazy("The project's access key is not permitted to make this call."),
    Meaning.THROTTLED: gettext_lazy("The cloud is being called too often."),
    Meaning.ENDPOINT: gettext_lazy("The cloud knows no such call at this endpoint."),
    Meaning.GATEWAY: gettext_lazy("The cloud's gateway did not accept the request."),
    Meaning.EXISTS: gettext_lazy("The cloud already has a cluster of this name."),
    Meaning.INVALID: gettext_lazy("The cloud did not accept one of the values."),
    Meaning.QUOTA: gettext_lazy("The cloud's own quota is used up."),
    Meaning.NOT_FOUND: gettext_lazy("The cloud did not find something that the request names."),
}

# What to do about it, and who can.
CODE_REMEDIES: dict[Meaning, Text] = {
    Meaning.CREDENTIALS: gettext_lazy(
        "A platform admin must put the project's credentials right. Calls are stopped for 5 minutes, because the cloud locks a key after more than 5 bad signatures."
    ),
    Meaning.CLOCK: gettext_lazy("An operator can set the clock of the worker's machine by a time server."),
    Meaning.DENIED: gettext_lazy("A platform admin can check what the access key is permitted to do."),
    Meaning.THROTTLED: gettext_lazy("Try again in a minute."),
    Meaning.ENDPOINT: gettext_lazy("A platform admin can check the project's endpoint."),
    Meaning.GATEWAY: gettext_lazy("Give the details for the vendor's support to Huawei Cloud."),
    Meaning.EXISTS: gettext_lazy("Use another name, or the cluster that is there."),
    Meaning.INVALID: gettext_lazy("Correct the value that the cloud names, and try again."),
    Meaning.QUOTA: gettext_lazy(
        "A platform admin can ask the vendor for a larger quota, or somebody can delete a cluster that is not needed."
    ),
    Meaning.NOT_FOUND: gettext_lazy(
        "Use a subnet ID that an existing cluster of this project shows, or none. A platform admin can check the project ID."
    ),
}
CREATE_REMEDY = gettext_lazy(
    "The vendor names three reasons: the access key lacks the permission, the project lacks the required resources, or a value is not valid. A platform admin can check the first two in the vendor's console."
)
DELETE_REMEDY = gettext_lazy(
    "If the cloud says that the cluster is in use, remove what uses it, then delete it again. Otherwise give the details for the vendor's support to Huawei Cloud."
)
REMEDIES: dict[str, Text] = {
    "list_too_large": gettext_lazy("An operator can raise UPSTREAM_LIST_MIB."),
    "unreadable_credentials": gettext_lazy("A platform admin must give the project its credentials again."),
    "team_rules": gettext_lazy("The team's page says what it allows; its admins can change that."),
    "rules_tightened": gettext_lazy("The team's page says what it allows; its admins can change that."),
    "quota": gettext_lazy("A platform admin can raise the quota."),
    "quota_lowered": gettext_lazy("A platform admin can raise the quota."),
    "key_ended": gettext_lazy("A platform admin must give the project a new key."),
    "metadata_off": gettext_lazy("A platform admin must give the project a key, or set METADATA_ENDPOINT."),
    "metadata_no_agency": gettext_lazy("A platform admin can set an agency on the machine."),
    "not_permitted": gettext_lazy("An admin of the team can give the access back; then try again."),
    "right_lost": gettext_lazy("An admin of the team can give the access back; then try again."),
}


def said(*sentences: str) -> str:
    """Sentences in a row. What stands between two is the language's own: Chinese has no space there."""
    texts = ""
    for sentence in filter(None, sentences):
        texts = _("%(first)s %(second)s") % {"first": texts, "second": sentence} if texts else sentence
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
        return _unclear(cause, status, words)
    if meaning := meaning_of(code):
        return str(CODES[meaning])
    if code:
        return _("The cloud answered: “%(words)s”.") % {"words": words}
    if cause in CAUSES:
        return str(CAUSES[cause])
    if status:
        return _("The cloud answered with the status %(status)s and no code.") % {"status": status}
    return _("The cause is noted as “%(cause)s”.") % {"cause": cause} if cause else ""


def _unclear(cause: str, status: str, words: str) -> str:
    """What came instead of a clear answer, with the cloud's own words: they are shown, and not interpreted."""
    if status:
        return _("The cloud answered with the status %(status)s: “%(words)s”.") % {
            "status": status,
            "words": words,
        }
    answered = _("The cloud answered: “%(words)s”.") % {"words": words}
    return said(str(CAUSES[cause]), answered) if cause in CAUSES else answered


def remedy(cause: str, code: str) -> str:
    """What to do and who can, or nothing."""
    meaning = meaning_of(code)
    return str((CODE_REMEDIES[meaning] if meaning else REMEDIES.get(cause)) or "")


def refusal_remedy(work: Operation) -> str:
    """What to do about a creation or deletion that failed. For a refusal of the cloud there is always something."""
    if not (work.code or work.cause.startswith("status_")):
        return remedy(work.cause, "")
    about_deletions = {None, Meaning.INVALID, Meaning.GATEWAY}
    if isinstance(work, Deletion) and meaning_of(work.code) in about_deletions:
        return remedy(work.cause, "") or str(DELETE_REMEDY)
    return remedy(work.cause, work.code) or str(CREATE_REMEDY)


def cloud_message(work: Operation) -> str:
    """What the cloud said, as it came; nothing where no answer came, for then the words are the network's."""
    answered = work.code or work.cause.startswith("status_") or work.cause == "bad_json"
    return work.message if answered else ""


def cloud_words(work: Operation) -> str:
    """The cloud's code and words, where our sentence does not quote them already."""
    message = cloud_message(work)
    quoted = not meaning_of(work.code) if work.code else work.cause.startswith("status_")
    return "" if quoted or not message else f"{work.code} {message}".strip()
