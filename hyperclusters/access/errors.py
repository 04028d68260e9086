"""Why a change of access was refused. Nothing has changed then."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """A slug for the sentence that people read, and for the ledger."""

    ONESELF = "oneself"  # nobody grants to themselves, decides their own request, or keeps their own access
    ABOVE = "above_own_role"
    SERVICE = "service_identity"  # beyond its team, above creator, or an act that only a person does
    LAST_ADMIN = "last_admin"  # of a team, or of the platform
    OPEN_ENDED = "open_ended"  # the team's grants must end
    TOO_LONG = "too_long"  # longer than the team allows
    PAST = "past"
    NO_REASON = "no_reason"
    HELD = "held"  # the person has this already
    NOT_HELD = "not_held"  # the grant has ended meanwhile
    DECIDED = "decided"  # the request has been decided or withdrawn meanwhile
    ASKED = "asked"  # a request for this team waits already
    INACTIVE = "inactive"  # the person is deactivated
    USED = "used"  # the invitation was accepted, withdrawn, or has expired
    WRONG_PERSON = "wrong_person"  # the invitation is for another address
    REVIEW_OPEN = "review_open"  # the team has an open access review already
    REVIEW_CLOSED = "review_closed"  # the access review was completed or cancelled meanwhile
    REVIEW_CHANGED = "review_changed"  # a grant or its decision changed since the form was shown
    REVIEW_UNDECIDED = "review_undecided"  # an admin can still decide about a grant of it
    INVITER = "inviter"  # the person who invited may no longer grant this


class ChangeRefused(Exception):
    """Refused for another reason than the person's permission: `cause` names it, `about` the team or person."""

    def __init__(self, cause: Cause, about: str = "") -> None:
        super().__init__(f"refused: {cause} {about}".rstrip())
        self.cause = cause
        self.about = about
