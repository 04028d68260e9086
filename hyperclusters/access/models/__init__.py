"""People, teams, grants, and how grants come about: requests and invitations."""

from .grant import SITE_ROLES, TEAM_ROLES, Grant, Role
from .invitation import Invitation
from .person import User
from .request import AccessRequest, RequestState
from .team import Team

__all__ = [
    "SITE_ROLES",
    "TEAM_ROLES",
    "AccessRequest",
    "Grant",
    "Invitation",
    "RequestState",
    "Role",
    "Team",
    "User",
]
