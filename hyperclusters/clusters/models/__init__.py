"""Projects, the inventory, and creations."""

from .creation import EVIDENCE_RANK, UNRESOLVED, Creation, Evidence, State
from .inventory import Cluster, Network, Source
from .project import Heartbeat, Project

__all__ = [
    "EVIDENCE_RANK",
    "UNRESOLVED",
    "Cluster",
    "Creation",
    "Evidence",
    "Heartbeat",
    "Network",
    "Project",
    "Source",
    "State",
]
