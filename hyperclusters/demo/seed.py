"""Seeds the demo with people, teams and history, through the product's services and real calls to the simulator."""

from __future__ import annotations

import json
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hyperclusters.access.access_requests import ask, decline
from hyperclusters.access.models import Grant, Role, Team, User
from hyperclusters.access.services import add_person, add_team, extend_grant, grant
from hyperclusters.accounts.models import ApiToken, Scope
from hyperclusters.accounts.token_format import token_id
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.inventory import ask_refresh
from hyperclusters.clusters.models import Cluster, Network, Project
from hyperclusters.clusters.projects import change_project, connect_project
from hyperclusters.clusters.upstream import client_for
from hyperclusters.clusters.worker import run_due
from hyperclusters.demo.accounts import PEOPLE
from hyperclusters.modelarts import ClusterType, Credentials

VISION_PROJECT_ID = "0f5181caba0024e72f89c0045e707b91"
SPEECH_PROJECT_ID = "5f2c9d84b7a34e10a6d3c58e1b90f742"


@dataclass(frozen=True, slots=True)
class Simulated:
    """Where the simulator is, and the key that it accepts."""

    endpoint: str
    credentials: Credentials

    def switch(self, **switches: Any) -> None:
        """Set the simulator's behaviours; none given resets them all."""
        self._call("PUT" if switches else "DELETE", "switches", switches)

    def add_inside(self, cluster_name: str) -> None:
        """Add two supernodes and their group to this HPS cluster."""
        cluster = Cluster.objects.select_related("project").get(name=cluster_name)
        facts = {"project_id": cluster.project.project_id}
        for name, status in (("a3-node-1", "ACTIVE"), ("a3-node-2", "PROVISIONING")):
            node = {"name": name, "status": status, "servers": 8, "hps_cluster_id": cluster.cluster_id}
            self._call("POST", "hyperinstances", facts | node)
        group = {"name": "a3-pool", "hyperinstance_cluster_id": cluster.cluster_id}
        self._call("POST", "groups", facts | group)

    def add_capacity(self, cluster_name: str) -> None:
        """Add what the cloud answers about this HPS cluster's capacity: one zone is sold out."""
        cluster = Cluster.objects.select_related("project").get(name=cluster_name)
        row = {
            "project_id": cluster.project.project_id,
            "hyperinstance_cluster_id": cluster.cluster_id,
            "flavor": "demo.supernode.a3",
        }
        for zone, is_sold_out in (("zone-1", True), ("zone-2", False)):
            self._call("POST", "capacities", row | {"availability_zone": zone, "is_sold_out": is_sold_out})

    def add_projects(self) -> None:
        """Add what IAM answers about the demo's account: the connected projects, and some to connect."""
        ids = {"cn-southwest-2_vision": VISION_PROJECT_ID, "cn-north-9_speech": SPEECH_PROJECT_ID}
        for name in (
            "cn-southwest-2",
            "cn-southwest-2_research",
            "cn-southwest-2_vision",
            "cn-north-9_speech",
        ):
            project_id = ids.get(name) or uuid.uuid5(uuid.NAMESPACE_DNS, name).hex
            self._call("POST", "projects", {"project_id": project_id, "name": name})

    def add_trace(self, cluster_name: str) -> None:
        """Add what CTS answers about this cluster: who created it, and when."""
        cluster = Cluster.objects.select_related("project").get(name=cluster_name)
        row = {
            "project_id": cluster.project.project_id,
            "resource_id": cluster.cluster_id,
            "resource_name": cluster.name,
            "trace_name": "createHyperCluster",
            "user": "lab-operator",
            "code": "200",
            "source_ip": "192.0.2.17",
            "request_id": uuid.uuid4().hex,
            "time": int(cluster.found_at.timestamp() * 1000) - 40_000,
        }
        self._call("POST", "traces", row)

    def _call(self, method: str, path: str, content: dict[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310 -- the demo's own simulator on loopback
            f"{self.endpoint}/_simulator/{path}",
            method=method,
            data=json.dumps(content).encode() if content else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass


def set_passwords(password: str) -> None:
    """Give every person of the demo this password, unless they have it already."""
    people = User.objects.filter(username__in=PEOPLE)
    if all(person.check_password(password) for person in people[:1]):
        return
    for person in people:
        person.set_password(password)
        person.save(update_fields=["password"])


def issue_token(text: str) -> None:
    """Give ada this API token, good for a year, unless there is one that is good for another week."""
    ada = User.objects.get(username="ada")
    if ApiToken.objects.filter(pk=token_id(text), expires_at__gt=clock.now() + ApiToken.WARN).exists():
        return
    ApiToken.objects.filter(pk=token_id(text)).delete()
    scopes, expires_at = (
        [Scope.CLUSTERS_READ, Scope.CLUSTERS_WRITE, Scope.ACCESS_READ],
        clock.now() + ApiToken.LONGEST,
    )
    create_token(by=ada, owner=ada, name="demo", scopes=scopes, expires_at=expires_at, text=text)


def make(simulated: Simulated) -> None:
    """Create everything that the demo starts with. Call once; the simulator must run."""
    people = {name: _person(name) for name in PEOPLE}
    root, tom, ada, mallory = people["root"], people["tom"], people["ada"], people["mallory"]
    grant(person=root, role=Role.PLATFORM_ADMIN, team=None, reason="Runs the demo's platform")
    grant(person=people["olga"], role=Role.AUDITOR, team=None, reason="Reviews every team", by=root)
    vision = _team("vision", "Vision", root)
    speech = _team("speech", "Speech", root)
    grant(person=tom, role=Role.ADMIN, team=vision, reason="Leads the team", by=root)
    grant(person=ada, role=Role.CREATOR, team=vision, reason="Training infrastructure", by=tom)
    grant(person=people["vera"], role=Role.VIEWER, team=vision, reason="Follows the training runs", by=tom)
    grant(person=mallory, role=Role.CREATOR, team=speech, reason="Speech models")
    _people(people, vision)
    southwest = _project(root, vision, "vision-cn-southwest-2", VISION_PROJECT_ID, simulated)
    north = _project(root, speech, "speech-cn-north-9", SPEECH_PROJECT_ID, simulated)

    _create(ada, southwest, CreateRequest("train-a3-west", "HPS", reason="Baseline runs of the spring model"))
    _create(
        tom, southwest, CreateRequest("train-a3-west-2", "HPS", reason="Second supernode for the same runs")
    )
    subnet = Network.objects.filter(cluster__name="train-a3-west").values_list("subnet_id", flat=True)[0]
    _create(
        ada,
        southwest,
        CreateRequest("infer.gateway_01", "ECS", subnet, "Gateway beside the training network"),
    )
    _create(mallory, north, CreateRequest("speech-asr-9", "HPS", reason="Speech recognition"))
    _create(mallory, north, CreateRequest("speech-tts-gateway", "ECS", reason="Voices for the spring demo"))
    client_for(southwest).create(
        name="lab-shared", type=ClusterType.HPS
    )  # by somebody else, bypassing the dashboard
    simulated.add_inside("train-a3-west")
    simulated.add_capacity("train-a3-west")
    simulated.add_projects()
    simulated.switch(quota=0)
    _create(ada, southwest, CreateRequest("rl-sweep-7", "HPS", reason="Sweep over reward models"))
    simulated.switch()
    ask_refresh(person=people["olga"])
    run_due()
    _allow_traces(root, southwest)
    simulated.add_trace("lab-shared")


def _allow_traces(by: User, project: Project) -> None:
    change_project(
        by=by,
        project=project,
        name=project.name,
        team=project.team,
        region=project.region,
        quota=project.quota,
        reads_traces=True,
    )


def _people(people: dict[str, User], vision: Team) -> None:
    """Some history of access: an end that is near, a request that waits, one that was declined."""
    tom, vera = people["tom"], people["vera"]
    until = clock.now() + timedelta(days=5)
    grant = Grant.objects.active().get(person=vera, team=vision)
    extend_grant(grant, until=until, reason="Review of the spring runs", by=tom)
    access_request = ask(person=vera, team=vision, role=Role.ADMIN, days=30, reason="To stand in for tom")
    decline(access_request, by=tom, note="Ada stands in this time")
    ask(person=vera, team=vision, role=Role.CREATOR, days=7, reason="To repeat the evaluation run by myself")


def _person(name: str) -> User:
    return add_person(username=name, email=f"{name}@example.com")


def _team(slug: str, name: str, by: User) -> Team:
    return add_team(slug=slug, name=name, by=by)


def _project(by: User, team: Team, name: str, project_id: str, simulated: Simulated) -> Project:
    return connect_project(
        by=by,
        name=name,
        team=team,
        endpoint=simulated.endpoint,
        project_id=project_id,
        credentials=simulated.credentials,
        region=name.partition("-")[2],
    )


def _create(person: User, project: Project, request: CreateRequest) -> None:
    request_creation(person=person, project=project, wish=request, token=uuid.uuid4())
    run_due()
