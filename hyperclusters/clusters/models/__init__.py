"""Projects, the inventory, creations and deletions."""

from .connection import ConnectionTest, Diagnosis
from .counter import CallCounter, RequestCounter, TimedCounter
from .creation import EVIDENCE_RANK, UNRESOLVED, Creation, Evidence, State
from .deletion import Deletion, DeletionState
from .inquiry import Inquiry, InquiryKind
from .inventory import Cluster, ClusterListing, Network
from .operation import Operation
from .project import Heartbeat, KeyKind, Project
from .review import Judgement, Review

__all__ = [
    "EVIDENCE_RANK",
    "UNRESOLVED",
    "CallCounter",
    "Cluster",
    "ClusterListing",
    "ConnectionTest",
    "Creation",
    "Deletion",
    "DeletionState",
    "Diagnosis",
    "Evidence",
    "Heartbeat",
    "Inquiry",
    "InquiryKind",
    "Judgement",
    "KeyKind",
    "Network",
    "Operation",
    "Project",
    "RequestCounter",
    "Review",
    "State",
    "TimedCounter",
]
