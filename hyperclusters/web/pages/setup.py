"""What a new installation still lacks before somebody can create a cluster, for a platform admin's Home."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access.models import TEAM_ROLES, Grant, Role, Team
from hyperclusters.clusters.models import Project


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its words, why it is needed, whether it is done, the page for it (empty: not possible yet), and
    whether it is the one to do next."""

    title: str
    text: str
    is_done: bool
    url: str
    action: str
    is_next: bool = False


def setup_steps() -> list[Step]:
    """Team, admin, project, person; empty once all four are there. Each count is of the whole installation."""
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
            _("Add a team"),
        ),
        Step(
            _("Appoint its admin"),
            _("A team admin decides who may view and create. You can invite them by e-mail."),
            admin is not None,
            f"{give}?role=admin&until=open" if give else "",
            _("Appoint an admin"),
        ),
        Step(
            _("Connect a project"),
            _("Enter its project ID and an access key. Its clusters appear within a minute."),
            Project.objects.exists(),
            reverse("projects:connect") if team else "",
            _("Connect a project"),
        ),
        Step(
            _("Give the first person access"),
            _("The team's admin grants them access on the team's page."),
            members.exists(),
            reverse("teams:team", args=[team.slug]) if team and admin else "",
            _("Open the team"),
        ),
    ]
    next_step = next((step for step in steps if not step.is_done), None)
    return [replace(step, is_next=step is next_step) for step in steps] if next_step else []
