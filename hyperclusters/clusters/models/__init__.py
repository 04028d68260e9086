"""Projects, the inventory, creations and deletions."""

from .creation import EVIDENCE_RANK, UNRESOLVED, Creation, Evidence, State
from .deletion import Deletion, DeletionState
from .inventory import Cluster, Network, Source
from .project import Heartbeat, Project
from .review import Judgement, Review
from .work import Work

__all__ = [
    "EVIDENCE_RANK",
    "UNRESOLVED",
    "Cluster",
    "Creation",
    "Deletion",
    "DeletionState",
    "Evidence",
    "Heartbeat",
    "Judgement",
    "Network",
    "Project",
    "Review",
    "Source",
    "State",
    "Work",
]
