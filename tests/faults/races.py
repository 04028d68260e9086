"""The races: each runs many times inside one child, with real threads on real connections.

A race gets a fresh scene and returns what it found wrong by itself; afterwards the oracle judges the scene at rest.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperclusters.access.models import User
from hyperclusters.audit.models import Event
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.models import Creation, Project
from hyperclusters.simulator import Simulator
from tests.faults.jobs import collect, job, rest, retire, scene

RACES: dict[str, Callable[[RaceSetup], list[str]]] = {}
SLOW = 0.2  # seconds that a slow answer takes


@dataclass(frozen=True)
class RaceSetup:
    """A scene as a race uses it: inside the child, with the cloud's store at hand."""

    cloud: Simulator
    scene: dict[str, Any]

    @property
    def project(self) -> Project:
        return Project.objects.select_related("team").get(pk=self.scene["project"])

    @property
    def ada(self) -> User:
        return User.objects.get(pk=self.scene["person"])

    def ask(self, name: str = "alpha", token: uuid.UUID | None = None) -> Creation:
        """The service's own call."""
        request = CreateRequest(name=name, type="HPS")
        return request_creation(
            person=self.ada, project=self.project, wish=request, token=token or uuid.uuid4()
        )

    def creation(self) -> Creation:
        """The stage's only creation, as it stands."""
        return Creation.objects.with_related().get(project=self.scene["project"])

    def posts(self) -> int:
        """Creates that reached the cloud."""
        mine = self.scene["project_id"]
        return sum(entry.call == "create" and entry.project_id == mine for entry in self.cloud.journal())

    def slow_create(self, *, before: float = 0.0, after: float = 0.0) -> None:
        """The next create takes long, before or after the deed."""
        only = {"project": self.scene["project_id"], "times": 1}
        self.cloud.fault("latency", "create", before=before, after=after, **only)

    def events(self, action: str) -> int:
        """How many events of this kind the stage's team has."""
        return Event.objects.filter(team_id=self.scene["team"], action=action).count()


def race(function: Callable[[RaceSetup], list[str]]) -> Callable[[RaceSetup], list[str]]:
    """Register a race by its name."""
    RACES[function.__name__] = function
    return function


@job
def play(name: str, runs: int, endpoint: str, store: str, keys: list[str]) -> list[dict[str, Any]]:
    """Run a race several times. Each run: its notes, its scene, and the database's records of it at rest."""
    cloud = Simulator(store, access_key=keys[0], secret_key=keys[1])
    played = []
    for _ in range(runs):
        stage = RaceSetup(cloud, scene(endpoint, *keys))
        # The cloud has answered here before: else calls would go out one by one, and nothing would race.
        Project.objects.filter(pk=stage.scene["project"]).update(trusted=True)
        notes = RACES[name](stage)
        rest(stage.scene["project"])
        played.append({"notes": notes, "scene": stage.scene, "records": collect(stage.scene["project"])})
        retire(stage.scene["project"])
    return played


def wrong(**checks: bool) -> list[str]:
    """The names of the checks that do not hold."""
    return [name.replace("_", " ") for name, holds in checks.items() if not holds]


def kinds(results: list[Any]) -> list[str]:
    """The type of each result, for counting."""
    return [type(result).__name__ for result in results]
