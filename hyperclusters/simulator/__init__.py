"""A faithful local ModelArts for the demo and for tests. Imports nothing else of this repository."""

from .behaviours import Behaviours
from .clusters import Network, SimulatedCluster
from .journal import JournalEntry
from .records import BehaviourError
from .simulator import Simulator

__all__ = ["BehaviourError", "Behaviours", "JournalEntry", "Network", "SimulatedCluster", "Simulator"]
