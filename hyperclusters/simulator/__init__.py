"""A faithful local ModelArts for the demo and for tests. Imports nothing of the rest of the house."""

from .clusters import Network, SimulatedCluster
from .journal import JournalEntry
from .simulator import Simulator
from .switches import SwitchError, Switches

__all__ = ["JournalEntry", "Network", "SimulatedCluster", "Simulator", "SwitchError", "Switches"]
