"""The projects whose clusters or creations a list shows, in words of its heading; without any, why."""

from __future__ import annotations

from typing import Any

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.clusters.models import Project


def heading(person: User, projects: list[Project]) -> dict[str, Any]:
    """The team and the project if there is just one, the number of teams, and what this person lacks: "access",
    "role", "project", "setup" (nobody has a project yet, and they can connect one), or nothing."""
    teams = sorted({project.team.name for project in projects})
    return {
        "team": teams[0] if len(teams) == 1 else "",
        "teams": len(teams),
        "project": projects[0].name if len(projects) == 1 else "",
        "lack": "" if projects else _lack(person),
    }


def _lack(person: User) -> str:
    if may(person, Permission.VIEW):
        return "project"
    if not may(person, Permission.CONNECT):
        return "access"
    return "setup" if may_set_up(person) else "role"


def may_set_up(person: User) -> bool:
    """Whether nobody has a project yet, and this person can connect one."""
    return may(person, Permission.CONNECT) and not Project.objects.exists()
