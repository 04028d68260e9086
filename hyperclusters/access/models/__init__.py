"""People, teams, grants, requests, invitations, and the mails about them."""

from .access_request import AccessRequest, RequestState
from .grant import SITE_ROLES, TEAM_ROLES, Grant, Role
from .invitation import Invitation
from .outgoing_mail import OutgoingMail
from .person import User
from .team import Team

__all__ = [
    "SITE_ROLES",
    "TEAM_ROLES",
    "AccessRequest",
    "Grant",
    "Invitation",
    "OutgoingMail",
    "RequestState",
    "Role",
    "Team",
    "User",
]
