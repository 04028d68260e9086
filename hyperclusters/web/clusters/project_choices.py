"""The projects to create in: which one is chosen to begin with, and what their names do not say."""

from __future__ import annotations

from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.clusters.models import ClusterListing, Creation, Project


def last_used(person: User, projects: list[Project]) -> Project | None:
    """The project of this person's latest creation, if it is one of these."""
    mine = Creation.objects.filter(requested_by=person, project__in=projects)
    latest = mine.order_by("-requested_at").only("project").first()
    return next((project for project in projects if latest and project.pk == latest.project_id), None)


def preselected(person: User, projects: list[Project]) -> Project:
    """The one last used, else the first that works, else the first."""
    broken = failing(projects)
    healthy = (project for project in projects if project.pk not in broken)
    return last_used(person, projects) or next(healthy, projects[0])


def failing(projects: list[Project]) -> dict[object, str]:
    """What is wrong with those that do not work, by their keys: calls are paused, or a list cannot be read."""
    lists = ClusterListing.objects.filter(project__in=projects, failed_at__isnull=False)
    troubles: dict[object, str] = dict.fromkeys(
        lists.values_list("project", flat=True), _("lists unavailable")
    )
    return troubles | {each.pk: _("calls paused") for each in projects if each.is_blocked()}


def labels(person: User, projects: list[Project]) -> list[tuple[str, str]]:
    """Values and words of the menu."""
    latest, troubles = last_used(person, projects), failing(projects)
    return [
        (each.name, _label(each, troubles.get(each.pk, ""), is_latest=each == latest)) for each in projects
    ]


def _label(project: Project, trouble: str, *, is_latest: bool) -> str:
    name = f"{project.name} ({project.team.name})"
    return " · ".join(filter(None, (name, _("last used") if is_latest else "", trouble)))
