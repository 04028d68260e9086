"""Runs the product's acts while the database fails at one chosen place."""

from __future__ import annotations

import re
import time
import uuid
from types import ModuleType
from typing import Any

from django.db import DatabaseError, connection, connections
from django.test import Client as Browser

from hyperclusters.access.models import User
from hyperclusters.clusters import creations, deletions, failpoints, readback
from hyperclusters.clusters.models import Cluster, Creation, Project
from hyperclusters.clusters.operations import engine
from tests.faults import disturbances
from tests.faults.jobs import JOBS, job
from tests.faults.proxy import Proxy


@job
def disturbed(act: str, moment: str, kind: str, arguments: dict[str, Any], nth: int = 1) -> dict[str, Any]:
    """Do a job whose database fails when it reaches `moment` for the nth time. Returns what it raised, if anything."""
    struck = _arm(moment, kind, nth)
    try:
        JOBS[act](**arguments)
    except DatabaseError as error:
        return {"struck": bool(struck), "error": repr(error)}
    return {"struck": bool(struck), "error": ""}


@job
def submit_page(project: int, person: int, name: str, token: str, moment: str, kind: str) -> dict[str, Any]:
    """Post the form like a browser while the database fails at `moment`. Returns what the person reads."""
    browser = Browser(raise_request_exception=False, SERVER_NAME="localhost")
    browser.force_login(User.objects.get(pk=person))
    values = {"project": Project.objects.get(pk=project).name, "name": name, "type": "HPS", "token": token}
    struck = _arm(moment, kind)
    answer = browser.post("/clusters/new/", values | {"reason": "", "hyper_cluster_subnet_id": ""})
    return {"struck": bool(struck), "status": answer.status_code, "text": answer.content.decode()}


@job
def submit_page_held(
    project: int, person: int, name: str, token: str, hold: float, patience: float
) -> dict[str, Any]:
    """Post the form through a proxy that holds its COMMIT so long and cuts the client off: what the person reads, and
    where its link leads once the COMMIT is done."""
    values = {"project": Project.objects.get(pk=project).name, "name": name, "type": "HPS", "token": token}
    values |= {"reason": "", "hyper_cluster_subnet_id": ""}
    return _held(creations, person, "/clusters/new/", values, hold, patience)


@job
def delete_page_held(project: int, person: int, name: str, hold: float, patience: float) -> dict[str, Any]:
    """As `submit_page_held`, for the form that deletes a cluster."""
    path = Cluster.objects.get(project=project, name=name).get_absolute_url() + "delete/"
    return _held(deletions, person, path, {"name": name, "reason": ""}, hold, patience)


def _held(
    service: ModuleType, person: int, path: str, values: dict[str, str], hold: float, patience: float
) -> dict[str, Any]:
    browser = Browser(raise_request_exception=False, SERVER_NAME="localhost")
    browser.force_login(User.objects.get(pk=person))
    connection.close()
    settings = connection.settings_dict
    setattr(readback, "PATIENCE", patience)  # noqa: B010 -- mypy knows a constant
    take_lock = service.hold_until_commit
    with Proxy(settings["HOST"], int(settings["PORT"])) as proxy:
        settings["PORT"] = str(proxy.port)

        def armed(key: uuid.UUID) -> None:
            take_lock(key)
            proxy.arm(hold)

        setattr(service, "hold_until_commit", armed)  # noqa: B010
        answer = browser.post(path, values)
        text = answer.content.decode()
        link = re.search(r'<a class="btn primary" href="([^"]+)"', text)
        time.sleep(hold if link else 0)
        later = browser.get(link[1]) if link else answer
        connection.close()
    return {
        "held": proxy.held.is_set(),
        "status": answer.status_code,
        "text": text,
        "later": later.get("Location", "") or str(later.status_code),
    }


@job
def rows(project: int) -> int:
    """How many creations were recorded."""
    return Creation.objects.filter(project=project).count()


def _arm(moment: str, kind: str, nth: int = 1) -> list[int]:
    struck: list[int] = []
    before = failpoints.hits[moment]

    def once(number: int) -> None:
        if not struck and number - before >= nth:
            struck.append(number)
            disturbances.strike(kind)

    connections["default"].ensure_connection()
    setattr(engine, "LEASE_MARGIN", 0)  # noqa: B010 -- an outcome is tried to be written until the lease ends: 15 s less
    failpoints.on_hit[moment] = once
    return struck
