"""Projects, the inventory, creations and deletions."""

from .counter import CallCounter, RequestCounter, TimedCounter
from .creation import EVIDENCE_RANK, UNRESOLVED_STATES, Approval, Creation, Evidence, State
from .deletion import Deletion, DeletionState
from .follow_up import EntryKind, FollowUp, FollowUpEntry
from .inventory import Cluster, ClusterListing, Network
from .operation import Operation
from .project import Heartbeat, KeyKind, Project
from .report import MonthlyReport
from .requested_read import ConnectionTest, Diagnosis, Inquiry, InquiryKind, ProjectLookup
from .review import Judgement, Review

__all__ = [
    "EVIDENCE_RANK",
    "UNRESOLVED_STATES",
    "Approval",
    "CallCounter",
    "Cluster",
    "ClusterListing",
    "ConnectionTest",
    "Creation",
    "Deletion",
    "DeletionState",
    "Diagnosis",
    "EntryKind",
    "Evidence",
    "FollowUp",
    "FollowUpEntry",
    "Heartbeat",
    "Inquiry",
    "InquiryKind",
    "Judgement",
    "KeyKind",
    "MonthlyReport",
    "Network",
    "Operation",
    "Project",
    "ProjectLookup",
    "RequestCounter",
    "Review",
    "State",
    "TimedCounter",
]
