"""Projects, the inventory, creations and deletions."""

from .connection import CallTally, ConnectionTest, Diagnosis
from .creation import EVIDENCE_RANK, UNRESOLVED, Creation, Evidence, State
from .deletion import Deletion, DeletionState
from .inventory import Cluster, Network, Source
from .operation import Operation
from .project import Heartbeat, KeyKind, Project
from .review import Judgement, Review

__all__ = [
    "EVIDENCE_RANK",
    "UNRESOLVED",
    "CallTally",
    "Cluster",
    "ConnectionTest",
    "Creation",
    "Deletion",
    "DeletionState",
    "Diagnosis",
    "Evidence",
    "Heartbeat",
    "Judgement",
    "KeyKind",
    "Network",
    "Operation",
    "Project",
    "Review",
    "Source",
    "State",
]
