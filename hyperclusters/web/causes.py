"""What went wrong with a call to the cloud, in words: what happened, what to do, who can help."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
        "The cloud has the cluster whose ID it answered with, but in another network than was asked for."
    ),
    "other_type": gettext_lazy("The cloud has the cluster of this ID, but under the other type."),
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
    told = ""
    for sentence in filter(None, sentences):
        told = _("%(first)s %(second)s") % {"first": told, "second": sentence} if told else sentence
    return told


def cause_of(cause: str, code: str, message: str = "", *, is_clear: bool | None = None) -> str:
    """What went wrong, in a sentence: by the cloud's code if it is known, else by what happened on the way.

    A code that is not known is shown as it came, with the cloud's own words. `is_clear`: whether the answer proves what
    became of the request; a known code means what it says only then. None: as the status says.
    """
    words = f"{code}: {message}" if code and message else code or message
    status = cause.removeprefix("status_") if cause.startswith("status_") else ""
    if is_clear is None:
        is_clear = not status or status[0] == "4"
    if code and not is_clear:
        return _unclear(cause, status, words)
    if code in CODES:
        return str(CODES[code])
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
    return str(REMEDIES.get(code) or REMEDIES.get(cause) or "")
