"""How many statements the form that creates a cluster takes, without the ends of its transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.figures import Figure
from bench.people import Crew, crew, sign_in
from bench.site import Site
from hyperclusters.access.models import Team
from hyperclusters.clusters.models import Project

MOST = 12
RULES: tuple[tuple[str, int | None, dict[str, Any]], ...] = (
    ("no rule", None, {}),
    ("quotas", 1000, {}),
    ("approval by type", None, {"approval_types": ["HPS"]}),
    ("quotas and approval from a number", 1000, {"approval_from": 1000}),
)


def measure(site: Site) -> Iterator[Figure]:
    """With each kind of rule of the team."""
    for number, (what, quota, approvals) in enumerate(RULES):
        team = crew(site, f"form-{number}", projects=1)
        Project.objects.filter(team=team.team).update(quota=quota)
        Team.objects.filter(pk=team.team.pk).update(quota=quota, **approvals)
        statements = _statements(team)
        yield Figure(
            f"statements of a create form, {what}", str(statements), str(MOST), statements / MOST, 1.0
        )


def _statements(team: Crew) -> int:
    """Of the second form: the first lets this process read what it reads once."""
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.cookies["session"] = sign_in(team.creator)
    for number in range(2):
        form = {"project": team.projects[0].name, "name": f"form-{number}", "type": "HPS"}
        with CaptureQueriesContext(connection) as captured:
            answer = browser.post("/clusters/new/", form | {"token": str(uuid.uuid4())})
        if answer.status_code != 302:
            raise RuntimeError(f"the form was answered with {answer.status_code}")
    return sum(not query["sql"].startswith(("BEGIN", "COMMIT")) for query in captured)
