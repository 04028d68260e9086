"""The closed vocabulary of the ledger: event types and outcomes. docs/events.md lists it."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class EventType(models.TextChoices):
    """What was done. Add new types here; never reuse a code for another meaning."""

    SIGNED_IN = "session:sign-in:succeeded", _("signed in")
    SIGN_IN_FAILED = "session:sign-in:failed", _("failed to sign in")
    SIGNED_OUT = "session:sign-out:succeeded", _("signed out")

    SIGN_IN_LOCKED = "session:sign-in:locked", _("locked out of signing in")
    SECOND_STEP_FAILED = "session:second-step:failed", _("failed the second step of signing in")
    CONFIRMED = "session:confirm:succeeded", _("confirmed who they are")
    CONFIRM_FAILED = "session:confirm:failed", _("failed to confirm who they are")
    SESSION_ENDED = "session:session:ended", _("ended a session elsewhere")
    SESSIONS_ENDED = "session:everywhere:ended", _("signed out everywhere")

    PASSWORD_CHANGED = "access:password:changed", _("password changed")
    PASSWORD_RESET_ASKED = "access:password:reset-asked", _("password reset requested")
    PASSWORD_RESET = "access:password:reset", _("password set by a link")
    FACTOR_ADDED = "access:factor:added", _("second factor added")
    FACTOR_REMOVED = "access:factor:removed", _("second factor removed")
    RECOVERY_CODES_MADE = "access:recovery-codes:made", _("recovery codes made")
    COMPANY_LINKED = "access:company-account:linked", _("company account linked")
    COMPANY_UNLINKED = "access:company-account:unlinked", _("company account unlinked")
    GROUPS_NOT_STATED = "access:groups:not-stated", _("groups not stated by the company's provider")

    TOKEN_CREATED = "access:token:created", _("API token created")
    TOKEN_REVOKED = "access:token:revoked", _("API token revoked")
    TOKEN_REJECTED = "access:token:rejected", _("API token rejected")
    SERVICE_ADDED = "access:service:added", _("service identity added")
    SERVICE_REMOVED = "access:service:removed", _("service identity removed")

    PERSON_ADDED = "access:person:added", _("person added")
    PERSON_CHANGED = "access:person:changed", _("address or name of a person changed")
    TEAM_ADDED = "access:team:added", _("team added")
    GRANT_ADDED = "access:grant:added", _("access granted")
    GRANT_ENDED = "access:grant:ended", _("access ended")
    GRANT_CHANGED = "access:grant:changed", _("access changed")
    GRANT_EXTENDED = "access:grant:extended", _("end of access changed")
    GRANT_REFUSED = "access:grant:refused", _("change of access refused")
    ACCESS_ASKED = "access:request:asked", _("access requested")
    ACCESS_APPROVED = "access:request:approved", _("request for access approved")
    ACCESS_DECLINED = "access:request:declined", _("request for access declined")
    ACCESS_WITHDRAWN = "access:request:withdrawn", _("request for access withdrawn")
    INVITED = "access:invitation:sent", _("person invited")
    INVITATION_ACCEPTED = "access:invitation:accepted", _("invitation accepted")
    INVITATION_WITHDRAWN = "access:invitation:withdrawn", _("invitation withdrawn")
    ACCESS_REVIEWED = "access:team:reviewed", _("access reviewed")
    REVIEW_OPENED = "access:review:opened", _("access review opened")
    REVIEW_REMINDED = "access:review:reminded", _("admins reminded of an access review")
    REVIEW_COMPLETED = "access:review:completed", _("access review completed")
    REVIEW_CANCELLED = "access:review:cancelled", _("access review cancelled")
    ACCESS_EXPORTED = "access:team:exported", _("list of access exported")
    TEAM_CHANGED = "access:team:changed", _("rules of a team changed")
    TEAM_UNLED = "access:team:unled", _("team about to lose its last admin")
    PERSON_DEACTIVATED = "access:person:deactivated", _("person deactivated")
    PERSON_REACTIVATED = "access:person:reactivated", _("person activated again")
    ACCESS_DENIED = "access:page:denied", _("page denied")

    TARGET_ADDED = "access:message-target:added", _("chat for messages added")
    TARGET_CHANGED = "access:message-target:changed", _("chat for messages changed")
    TARGET_REMOVED = "access:message-target:removed", _("chat for messages removed")
    TARGET_TESTED = "access:message-target:tested", _("test message to a chat sent")
    MESSAGE_GIVEN_UP = "access:message:given-up", _("message to a chat not delivered")

    AUDIT_READ = "audit:read", _("audit read")
    AUDIT_EXPORTED = "audit:exported", _("audit exported")
    AUDIT_BROKEN = "audit:chain:broken", _("tampering with the audit found")
    AUDIT_MENDED = "audit:chain:intact", _("audit found intact again")
    AUDIT_ACKNOWLEDGED = "audit:finding:acknowledged", _("findings of a verification acknowledged")
    AUDIT_CHECK_REQUESTED = "audit:chain:check-requested", _("verification of the audit requested")
    AUDIT_RESTORED = "audit:restored", _("database restored from a backup")
    AUDIT_KEY_ACTIVATED = "audit:key:activated", _("another key of the audit activated")
    AUDIT_ARCHIVED = "audit:archived", _("older audit events moved to an archive")
    ARCHIVE_CHECK_REQUESTED = "audit:archive:check-requested", _("verification of an archive requested")
    ARCHIVE_CHECKED = "audit:archive:checked", _("archive verified")
    REPORT_CREATED = "audit:report:created", _("monthly report created")
    ALERTS_CHANGED = "audit:alerts:changed", _("alert thresholds or recipients changed")
    ALERTS_TESTED = "audit:alerts:tested", _("test of the alert mails sent")
    DENIALS_BURST = "audit:alert:denials", _("many denials in a short time")
    CLOCK_WRONG = "audit:clock:wrong", _("clock of a machine is wrong")

    PUSH_LATE = "audit:push:late", _("audit events not forwarded for too long")
    PUSH_REFUSED = "audit:push:refused", _("audit event refused by its receiver and set aside")

    PROJECT_CONNECTED = "project:connected", _("project connected")
    PROJECT_CHANGED = "project:changed", _("project changed")
    PROJECT_RETIRED = "project:retired", _("project retired")
    PROJECT_RESTORED = "project:restored", _("project restored")
    PROJECT_RETIRE_REFUSED = "project:retire:refused", _("retiring a project refused")
    PROJECT_KEY_REPLACED = "project:key:replaced", _("project's key replaced")
    PROJECT_KEY_RESEALED = "project:key:resealed", _("project's key encrypted anew")
    PROJECT_TEST_ASKED = "project:test:asked", _("connection test requested")
    PROJECT_TESTED = "project:test:ended", _("connection tested")
    PROJECTS_ASKED = "project:lookup:asked", _("projects of a key requested")
    PROJECTS_ANSWERED = "project:lookup:answered", _("projects of a key read from IAM")
    PROJECT_BLOCKED = "project:breaker:opened", _("cloud calls paused")
    PROJECT_UNBLOCKED = "project:breaker:closed", _("cloud calls active again")
    CLOCK_CORRECTED = "project:clock:corrected", _("clock difference to the cloud noted")

    CREATE_REQUESTED = "cluster:create:requested", _("creation requested")
    CREATE_REFUSED = "cluster:create:refused", _("creation refused (checks)")
    CREATE_DENIED = "cluster:create:denied", _("creation denied (no permission)")
    CREATE_DELAYED = "cluster:create:delayed", _("creation delayed")
    CREATE_APPROVAL_NEEDED = "cluster:create:approval-needed", _("approval of a creation needed")
    CREATE_APPROVED = "cluster:create:approved", _("creation approved")
    CREATE_DECLINED = "cluster:create:declined", _("approval of a creation declined")
    CREATE_APPROVAL_REFUSED = "cluster:create:approval-refused", _("decision on an approval refused")
    CREATE_SENDING = "cluster:create:sending", _("creation being sent")
    CREATE_NOT_SENT = "cluster:create:not-sent", _("creation not carried out")
    CREATE_SUCCEEDED = "cluster:create:succeeded", _("cluster created")
    CREATE_FAILED = "cluster:create:failed", _("creation failed")
    CREATE_UNKNOWN = "cluster:create:unknown", _("creation without a clear answer")
    CREATE_LOOK_ASKED = "cluster:create:look-asked", _("cloud check requested")
    CREATE_SIGHTED = "cluster:create:sighted", _("cluster listed that a creation may have made")
    CREATE_UNDECIDED = "cluster:create:needs-attention", _("creation needs a person's decision")
    CREATE_DECIDED = "cluster:create:decided", _("creation decided by a person")
    CREATE_ABSENT = "cluster:create:absent", _("cluster proved absent")
    CREATE_WITHDRAWN = "cluster:create:withdrawn", _("creation withdrawn")
    CREATE_CONFIRMED = "cluster:create:confirmed", _("outcome confirmed by later evidence")
    CREATE_CONTRADICTED = "cluster:create:contradicted", _("outcome contradicted by later evidence")
    CREATE_OVERDUE = "cluster:create:overdue", _("creation unresolved for too long")

    DELETE_REQUESTED = "cluster:delete:requested", _("deletion requested")
    DELETE_REFUSED = "cluster:delete:refused", _("deletion refused")
    DELETE_DENIED = "cluster:delete:denied", _("deletion denied")
    DELETE_DELAYED = "cluster:delete:delayed", _("deletion delayed")
    DELETE_SENDING = "cluster:delete:sending", _("deletion being sent")
    DELETE_NOT_SENT = "cluster:delete:not-sent", _("deletion not carried out")
    DELETE_SUCCEEDED = "cluster:delete:succeeded", _("cluster deleted")
    DELETE_FAILED = "cluster:delete:failed", _("deletion failed")
    DELETE_UNKNOWN = "cluster:delete:unknown", _("deletion without a clear answer")
    DELETE_CONTRADICTED = "cluster:delete:contradicted", _("deleted cluster listed again")
    DELETE_OVERDUE = "cluster:delete:overdue", _("deletion unresolved for too long")

    CREATE_REVIEWED = "cluster:create:reviewed", _("creation reviewed")
    CREATE_FLAGGED = "cluster:create:flagged", _("creation marked for follow-up")
    FOLLOW_UP_OPENED = "creation:follow-up:opened", _("follow-up opened")
    FOLLOW_UP_ANSWERED = "creation:follow-up:answered", _("follow-up answered")
    FOLLOW_UP_REASSIGNED = "creation:follow-up:reassigned", _("follow-up assigned to somebody else")
    FOLLOW_UP_RESCHEDULED = "creation:follow-up:rescheduled", _("due date of a follow-up changed")
    FOLLOW_UP_CLOSED = "creation:follow-up:closed", _("follow-up closed")
    FOLLOW_UP_REFUSED = "creation:follow-up:refused", _("change of a follow-up refused")

    CLUSTER_CLAIMED = "cluster:outside:claimed", _("owner named for a cluster created elsewhere")
    CLUSTER_ACCEPTED = "cluster:outside:accepted", _("cluster created elsewhere accepted")

    OWNER_CHANGED = "cluster:owner:changed", _("cluster handed over")
    OWNER_REFUSED = "cluster:owner:refused", _("hand-over of a cluster refused")
    LOCKED = "cluster:lock:set", _("cluster locked")
    UNLOCKED = "cluster:lock:removed", _("cluster unlocked")
    LOCK_REFUSED = "cluster:lock:refused", _("lock of a cluster not changed")

    CAPACITY_ASKED = "cluster:capacity:asked", _("capacity requested")
    CAPACITY_ANSWERED = "cluster:capacity:answered", _("capacity of a cluster read from the cloud")

    TRACES_ASKED = "cluster:traces:asked", _("CTS traces requested")
    TRACES_ANSWERED = "cluster:traces:answered", _("CTS traces of a cluster read")

    CLUSTER_SEEN_OUTSIDE = "cluster:seen:outside", _("cluster created elsewhere was found")
    CLUSTER_GONE = "cluster:seen:gone", _("cluster is gone from the cloud")
    CLUSTER_BACK = "cluster:seen:back", _("cluster is back in the cloud")
    CLUSTER_CHANGED = "cluster:seen:changed", _("cluster changed in the cloud")
    CLUSTERS_EXPORTED = "cluster:list:exported", _("list of clusters downloaded")
    LIST_REFRESH_ASKED = "cluster:list:refresh-asked", _("list refresh requested")
    LIST_FAILED = "cluster:list:failed", _("the cloud could not be listed")
    LIST_RECOVERED = "cluster:list:recovered", _("the cloud can be listed again")
    LIST_SUSPECT = "cluster:list:suspect", _("the cloud's list was suddenly empty")

    CREATIONS_EXPORTED = "creation:list:exported", _("list of creations downloaded")


class Outcome(models.TextChoices):
    """How it ended, as people filter by it."""

    DONE = "done", _("Done")
    ACCEPTED = "accepted", _("Accepted")  # recorded; its verdict is an event of its own
    REFUSED = "refused", _("Refused")  # not accepted for what was asked
    DENIED = "denied", _("Denied")  # not accepted for who asked
    FAILED = "failed", _("Failed")
    UNKNOWN = "unknown", _("Unknown")
    NOTED = "noted", _("Noted")  # an observation; nobody asked for anything


def actions() -> list[tuple[str, Any]]:
    """The choices of the ledger's column, by name, so that a migration has no copy of the vocabulary."""
    return EventType.choices
