"""People, teams, grants, requests, reviews, invitations, and the mails and messages about them."""

from .access_request import AccessRequest, Invitation, RequestState
from .access_review import AccessReview, Decision, GrantReview, ReviewState
from .grant import SITE_ROLES, TEAM_ROLES, Grant, Role
from .notification import Message, MessageKind, MessageState, NotificationTarget, OutgoingMail, Service
from .person import User
from .team import Team

__all__ = [
    "SITE_ROLES",
    "TEAM_ROLES",
    "AccessRequest",
    "AccessReview",
    "Decision",
    "Grant",
    "GrantReview",
    "Invitation",
    "Message",
    "MessageKind",
    "MessageState",
    "NotificationTarget",
    "OutgoingMail",
    "RequestState",
    "ReviewState",
    "Role",
    "Service",
    "Team",
    "User",
]
