"""What the second process can do, see `other_process`."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.test import RequestFactory
from django.utils import timezone

from hyperclusters.access.models import Role, Team, User
from hyperclusters.access.services import grant
from hyperclusters.accounts.models import Attempt
from hyperclusters.audit import clock, tasks
from hyperclusters.audit.ledger import record
from hyperclusters.audit.visits import note_read
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import heartbeat, inventory, upstream, worker
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.models import Creation, Heartbeat, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.web.pages.views.monitoring import readyz


def _person(name: str) -> User:
    return User.objects.get(username=name)


def _project() -> Project:
    return Project.objects.select_related("team").get(name__startswith="vision")


def now() -> dict[str, float]:
    """This machine's clock, the clock that rows are judged by, and the time of a signature."""
    signed = upstream.signing_time(_project()).timestamp()
    return {"machine": timezone.now().timestamp(), "rows": clock.now().timestamp(), "signed": signed}


def beat(role: str = Heartbeat.WORKER) -> dict[str, Any]:
    """One heartbeat, and what /readyz says after it."""
    heartbeat.beat("other", role)
    return {
        "ahead": heartbeat.seconds_ahead(),
        "readyz": json.loads(readyz(RequestFactory().get("/readyz")).content),
    }


def work() -> None:
    """Everything that is due."""
    worker.run_due(holder="other")
    tasks.run_due()


def look() -> int:
    """Look for every creation without an answer, as often as it is due; how often."""
    looks = 0
    while creation := CREATIONS.claim("other", State.UNKNOWN):
        CREATIONS.poll(creation)
        looks += 1
    return looks


def look_at_once(times: int) -> None:
    """The same without waiting for the next look to be due."""
    for _ in range(times):
        Creation.objects.filter(state="unknown").update(run_after=clock.now())
        look()


def claim() -> str:
    """Take work and leave it, as a killed worker does; the creation's ID."""
    creation = CREATIONS.claim("other", State.QUEUED)
    inventory.claim_source("other")
    return str(creation.pk) if creation else ""


def ask(name: str) -> str:
    """Ada asks for a creation, and for new lists; the creation's ID."""
    request = CreateRequest(name=name, type="HPS")
    inventory.ask_refresh(person=_person("ada"))
    return str(
        request_creation(person=_person("ada"), project=_project(), wish=request, token=uuid.uuid4()).pk
    )


def give(username: str) -> None:
    """A grant without an end."""
    grant(person=_person(username), role=Role.VIEWER, team=Team.objects.get(slug="vision"), reason="x")


def deny(username: str, times: int) -> None:
    """So many denials."""
    for _ in range(times):
        record(EventType.ACCESS_DENIED, Outcome.DENIED, by=_person(username))


def visit() -> None:
    """Olga reads the audit, and many attempts are counted under one key."""
    note_read(person=_person("olga"), page="list", filters={})
    Attempt.objects.bulk_create([Attempt(key="shared") for _ in range(50)])
