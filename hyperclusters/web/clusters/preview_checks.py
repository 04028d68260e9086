"""What stands in the way of a creation, line by line: problems first, each with its proof."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from hyperclusters.access.models import Role
from hyperclusters.clusters.preflight import Preflight
from hyperclusters.modelarts import is_subnet_id
from hyperclusters.web.texts.approvals import approval_rule_text
from hyperclusters.web.texts.refusals import rule_text

ORDER = ("bad", "warn", "ok")


@dataclass(frozen=True, slots=True)
class Check:
    """One line: how it looks, what it says, and the line of proof below."""

    kind: str
    text: str
    proof: str = ""
    at: datetime | None = None  # stands in the proof in place of "{time}", as "12 s ago"
    link: Any = None  # a creation or cluster that is in the way
    is_missing: bool = False  # something that has to be typed yet

    @property
    def proof_parts(self) -> tuple[str, str, str]:
        """The proof before its time, and after it."""
        return self.proof.partition("{time}")

    @property
    def would_refuse(self) -> bool:
        """Whether the request would be refused for this."""
        return self.is_missing or self.kind == "bad"


def checks(ahead: Preflight, values: dict[str, str], broken_fields: list[str], trouble: str) -> list[Check]:
    """For what is typed so far. `broken_fields`: fields that break the team's rules; `trouble`: what is wrong with the name."""
    lines = [
        *_name(ahead, values, trouble),
        *_subnet(values.get("hyper_cluster_subnet_id", "")),
        *_rules(ahead, broken_fields),
        *_approval(ahead),
        _access(ahead),
        *_quotas(ahead),
        *_cloud(ahead),
    ]
    return sorted(lines, key=lambda line: ORDER.index(line.kind))


def _name(ahead: Preflight, values: dict[str, str], trouble: str) -> list[Check]:
    name = values.get("name", "")
    if trouble:
        return [Check("bad", _("The name is invalid"))]
    if ahead.open_creation:
        text = _("A creation of %(name)s is not settled yet") % {"name": name}
        return [Check("bad", text, link=ahead.open_creation)]
    if ahead.same_name:
        return [_name_check(ahead, is_overridden=bool(values.get("despite")))]
    if not name or ahead.listed_at is None:
        return []
    return [Check("ok", _("%(name)s is available") % {"name": name}, _("Checked {time}"), ahead.listed_at)]


def _name_check(ahead: Preflight, *, is_overridden: bool) -> Check:
    """A cluster has the name; admins of the team may create another one."""
    text = _("%(name)s already exists in this project") % {"name": ahead.same_name}
    if not ahead.may_override:
        return Check("bad", text, link=ahead.same_name)
    if is_overridden:
        return Check("warn", text, _("Another one of this name is created"), link=ahead.same_name)
    return Check("bad", text, _("Tick the box to create another one"), link=ahead.same_name)


def _subnet(subnet_id: str) -> list[Check]:
    if not subnet_id or is_subnet_id(subnet_id):
        return []
    return [Check("warn", _("Choose or enter a subnet ID, or clear the field"), is_missing=True)]


def _rules(ahead: Preflight, broken_fields: list[str]) -> list[Check]:
    team = ahead.project.team
    lines = [Check("bad", rule_text(team, field)) for field in broken_fields if field != "reason"]
    if "reason" in broken_fields:
        lines.append(Check("warn", rule_text(team, "reason"), is_missing=True))
    if team.allowed_types and "type" not in broken_fields:
        lines.append(Check("ok", _("%(team)s allows this type") % {"team": team.name}))
    if team.reason_required and "reason" not in broken_fields:
        lines.append(Check("ok", _("A reason is given")))
    return lines


def _approval(ahead: Preflight) -> list[Check]:
    """Said before the click: a second person must approve, or nobody could now."""
    if not ahead.approval_rule:
        return []
    team = ahead.project.team
    text = _("Needs approval by an admin of %(team)s other than you") % {"team": team.name}
    why = approval_rule_text(team, ahead.approval_rule)
    if not ahead.has_approver:
        nobody = _("Nobody can approve it now: %(team)s has no other admin") % {"team": team.name}
        return [Check("warn", text, why), Check("warn", nobody)]
    return [Check("warn", text, why)]


def _access(ahead: Preflight) -> Check:
    text = _("You can create in %(team)s") % {"team": ahead.project.team.name}
    role = Role(ahead.role).label if ahead.role else ""
    if ahead.access_expires_at:
        end = _("%(role)s, access ends {time}") % {"role": role}
        return Check("ok", text, end, ahead.access_expires_at)
    return Check("ok", text, _("%(role)s, no end date") % {"role": role})


def _quotas(ahead: Preflight) -> list[Check]:
    project, team = ahead.project, ahead.project.team
    lines = []
    if project.quota is not None:
        lines.append(_quota(ahead.usage, project.quota, _("Project quota")))
    if team.quota is not None and ahead.used_by_team is not None:
        lines.append(_quota(ahead.used_by_team, team.quota, _("Team quota")))
    return lines


def _quota(count: int, quota: int, whose: str) -> Check:
    text = _("%(whose)s: %(used)s of %(quota)s used") % {"whose": whose, "used": count, "quota": quota}
    if not quota:
        none = _("%(whose)s: 0") % {"whose": whose}
        return Check("bad", none, _("No cluster can be created. A platform admin can raise the quota."))
    if count >= quota:
        return Check("bad", text, _("Delete a cluster, or ask a platform admin for more."))
    if count == quota - 1:
        return Check("warn", text, _("Used up after this one"))
    return Check("ok", text)


def _cloud(ahead: Preflight) -> list[Check]:
    project = ahead.project
    if project.is_blocked():
        text = _("Calls to the cloud are paused for this project")
        resumes = _("New creations are refused. Calls resume {time}.")
        return [Check("bad", text, resumes, project.blocked_until)]
    outages = [
        Check(
            "warn",
            _("%(type)s list unavailable") % {"type": each.type},
            _("Last try {time}"),
            each.failed_at,
        )
        for each in ahead.sources
        if each.is_failing
    ]
    if not ahead.has_worker:
        text = _("No worker is running: the request waits until one is back")
        proof = _("Lists read {time}") if ahead.listed_at else ""
        outages.insert(0, Check("warn", text, proof, ahead.listed_at))
    if ahead.listed_at is None:
        never = _("The cloud has not been listed yet, so names can't be checked")
        return [*outages, Check("warn", never)]
    return outages or [Check("ok", _("The cloud answers"), _("Lists read {time}"), ahead.listed_at)]
