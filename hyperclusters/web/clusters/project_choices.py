"""The projects to create in: which one is chosen to begin with, and what their names do not say."""

from __future__ import annotations

from functools import cached_property

from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.clusters.models import ClusterListing, Creation, Project


class ProjectChoices:
    """The projects in which a person may create, one at least. Each question is asked once."""

    def __init__(self, person: User, projects: list[Project]) -> None:
        self.person, self.projects = person, projects

    def choose(self, values: dict[str, str]) -> Project:
        """The project that the form names, else the one last used, else the first that works, else the first."""
        healthy = (project for project in self.projects if project.pk not in self._troubles)
        return self.by_name(values) or self._last_used or next(healthy, self.projects[0])

    def by_name(self, values: dict[str, str]) -> Project | None:
        """The project that the form names, if it is one of these."""
        return next((project for project in self.projects if project.name == values.get("project")), None)

    def labels(self) -> list[tuple[str, str]]:
        """Values and words of the menu."""
        return [
            (each.name, _label(each, self._troubles.get(each.pk, ""), is_latest=each == self._last_used))
            for each in self.projects
        ]

    @cached_property
    def _last_used(self) -> Project | None:
        mine = Creation.objects.filter(requested_by=self.person, project__in=self.projects)
        latest = mine.order_by("-requested_at").values_list("project_id", flat=True).first()
        return next((project for project in self.projects if project.pk == latest), None)

    @cached_property
    def _troubles(self) -> dict[object, str]:
        """What is wrong with those that do not work, by their keys: calls are paused, or a list cannot be read."""
        lists = ClusterListing.objects.filter(project__in=self.projects, failed_at__isnull=False)
        troubles: dict[object, str] = dict.fromkeys(
            lists.values_list("project", flat=True), _("lists unavailable")
        )
        return troubles | {each.pk: _("calls paused") for each in self.projects if each.is_blocked()}


def _label(project: Project, trouble: str, *, is_latest: bool) -> str:
    return " · ".join(
        filter(None, (project.name, project.team.name, _("last used") if is_latest else "", trouble))
    )
