"""A faithful local ModelArts for the demo and for tests. Imports nothing else of this repository."""

from .behaviours import Behaviours
from .clusters import Network, SimulatedCluster
from .grammar import BehaviourError
from .journal import JournalEntry
from .simulator import Simulator

__all__ = ["BehaviourError", "Behaviours", "JournalEntry", "Network", "SimulatedCluster", "Simulator"]
