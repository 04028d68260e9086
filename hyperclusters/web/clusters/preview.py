"""What stands in the way of a creation and what would be sent, for what is typed so far."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.clusters.models import Project
from hyperclusters.clusters.preflight import Preflight, preflight
from hyperclusters.clusters.quotas import broken_rules
from hyperclusters.modelarts import ClusterType, create_request, is_name, is_subnet_id
from hyperclusters.web.clusters.subnets import subnets_context
from hyperclusters.web.texts.refusals import name_trouble, rule_broken

SNIPPETS = ("json", "curl", "sdk")


def preview(person: User, projects: list[Project], values: dict[str, str]) -> dict[str, Any]:
    """Context for the form and for its live fragment. `projects` are those in which the person may create, one at least."""
    project = chosen_project(projects, values) or projects[0]
    name, subnet_id = values.get("name", ""), values.get("hyper_cluster_subnet_id", "")
    kind = ClusterType(values["type"]) if values.get("type") in set(ClusterType) else ClusterType.HPS
    ahead = preflight(person=person, project=project, name=name if is_name(name) else "")
    return {
        "preflight": ahead,
        "name_note": _name_note(name, ahead),
        "broken": _broken_fields(values, ahead, kind),
        **subnets_context(project, subnet_id, values.get("subnets_of")),
        "shown_as": values["as"] if values.get("as") in SNIPPETS else SNIPPETS[0],
        "sent": _snippets(ahead.project, name, kind, subnet_id),
    }


def _broken_fields(values: dict[str, str], ahead: Preflight, kind: ClusterType) -> list[str]:
    """Which of the team's rules what is typed so far would break; a name is judged once there is one."""
    team, name = ahead.project.team, values.get("name", "")
    broken_fields = broken_rules(team, name=name, type=kind, reason=values.get("reason", ""))
    return [field for field in broken_fields if field != "name" or name]


def chosen_project(projects: list[Project], values: dict[str, str]) -> Project | None:
    """The project of this name, if it is one of them."""
    return next((project for project in projects if project.name == values.get("project")), None)


def _name_note(name: str, ahead: Preflight) -> dict[str, Any]:
    if not name:
        return {}
    if trouble := name_trouble(name):
        return {"kind": "err", "text": trouble}
    if not ahead.project.team.fits(name):
        return {"kind": "err", "text": rule_broken(ahead.project.team, "name")}
    if ahead.unresolved:
        return {
            "kind": "err",
            "text": _("A creation of this name is not settled yet:"),
            "link": ahead.unresolved,
        }
    if ahead.same_name:
        return {"kind": "err", "text": _("A cluster of this name is already there:"), "link": ahead.same_name}
    return {"kind": "ok", "text": _("Free in this project, as far as is known here")}


def _snippets(project: Project, name: str, kind: ClusterType, subnet_id: str) -> dict[str, str]:
    """What will be sent, to the byte, and the same call in two other forms. Empty while a value is not valid."""
    if not is_name(name) or (subnet_id and not is_subnet_id(subnet_id)):
        return {}
    call = create_request(project_id=project.project_id, name=name, type=kind, subnet_id=subnet_id)
    body = json.loads(call.body)
    arguments = ", ".join(f"{key}={json.dumps(value)}" for key, value in body.items())
    return {
        "line": f"{call.method} {call.path}",
        "json": json.dumps(body, indent=2),
        "curl": (
            f"curl -X {call.method} '{project.endpoint}{call.path}' \\\n"
            "  -H 'Content-Type: application/json;charset=UTF-8' \\\n"
            '  -H "X-Sdk-Date: $DATE" -H "Authorization: $SIGNATURE" \\\n'
            f"  -d '{call.body.decode()}'"
        ),
        "sdk": (
            "from huaweicloudsdkmodelarts.v1 import *\n\n"
            "client.create_hyper_cluster(CreateHyperClusterRequest(\n"
            f"    body=HyperClusterCreateRequest({arguments})))"
        ),
    }
