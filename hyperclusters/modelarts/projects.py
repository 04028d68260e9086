"""The projects that an access key reaches, as IAM lists them. IAM is another service, with a host of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hyperclusters.modelarts import grammar, parsing
from hyperclusters.modelarts.client import Client
from hyperclusters.modelarts.types import Answer, Request

MOST_PROJECTS = 2000  # rows of one answer


@dataclass(frozen=True, slots=True)
class CloudProject:
    """One project of an account.

    `name` is text to show, with unprintable characters as escapes, and may be empty: a region such as `cn-north-4`, or
    a part of one such as `cn-north-4_vision`. `is_enabled` is None if the answer does not say.
    """

    id: str
    name: str
    is_enabled: bool | None

    def is_in(self, region: str) -> bool:
        """Whether its name says that it belongs to this region."""
        return self.name == region or self.name.startswith(f"{region}_")


class ProjectClient(Client):
    """A client of IAM: `endpoint` is that of IAM in a region, and no project is needed. It changes nothing."""

    needs_project = False

    def list_projects(self) -> Answer[tuple[CloudProject, ...]]:
        """The projects that the key may access, by name.

        The call is documented ("Listing Projects Accessible to an IAM User") and needs no permission. That it takes a
        signature instead of a token is the vendor's SDK's word. A row without a usable ID is left out; more than 2,000
        rows, or 1 MiB, raise.
        """
        return self._call(projects_request(), read_projects)


def projects_request() -> Request:
    """The GET of the projects that a key may access. It takes no parameters."""
    return Request("GET", "/v3/auth/projects", (), b"", "projects")


def read_projects(body: bytes) -> tuple[CloudProject, ...]:
    """The projects of an answer, by name, each ID once. `{"projects": null}` is an empty list; `{}` is no list. Raises
    MalformedError."""
    rows = parsing.read_object(body).get("projects", "")
    if rows is None:
        rows = []
    if not isinstance(rows, list):
        raise parsing.MalformedError("bad_list")
    if len(rows) > MOST_PROJECTS:
        raise parsing.MalformedError("too_large")
    projects = {project.id: project for row in rows if (project := _project(row))}
    return tuple(sorted(projects.values(), key=lambda project: (project.name, project.id)))


def _project(data: Any) -> CloudProject | None:
    if not isinstance(data, dict):
        raise parsing.MalformedError("bad_row")
    project_id, is_enabled = data.get("id"), data.get("enabled")
    if not grammar.is_project_id(project_id):
        return None
    return CloudProject(
        id=project_id,
        name=parsing.read_text(data.get("name")),
        is_enabled=is_enabled if isinstance(is_enabled, bool) else None,
    )
