"""Why a request for a creation or deletion was not accepted. Nothing was sent then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from hyperclusters.access.models import Team
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import Cluster, Creation, Deletion, Project


class CreationRefused(Exception):
    """Not accepted, and nothing was sent. `cause` is a slug for the sentence that people read."""

    cause = "refused"

    def as_audit_json(self) -> dict[str, Any]:
        """The refusal, as the ledger stores it."""
        return {"cause": self.cause}


class InvalidValues(CreationRefused):
    """A value breaks the vendor's grammar."""

    cause = "invalid"

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(f"invalid: {', '.join(errors)}")
        self.errors = errors

    def as_audit_json(self) -> dict[str, Any]:
        return {"cause": self.cause, "errors": self.errors}


class NameUnresolved(CreationRefused):
    """A creation of this name is still open in this project."""

    cause = "name_unresolved"

    def __init__(self, creation: Creation) -> None:
        super().__init__(f"creation {creation.pk} of this name is {creation.state}")
        self.creation = creation

    def as_audit_json(self) -> dict[str, Any]:
        return {"cause": self.cause, "creation": str(self.creation.pk)}


class NameTaken(CreationRefused):
    """A live cluster in this project has this name."""

    cause = "name_taken"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(f"cluster {cluster.cluster_id} has this name")
        self.cluster = cluster

    def as_audit_json(self) -> dict[str, Any]:
        return {"cause": self.cause, "cluster_id": self.cluster.cluster_id}


class QuotaReached(CreationRefused):
    """The project, or its team, has as many clusters and open creations as it may have."""

    cause = "quota"

    def __init__(self, quota: int, team: Team | None = None) -> None:
        super().__init__(f"all {quota} are used")
        self.quota = quota
        self.team = team  # if it is the team's quota

    def as_audit_json(self) -> dict[str, Any]:
        return {"cause": self.cause, "quota": self.quota, "of": "team" if self.team else "project"}


class AgainstRules(CreationRefused):
    """The team's rules forbid this creation. `fields` are the names of the form's fields that break them."""

    cause = "team_rules"

    def __init__(self, team: Team, fields: list[str]) -> None:
        super().__init__(f"against the rules of {team.name}: {', '.join(fields)}")
        self.team = team
        self.fields = fields

    def as_audit_json(self) -> dict[str, Any]:
        return {"cause": self.cause, "fields": self.fields}


class TooMany(CreationRefused):
    """The person has requested as many creations as allowed within a minute."""

    cause = "too_many"


class Blocked(CreationRefused):
    """Calls to the cloud are stopped for this project."""

    cause = "blocked"

    def __init__(self, project: Project) -> None:
        super().__init__(f"stopped until {project.blocked_until}: {project.blocked_cause}")
        self.project = project

    def as_audit_json(self) -> dict[str, Any]:
        return {"cause": self.cause, "because": self.project.blocked_cause, "code": self.project.blocked_code}


class ProjectRetired(CreationRefused):
    """The project is retired: nothing is created in it."""

    cause = "project_retired"


class TokenUsed(CreationRefused):
    """The form's one-time token has already created something, with other values or by another person."""

    cause = "token_used"

    def __init__(self, creation: Creation | None) -> None:
        super().__init__("this form was already used")
        self.creation = creation


class WrongName(CreationRefused):
    """The name typed to confirm a deletion is not the cluster's."""

    cause = "wrong_name_typed"


class OverrideUnexplained(CreationRefused):
    """A deletion that overrides what is inside has no reason."""

    cause = "override_unexplained"


class AlreadyGone(CreationRefused):
    """The cluster is no longer in the cloud."""

    cause = "already_gone"


class NotReported(CreationRefused):
    """ModelArts doesn't report this for a cluster of this type."""

    cause = "not_reported"


class TracesOff(CreationRefused):
    """The project's settings don't allow asking CTS, or the cluster was created here."""

    cause = "traces_off"


class TracesTooOld(CreationRefused):
    """CTS keeps nothing of the time at which the cluster was first seen."""

    cause = "traces_too_old"


class DeletionOpen(CreationRefused):
    """The cluster is being deleted already."""

    cause = "deletion_open"

    def __init__(self, deletion: Deletion) -> None:
        super().__init__(f"deletion {deletion.pk} is {deletion.state}")
        self.deletion = deletion


class ClusterLocked(CreationRefused):
    """The cluster is locked: nobody may delete it, or lock it a second time."""

    cause = "locked"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(f"cluster {cluster.cluster_id} is locked by {cluster.locked_by}")
        self.cluster = cluster

    def as_audit_json(self) -> dict[str, Any]:
        return {"cause": self.cause} | self.cluster.lock_as_audit_json()


class NotLocked(CreationRefused):
    """The cluster is not locked."""

    cause = "not_locked"


class NotInTeam(CreationRefused):
    """The person named as the new owner has no access to the cluster's team, or no account."""

    cause = "not_in_team"

    def __init__(self, username: str, team: Team) -> None:
        super().__init__(f"{username} has no access to {team.name}")
        self.username = username
        self.team = team


class OwnerAlready(CreationRefused):
    """The person owns the cluster already."""

    cause = "owner_already"


class ReasonRequired(CreationRefused):
    """A hand-over, a lock and a declined approval need a reason."""

    cause = "no_reason"


class ApprovalRefused(CreationRefused):
    """This person may not approve or decline this creation. The cause says why: it is their own, or their service
    identity's."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class NotACandidate(CreationRefused):
    """The chosen cluster is not a candidate, or another creation made it."""

    cause = "not_a_candidate"


class FollowUpCause(StrEnum):
    """Why a follow-up was not changed: a slug for the sentence that people read, and for the ledger."""

    NO_TEXT = "follow_up_no_text"
    TOO_LONG = "follow_up_too_long"
    NO_ACCESS = "follow_up_no_access"  # the person cannot see the team's creations, or does not exist
    SAME = "follow_up_same"  # the person or the day is that already
    PAST = "follow_up_past"
    TOO_LATE = "follow_up_too_late"
    CHANGED = "follow_up_changed"  # since the form was drawn
    CLOSED = "follow_up_closed"
    NOT_YOURS = "follow_up_not_yours"  # it was assigned to somebody else meanwhile
    OWN_ANSWER = "follow_up_own_answer"  # nobody closes what they answer, or have answered
    NOBODY_CLOSES = "follow_up_nobody_closes"  # no auditor is left who may close it
    USED = "follow_up_form_used"  # the form's token has recorded something else


class FollowUpRefused(CreationRefused):
    """A follow-up was not opened or changed."""

    def __init__(self, cause: FollowUpCause) -> None:
        super().__init__(f"refused: {cause}")
        self.cause = cause


@contextmanager
def record_refusal(*, denial_event: EventType, refusal_event: EventType, **facts: Any) -> Iterator[None]:
    """Record the refusal of what is requested inside, after its transaction was rolled back."""
    try:
        yield
    except NotPermitted as denial:
        cause = "not_permitted"
        record(denial_event, Outcome.DENIED, response={"cause": cause}, evidence=cause, **facts)
        denial.is_noted = True
        raise
    except CreationRefused as refusal:
        record(
            refusal_event, Outcome.REFUSED, response=refusal.as_audit_json(), evidence=refusal.cause, **facts
        )
        raise
