"""The children's jobs. Each is an act of the product, or the harness reading the result."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from hyperclusters.access.models import Role, Team, User
from hyperclusters.access.services import add_person, add_team, grant
from hyperclusters.audit.models import Event
from hyperclusters.audit.verification import verify
from hyperclusters.clusters.approvals import approve
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import Blocked, DeletionOpen
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Deletion, Project, State
from hyperclusters.clusters.projects import connect_project
from hyperclusters.clusters.worker import run_due
from hyperclusters.modelarts import Credentials
from tests.faults import breakages
from tests.faults.concurrency import run_concurrently

JOBS: dict[str, Callable[..., Any]] = {}
MOVING = (State.QUEUED, State.SENDING, State.UNKNOWN)
# Seconds that are let pass between two turns of the worker, until nothing moves. Each long step is beyond the horizon;
# before it the harness waits in earnest until the cloud has done what it was going to do.
TURNS = (0, 60, 60, 60, 1800, 120, 120, 1800, 120, 120)
LONG = 1000


def job(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register a function by its name for the children."""
    JOBS[function.__name__] = function
    return function


@job
def appoint() -> None:
    """Add Root, who connects projects."""
    grant(person=add_person(username="root"), role=Role.PLATFORM_ADMIN, team=None, reason="the harness")


@job
@transaction.atomic
def scene(endpoint: str, access_key: str, secret_key: str, quota: int | None = None) -> dict[str, Any]:
    """A team, a person who may create in it, and its project, apart from every other scene."""
    mark = uuid.uuid4().hex
    team = add_team(slug=f"team-{mark[:12]}", name=f"Team {mark[:12]}")
    ada = add_person(username=f"ada-{mark[:12]}")
    grant(person=ada, role=Role.CREATOR, team=team, reason="the harness")
    project = connect_project(
        by=User.objects.get(username="root"),
        name=f"project-{mark[:12]}",
        team=team,
        endpoint=endpoint,
        project_id=mark,
        credentials=Credentials(access_key, secret_key),
    )
    Project.objects.filter(pk=project.pk).update(quota=quota)
    return {"project": project.pk, "person": ada.pk, "team": team.pk, "project_id": mark}


@job
def submit(project: int, person: int, name: str, token: str, breakage: str = "") -> str:
    """Request a creation like the form."""
    breakages.apply(breakage)
    creation = request_creation(
        person=User.objects.get(pk=person),
        project=Project.objects.get(pk=project),
        wish=CreateRequest(name=name, type="HPS"),
        token=uuid.UUID(token),
    )
    return str(creation.pk)


@job
@transaction.atomic
def ask_for_approval(team: int) -> int:
    """From now on the team's creations need an admin's approval. Returns an admin who can give it."""
    Team.objects.filter(pk=team).update(approval_types=["HPS"])
    tom = add_person(username=f"tom-{uuid.uuid4().hex[:12]}")
    grant(person=tom, role=Role.ADMIN, team=Team.objects.get(pk=team), reason="the harness")
    return tom.pk


@job
def approve_it(project: int, person: int) -> None:
    """Approve the project's only creation as the page does; again if it is not known whether that was recorded."""
    approve(Creation.objects.with_related().get(project=project), by=User.objects.get(pk=person))


@job
def submit_all(wishes: list[dict[str, Any]]) -> list[int]:
    """Send several forms, one after the other. Returns those that were turned away for now and must be sent again."""
    again = []
    for index, request in enumerate(wishes):
        try:
            submit(**request)
        except Blocked:
            again.append(index)
    return again


@job
def submit_many(project: int, person: int, token: str, times: int, at: float) -> list[str]:
    """Send the same form several times at once, from threads, at a time that several processes share."""
    time.sleep(max(at - time.time(), 0))
    return [str(key) for key in run_concurrently(*[lambda: submit(project, person, "alpha", token)] * times)]


@job
def submit_deletion(project: int, person: int, name: str) -> str:
    """Request a deletion like the form. Requesting it again after a lost answer gives the same one."""
    cluster = Cluster.objects.get(project=project, name=name)
    try:
        deletion = request_deletion(person=User.objects.get(pk=person), cluster=cluster, typed_name=name)
    except DeletionOpen:
        return "open"
    return str(deletion.pk)


@job
def work(breakage: str = "") -> int:
    """One turn of the worker over everything that is due."""
    breakages.apply(breakage)
    return run_due()


@job
def worker(breakage: str = "") -> None:
    """`manage.py worker`, until SIGTERM."""
    breakages.apply(breakage)
    call_command("worker", verbosity=0)


@job
def pass_time(project: int, seconds: float) -> None:
    """Let time pass for one project: what lies ahead of its creations and lists comes nearer."""
    by = timedelta(seconds=seconds)
    moments = ("signed_at", "not_created_after", "run_after", "lease_expires_at", "requested_at")
    for moving in _moving(project):
        moving.update(**{moment: F(moment) - by for moment in moments})
    ClusterListing.objects.filter(project=project).update(
        run_after=F("run_after") - by, lease_expires_at=F("lease_expires_at") - by
    )
    pauses = ("blocked_until", "probe_until", "writes_until")
    Project.objects.filter(pk=project).update(**{pause: F(pause) - by for pause in pauses})


def _moving(project: int) -> tuple[QuerySet[Any], ...]:
    """The project's work that is not at rest."""
    return (
        Creation.objects.filter(project=project, state__in=MOVING),
        Deletion.objects.filter(cluster__project=project, state__in=MOVING),
    )


@job
def rest(project: int, patience: float = 0.0, breakage: str = "") -> None:
    """Run turn after turn until nothing of this project moves any more; then list once more."""
    breakages.apply(breakage)
    for seconds in TURNS:
        if seconds > LONG:
            time.sleep(patience)
        pass_time(project, seconds)
        run_due()
        if not any(moving.exists() for moving in _moving(project)):
            break
    ClusterListing.objects.filter(project=project).update(
        run_after=timezone.now() - timedelta(seconds=1), lease_expires_at=None
    )
    run_due()


@job
def retire(project: int) -> None:
    """Never list this project again: many scenes share a world, and each turn would list them all."""
    ClusterListing.objects.filter(project=project).delete()


@job
def collect(project: int) -> dict[str, Any]:
    """What the database holds of a project, for the oracle."""
    creations = Creation.objects.filter(project=project)
    keys = [str(key) for key in creations.values_list("pk", flat=True)]
    events = Event.objects.filter(object_kind="creation", object_id__in=keys).order_by("seq")
    clusters = Cluster.objects.filter(project=project)
    return {
        "chain": [str(issue) for issue in verify().findings],
        "creations": [
            {
                **{
                    name: getattr(row, name)
                    for name in ("name", "state", "version", "attempts", "evidence", "cause")
                },
                "id": str(row.pk),
                "token": str(row.token),
                "baseline": row.baseline,
                "in_conflict": row.conflict_at is not None,
            }
            for row in creations.order_by("requested_at")
        ],
        "events": [
            {
                "seq": event.seq,
                "action": event.action,
                "creation": event.object_id,
                "before": (event.before or {}).get("state", ""),
                "after": (event.after or {}).get("state", ""),
            }
            for event in events
        ],
        "clusters": [
            {
                "id": row.cluster_id,
                "name": row.name,
                "creation": str(row.creation_id or ""),
                "is_gone": row.gone_at is not None,
            }
            for row in clusters
        ],
    }


@job
def collect_deletions(project: int) -> list[dict[str, Any]]:
    """What the database holds of a project's deletions."""
    return [
        {
            "state": row.state,
            "version": row.version,
            "attempts": row.attempts,
            "cause": row.cause,
            "cluster": row.cluster.cluster_id,
            "is_gone": row.cluster.gone_at is not None,
            "events": list(
                Event.objects.filter(object_kind="deletion", object_id=str(row.pk))
                .order_by("seq")
                .values_list("action", flat=True)
            ),
        }
        for row in Deletion.objects.filter(cluster__project=project).select_related("cluster")
    ]


@job
def changes(project: int) -> list[tuple[str, str]]:
    """What the ledger says of a project's clusters in the cloud: the action and the cluster's name, oldest first."""
    name = Project.objects.get(pk=project).name
    clusters = Event.objects.filter(project_name=name, action__startswith="cluster:seen").order_by("seq")
    return list(clusters.values_list("action", "object_name"))
