"""Acts of the product under a database that fails at one chosen place."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connections
from django.test import Client as Browser

from hyperclusters.access.models import User
from hyperclusters.clusters import failpoints, work
from hyperclusters.clusters.models import Creation, Project
from tests.faults import disturbances
from tests.faults.jobs import JOBS, job


@job
def disturbed(act: str, moment: str, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Do a job with its database failing from the first time that it gets to `moment`. What it raised, if it did."""
    struck = _arm(moment, kind)
    try:
        JOBS[act](**arguments)
    except DatabaseError as error:
        return {"struck": bool(struck), "error": repr(error)}
    return {"struck": bool(struck), "error": ""}


@job
def submit_page(project: int, person: int, name: str, token: str, moment: str, kind: str) -> dict[str, Any]:
    """Post the form as a browser does, with the database failing at `moment`: what the person reads."""
    browser = Browser(raise_request_exception=False, SERVER_NAME="localhost")
    browser.force_login(User.objects.get(pk=person))
    values = {"project": Project.objects.get(pk=project).name, "name": name, "type": "HPS", "token": token}
    struck = _arm(moment, kind)
    answer = browser.post("/clusters/new/", values | {"reason": "", "hyper_cluster_subnet_id": ""})
    return {"struck": bool(struck), "status": answer.status_code, "text": answer.content.decode()}


@job
def rows(project: int) -> int:
    """How many creations were recorded."""
    return Creation.objects.filter(project=project).count()


def _arm(moment: str, kind: str) -> list[int]:
    struck: list[int] = []

    def once(nth: int) -> None:
        if not struck:
            struck.append(nth)
            disturbances.strike(kind)

    connections["default"].ensure_connection()
    setattr(work, "LEASE_MARGIN", 0)  # noqa: B010 -- an outcome is tried to be written until the lease ends: 15 s less
    failpoints.on_hit[moment] = once
    return struck
