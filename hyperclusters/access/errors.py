"""Why a change of access was not made. Nothing has changed then."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """A slug for the sentence that people read, and for the ledger."""

    ONESELF = "oneself"  # nobody gives to themselves, decides their own request, or keeps their own access
    ABOVE = "above_own_role"
    SERVICE = "service_identity"  # beyond its team, above creator, or an act that only a person does
    LAST_ADMIN = "last_admin"  # of a team, or of the platform
    OPEN_ENDED = "open_ended"  # the team's grants must end
    TOO_LONG = "too_long"  # longer than the team allows
    PAST = "past"
    NO_REASON = "no_reason"
    HELD = "held"  # the person has that much already
    NOT_HELD = "not_held"  # the grant has ended meanwhile
    DECIDED = "decided"  # the request has been decided or withdrawn meanwhile
    ASKED = "asked"  # a request for this team waits already
    INACTIVE = "inactive"  # the person is deactivated
    USED = "used"  # the invitation was accepted, withdrawn, or has expired
    WRONG_PERSON = "wrong_person"  # the invitation is for another address
    INVITER = "inviter"  # who invited may not give this any more


class ChangeRefused(Exception):
    """Not done, for a reason that is not who asks: `cause` says which, `about` the team or person it is about."""

    def __init__(self, cause: Cause, about: str = "") -> None:
        super().__init__(f"refused: {cause} {about}".rstrip())
        self.cause = cause
        self.about = about
