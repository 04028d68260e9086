"""What a new installation still lacks before somebody can create a cluster, for a platform admin's Home."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access.models import TEAM_ROLES, Grant, Role, Team
from hyperclusters.clusters.heartbeat import has_worker_beat
from hyperclusters.clusters.models import Project


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its words, why it is needed, whether it is done, the page for it (empty: not possible yet, or none),
    whether it is the one to do next, and the command for it."""

    title: str
    text: str
    is_done: bool
    url: str
    action: str
    is_next: bool = False
    command: str = ""


def setup_steps() -> list[Step]:
    """Team, admin, auditor, worker, project, person; empty once all but a worker are there: every page warns of that. Each
    count is of the whole installation."""
    team = Team.objects.order_by("pk").first()
    grants = Grant.objects.active().filter(person__service_team__isnull=True, role__in=TEAM_ROLES)
    admin = grants.filter(role=Role.ADMIN).order_by("pk").first()
    members = grants.exclude(pk=admin.pk) if admin else grants
    give = reverse("teams:give", args=[(admin.team if admin and admin.team else team).slug]) if team else ""
    steps = [
        Step(
            _("Add a team"),
            _("Clusters, projects and access belong to teams."),
            team is not None,
            reverse("people:add_team"),
            _("New team"),
        ),
        Step(
            _("Appoint its admin"),
            _("A team admin decides who may view and create. You can invite them by e-mail."),
            admin is not None,
            f"{give}?role=admin&until=open" if give else "",
            _("Appoint an admin"),
        ),
        _auditor_step(),
        _worker_step(),
        _project_step(team),
        Step(
            _("Give the first person access"),
            _("The team's admin grants them access on the team's page."),
            members.exists(),
            reverse("teams:team", args=[team.slug]) if team and admin else "",
            _("Open the team"),
        ),
    ]
    if all(step.is_done for step in steps if not step.command):
        return []
    next_step = next(step for step in steps if not step.is_done)
    return [replace(step, is_next=step is next_step) for step in steps]


def _project_step(team: Team | None) -> Step:
    return Step(
        _("Connect a project"),
        _("Enter its project ID and an access key. Its clusters appear within a minute."),
        Project.objects.exists(),
        reverse("projects:connect") if team else "",
        _("Connect a project"),
    )


def _auditor_step() -> Step:
    return Step(
        _("Appoint an auditor"),
        _("An auditor reads the whole audit and reviews what is created."),
        Grant.objects.active().filter(role=Role.AUDITOR).exists(),
        reverse("people:appoint"),
        _("Appoint an auditor"),
    )


def _worker_step() -> Step:
    return Step(
        _("Start a worker"),
        _("A worker sends requests and reads the cloud's lists. On the server:"),
        has_worker_beat(),
        "",
        "",
        command="manage.py worker",
    )
