"""What stands in the way of a creation and what would be sent, for what is typed so far."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.clusters.models import Project
from hyperclusters.clusters.preflight import Preflight, preflight
from hyperclusters.clusters.quotas import broken_rules
from hyperclusters.modelarts import ClusterType, is_name, is_subnet_id
from hyperclusters.web.clusters.preview_checks import checks
from hyperclusters.web.clusters.snippets import FORMS, snippets
from hyperclusters.web.clusters.subnets import subnets_context
from hyperclusters.web.texts.refusals import name_trouble, rule_broken
from hyperclusters.web.texts.vendor import vendor_pages


def preview(person: User, project: Project, values: dict[str, str]) -> dict[str, Any]:
    """Context for the form and for its live fragment."""
    name, subnet_id = values.get("name", ""), values.get("hyper_cluster_subnet_id", "")
    kind = stated_type(values)
    ahead = preflight(person=person, project=project, name=name if is_name(name) else "", type=kind or "")
    is_valid = is_name(name) and (not subnet_id or is_subnet_id(subnet_id))
    trouble = name_trouble(name) if name else ""
    lines = checks(ahead, values, _broken_fields(values, ahead, kind), trouble)
    return {
        "preflight": ahead,
        "name_note": _name_note(name, ahead),
        "checks": lines,
        "problems": [line for line in lines if line.would_refuse],
        **subnets_context(project, subnet_id, values.get("subnets_of")),
        "shown_as": values["as"] if values.get("as") in FORMS else FORMS[0],
        "sent": snippets(ahead.project, name, kind, subnet_id) if is_valid else None,
        "vendor": vendor_pages(),
    }


def stated_type(values: dict[str, str]) -> ClusterType | None:
    """The type that would be sent: none if it is left to the cloud, HPS while nothing sensible is chosen."""
    kind = values.get("type", ClusterType.HPS)
    if not kind:
        return None
    return ClusterType(kind) if kind in set(ClusterType) else ClusterType.HPS


def _broken_fields(values: dict[str, str], ahead: Preflight, kind: ClusterType | None) -> list[str]:
    """Which of the team's rules what is typed so far would break; a name is judged once there is one."""
    team, name = ahead.project.team, values.get("name", "")
    broken_fields = broken_rules(team, name=name, type=kind or "", reason=values.get("reason", ""))
    return [field for field in broken_fields if field != "name" or is_name(name)]


def _name_note(name: str, ahead: Preflight) -> dict[str, Any]:
    """What to say beside the field: what is wrong with the name, what has it already, or when it was last free."""
    if not name:
        return {}
    broken_rule = "" if ahead.project.team.fits(name) else rule_broken(ahead.project.team, "name")
    if trouble := name_trouble(name) or broken_rule:
        return {"kind": "err", "text": trouble}
    if in_the_way := ahead.open_creation or ahead.same_name:
        creation = _("A creation of this name is not settled yet:")
        text = creation if ahead.open_creation else _("Already exists in this project:")
        return {"kind": "err", "text": text, "link": in_the_way}
    if ahead.listed_at is None:
        return {"kind": "", "text": _("Not checked: the cloud has not been listed yet.")}
    return {"kind": "ok", "listed_at": ahead.listed_at}
