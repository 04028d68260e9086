"""Events as sentences: who did it stands before, what it was done to in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Evidence
from hyperclusters.clusters.models.requested_read import Diagnosis
from hyperclusters.web.texts.access import REFUSALS as ACCESS_REFUSALS
from hyperclusters.web.texts.approvals import OBJECTIONS
from hyperclusters.web.texts.causes import CAUSES, cause_of
from hyperclusters.web.texts.follow_ups import FOLLOW_UP_REFUSALS
from hyperclusters.web.texts.refusals import REFUSALS

SLUG = re.compile(r"[a-z][a-z0-9_]*")
MARK = "%(what)s"
SENTENCES: dict[str, str | Promise] = {
    EventType.SIGNED_IN: _("signed in"),
    EventType.SIGN_IN_FAILED: _("tried to sign in"),
    EventType.SIGNED_OUT: _("signed out"),
    EventType.SIGN_IN_LOCKED: _("was locked out of signing in for a while"),
    EventType.SECOND_STEP_FAILED: _("failed the second step of signing in"),
    EventType.CONFIRMED: _("confirmed their identity"),
    EventType.CONFIRM_FAILED: _("failed to confirm their identity"),
    EventType.SESSION_ENDED: _("ended a session on another device"),
    EventType.SESSIONS_ENDED: _("signed out on all devices"),
    EventType.PASSWORD_CHANGED: _("changed a password"),
    EventType.PASSWORD_RESET_ASKED: _("requested a password reset"),
    EventType.PASSWORD_RESET: _("set a new password by a link"),
    EventType.FACTOR_ADDED: _("added a second factor for %(what)s"),
    EventType.FACTOR_REMOVED: _("removed a second factor of %(what)s"),
    EventType.RECOVERY_CODES_MADE: _("created recovery codes for %(what)s"),
    EventType.COMPANY_LINKED: _("linked a company account to %(what)s"),
    EventType.COMPANY_UNLINKED: _("unlinked the company account of %(what)s"),
    EventType.GROUPS_NOT_STATED: _("signed in, but the company's provider stated no groups"),
    EventType.TOKEN_CREATED: _("created the API token %(what)s"),
    EventType.TOKEN_REVOKED: _("revoked the API token %(what)s"),
    EventType.TOKEN_REJECTED: _("used an API token that was rejected: %(what)s"),
    EventType.SERVICE_ADDED: _("added the service identity %(what)s"),
    EventType.SERVICE_REMOVED: _("removed the service identity %(what)s"),
    EventType.TARGET_ADDED: _("added the chat %(what)s for messages"),
    EventType.TARGET_CHANGED: _("changed the chat %(what)s for messages"),
    EventType.TARGET_REMOVED: _("removed the chat %(what)s for messages"),
    EventType.TARGET_TESTED: _("sent a test message to the chat %(what)s"),
    EventType.MESSAGE_GIVEN_UP: _("Messages to the chat %(what)s did not arrive"),
    EventType.PERSON_ADDED: _("added the person %(what)s"),
    EventType.PERSON_CHANGED: _("changed the details of %(what)s"),
    EventType.TEAM_ADDED: _("added the team %(what)s"),
    EventType.GRANT_ADDED: _("gave access to %(what)s"),
    EventType.GRANT_ENDED: _("ended the access of %(what)s"),
    EventType.GRANT_CHANGED: _("changed the access of %(what)s"),
    EventType.GRANT_EXTENDED: _("changed the end date of %(what)s's access"),
    EventType.GRANT_REFUSED: _("tried to change the access of %(what)s"),
    EventType.ACCESS_ASKED: _("requested access"),
    EventType.ACCESS_APPROVED: _("approved the access request of %(what)s"),
    EventType.ACCESS_DECLINED: _("declined the access request of %(what)s"),
    EventType.ACCESS_WITHDRAWN: _("withdrew the access request of %(what)s"),
    EventType.INVITED: _("invited %(what)s"),
    EventType.INVITATION_ACCEPTED: _("accepted the invitation for %(what)s"),
    EventType.INVITATION_WITHDRAWN: _("withdrew the invitation of %(what)s"),
    EventType.ACCESS_REVIEWED: _("reviewed the access to %(what)s"),
    EventType.REVIEW_OPENED: _("opened an access review of %(what)s"),
    EventType.REVIEW_REMINDED: _("Access review of %(what)s: admins reminded"),
    EventType.REVIEW_COMPLETED: _("completed the access review of %(what)s"),
    EventType.REVIEW_CANCELLED: _("cancelled the access review of %(what)s"),
    EventType.ACCESS_EXPORTED: _("exported the access list of %(what)s"),
    EventType.TEAM_CHANGED: _("changed the rules of %(what)s"),
    EventType.TEAM_UNLED: _("%(what)s is about to lose its last admin"),
    EventType.PERSON_DEACTIVATED: _("deactivated %(what)s"),
    EventType.PERSON_REACTIVATED: _("reactivated %(what)s"),
    EventType.ACCESS_DENIED: _("tried to open %(what)s"),
    EventType.AUDIT_READ: _("read %(what)s"),
    EventType.AUDIT_EXPORTED: _("exported the audit as %(what)s"),
    EventType.AUDIT_BROKEN: _("The integrity check found tampering"),
    EventType.AUDIT_MENDED: _("The integrity check finds the audit intact again"),
    EventType.AUDIT_ACKNOWLEDGED: _("acknowledged findings of the integrity check"),
    EventType.AUDIT_CHECK_REQUESTED: _("requested a verification of the whole audit"),
    EventType.AUDIT_RESTORED: _("restored the database from a backup"),
    EventType.AUDIT_KEY_ACTIVATED: _("activated the audit key %(what)s"),
    EventType.REPORT_CREATED: _("created the monthly report %(what)s"),
    EventType.AUDIT_ARCHIVED: _("moved older events to the archive %(what)s"),
    EventType.ARCHIVE_CHECK_REQUESTED: _("requested a verification of the archive %(what)s"),
    EventType.ARCHIVE_CHECKED: _("verified the archive %(what)s"),
    EventType.ALERTS_CHANGED: _("changed the alerts of the audit"),
    EventType.ALERTS_TESTED: _("sent a test of the audit's alerts"),
    EventType.DENIALS_BURST: _("Many denials in a short time: %(what)s"),
    EventType.CLOCK_WRONG: _("The clock of %(what)s is wrong"),
    EventType.PUSH_LATE: _("Events are not reaching %(what)s"),
    EventType.PUSH_REFUSED: _("%(what)s refused an event"),
    EventType.PROJECT_CONNECTED: _("connected the project %(what)s"),
    EventType.PROJECT_CHANGED: _("changed the project %(what)s"),
    EventType.PROJECT_KEY_REPLACED: _("replaced the key of %(what)s"),
    EventType.PROJECT_KEY_RESEALED: _("re-encrypted the key of %(what)s"),
    EventType.PROJECT_TEST_ASKED: _("started a connection test of %(what)s"),
    EventType.PROJECT_RETIRED: _("retired the project %(what)s"),
    EventType.PROJECT_RESTORED: _("brought back the project %(what)s"),
    EventType.PROJECT_RETIRE_REFUSED: _("tried to retire the project %(what)s"),
    EventType.PROJECTS_ASKED: _("asked the cloud for the projects of a key"),
    EventType.PROJECTS_ANSWERED: _("listed the projects of a key"),
    EventType.PROJECT_TESTED: _("tested the connection of %(what)s"),
    EventType.PROJECT_BLOCKED: _("Paused the cloud calls of %(what)s"),
    EventType.PROJECT_UNBLOCKED: _("Resumed the cloud calls of %(what)s"),
    EventType.CLOCK_CORRECTED: _("The clock of %(what)s differs from the cloud's"),
    EventType.CREATE_REQUESTED: _("requested the cluster %(what)s"),
    EventType.CREATE_REFUSED: _("tried to create %(what)s"),
    EventType.CREATE_DENIED: _("tried to create %(what)s"),
    EventType.CREATE_DELAYED: _("has to wait for the creation of %(what)s"),
    EventType.CREATE_APPROVAL_NEEDED: _("needs approval to create %(what)s"),
    EventType.CREATE_APPROVED: _("approved the creation of %(what)s"),
    EventType.CREATE_DECLINED: _("declined the creation of %(what)s"),
    EventType.CREATE_APPROVAL_REFUSED: _("tried to decide on the approval of %(what)s"),
    EventType.CREATE_SENDING: _("is creating %(what)s"),
    EventType.CREATE_NOT_SENT: _("tried to create %(what)s, which was not sent"),
    EventType.CREATE_SUCCEEDED: _("created %(what)s"),
    EventType.CREATE_FAILED: _("tried to create %(what)s"),
    EventType.CREATE_UNKNOWN: _("may have created %(what)s"),
    EventType.CREATE_LOOK_ASKED: _("checked the cloud for %(what)s"),
    EventType.CREATE_SIGHTED: _("may have created %(what)s: the cloud lists a cluster that may be it"),
    EventType.CREATE_UNDECIDED: _("may have created %(what)s: somebody must decide"),
    EventType.CREATE_DECIDED: _("decided what became of %(what)s"),
    EventType.CREATE_ABSENT: _("tried to create %(what)s"),
    EventType.CREATE_WITHDRAWN: _("withdrew the creation of %(what)s"),
    EventType.CREATE_CONFIRMED: _("tried to create %(what)s: later evidence confirms the outcome"),
    EventType.CREATE_CONTRADICTED: _("tried to create %(what)s: later evidence contradicts the outcome"),
    EventType.CREATE_OVERDUE: _("still waits for %(what)s after 30 minutes"),
    EventType.DELETE_REQUESTED: _("requested the deletion of %(what)s"),
    EventType.DELETE_REFUSED: _("tried to delete %(what)s"),
    EventType.DELETE_DENIED: _("tried to delete %(what)s"),
    EventType.DELETE_DELAYED: _("has to wait for the deletion of %(what)s"),
    EventType.DELETE_SENDING: _("is deleting %(what)s"),
    EventType.DELETE_NOT_SENT: _("tried to delete %(what)s, which was not sent"),
    EventType.DELETE_SUCCEEDED: _("deleted %(what)s"),
    EventType.DELETE_FAILED: _("tried to delete %(what)s"),
    EventType.DELETE_UNKNOWN: _("may have deleted %(what)s"),
    EventType.DELETE_CONTRADICTED: _("deleted %(what)s: the cloud lists it again"),
    EventType.DELETE_OVERDUE: _("still waits for the deletion of %(what)s after 30 minutes"),
    EventType.CREATE_REVIEWED: _("reviewed the creation of %(what)s"),
    EventType.CREATE_FLAGGED: _("asked for a follow-up on %(what)s"),
    EventType.FOLLOW_UP_OPENED: _("opened a follow-up on %(what)s"),
    EventType.FOLLOW_UP_ANSWERED: _("replied to the follow-up on %(what)s"),
    EventType.FOLLOW_UP_REASSIGNED: _("assigned the follow-up on %(what)s to somebody else"),
    EventType.FOLLOW_UP_RESCHEDULED: _("changed the due date of the follow-up on %(what)s"),
    EventType.FOLLOW_UP_CLOSED: _("closed the follow-up on %(what)s"),
    EventType.FOLLOW_UP_REFUSED: _("tried to change a follow-up on %(what)s"),
    EventType.CLUSTER_CLAIMED: _("named an owner for %(what)s, created elsewhere"),
    EventType.CLUSTER_ACCEPTED: _("accepted %(what)s, created elsewhere"),
    EventType.OWNER_CHANGED: _("changed the owner of %(what)s"),
    EventType.OWNER_REFUSED: _("tried to change the owner of %(what)s"),
    EventType.LOCKED: _("locked %(what)s"),
    EventType.UNLOCKED: _("unlocked %(what)s"),
    EventType.LOCK_REFUSED: _("tried to change the lock of %(what)s"),
    EventType.CAPACITY_ASKED: _("requested a capacity check of %(what)s"),
    EventType.CAPACITY_ANSWERED: _("checked the capacity of %(what)s"),
    EventType.TRACES_ASKED: _("asked CTS about %(what)s"),
    EventType.TRACES_ANSWERED: _("read the CTS traces of %(what)s"),
    EventType.CLUSTER_SEEN_OUTSIDE: _("%(what)s was created elsewhere"),
    EventType.CLUSTER_GONE: _("%(what)s is gone from the cloud"),
    EventType.CLUSTER_BACK: _("%(what)s is back in the cloud"),
    EventType.CLUSTER_CHANGED: _("%(what)s changed in the cloud"),
    EventType.CREATIONS_EXPORTED: _("downloaded the list of creations"),
    EventType.CLUSTERS_EXPORTED: _("exported the list of clusters"),
    EventType.LIST_REFRESH_ASKED: _("refreshed the list of clusters"),
    EventType.LIST_FAILED: _("Could not list %(what)s"),
    EventType.LIST_RECOVERED: _("Listed again: %(what)s"),
    EventType.LIST_SUSPECT: _("The cluster list of %(what)s was suddenly empty"),
}
PAGES: dict[str, str | Promise] = {
    "list": _("the audit"),
    "event": _("one event"),
    "archive": _("archived events"),
    "review": _("the review queue"),
    "report": _("a monthly report"),
    "api": _("the audit by the API"),
}
# What a visit names beside the audit's own filters, and the parts of the review queue.
READ_FIELDS: dict[str, str | Promise] = {"seq": _("Event"), "month": _("Month"), "show": _("Part")}
QUEUE_PARTS: dict[str, str | Promise] = {
    "new": _("To review"),
    "follow-up": pgettext_lazy("part of the queue", "Follow-up"),
    "outside": _("Created elsewhere"),
    "open": _("No outcome yet"),
}
# Words of outcomes that say what was done, where "Done" would say nothing.
RESULTS: dict[str, str | Promise] = {
    EventType.CREATE_SUCCEEDED: _("Created"),
    EventType.CREATE_ABSENT: _("Not created"),
    EventType.DELETE_SUCCEEDED: _("Deleted"),
    EventType.ACCESS_ASKED: _("Requested"),
    EventType.AUDIT_BROKEN: _("Tampering found"),
}
SOURCES: dict[str, str | Promise] = {
    "page": _("Somebody"),
    "api": _("API client"),
    "worker": _("System"),
    "command": _("Command line"),
}


# The steps of signing in, as allauth names them.
SIGN_IN_STEPS: dict[str, str | Promise] = {
    "password": _("Password"),
    "totp": _("Authenticator app"),
    "recovery_codes": _("Recovery code"),
    "webauthn": _("Passkey"),
    "socialaccount": _("Company account"),
}
# Sources on the page of one event, where the person stands beside it.
ORIGINS: dict[str, str | Promise] = SOURCES | {"page": _("Web page"), "worker": _("Worker")}


@cache
def sentence_parts(action: str, _language: str) -> tuple[str, str] | None:
    """What stands before and after the object; None for an action that this release does not know."""
    if action not in SENTENCES:
        return None
    before, mark, after = str(SENTENCES[action]).partition(MARK)
    return before, after if mark else ""


@cache
def names_object(action: str, _language: str) -> bool:
    """Whether the sentence has a place for the object."""
    return MARK in str(SENTENCES.get(action, ""))


# Words of the ledger's slugs of evidence beside the cloud's causes.
EVIDENCE: dict[str, str | Promise] = {
    "csrf": _("The form was too old or came from another site."),
    "repeated": _("Repetitions, counted as one event."),
    "address_taken": _("The e-mail address belongs to another person."),
    "address_unusable": _(
        "The e-mail address can't be used here. It needs ASCII letters, and the xn-- form of an international domain."
    ),
    "no_reason": _("A reason is missing."),
    **OBJECTIONS,
    "in_use": _("Clusters or operations without an outcome are in the project."),
    "not_a_candidate": _("The chosen cluster is not one of the candidates."),
}


@cache
def evidence_words(_language: str) -> dict[str, str]:
    """What each slug of evidence says. A refusal of ours has the sentence that its person read."""
    sources: tuple[Iterable[tuple[str, str | Promise]], ...] = (
        ((each.cause, words) for each, words in REFUSALS.items()),
        ((str(cause), words) for cause, words in ACCESS_REFUSALS.items()),
        ((str(cause), words) for cause, words in FOLLOW_UP_REFUSALS.items()),
        Diagnosis.choices,
        CAUSES.items(),
        Evidence.choices,
        EVIDENCE.items(),
    )
    return {slug: str(words) for pairs in sources for slug, words in pairs}


def evidence_text(evidence: str, language: str) -> str:
    """The evidence of an event as a sentence; text that is no slug stays as it is."""
    words = evidence_words(language).get(evidence) or cause_of(
        evidence if SLUG.fullmatch(evidence) else "", ""
    )
    return words or evidence
