"""Connects cloud projects to teams and changes them. Only platform admins may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.models import Team, User
from hyperclusters.access.permissions import Permission, require
from hyperclusters.access.rules import save_valid
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import ENDPOINTS, ClusterType, Credentials

from .credentials import UnusableKey, key_ids, seal, unseal
from .models import ClusterListing, KeyKind, Project
from .upstream import bound_to, is_allowed

LONGEST_KEY = timedelta(hours=24)  # the life of a temporary key is 15 minutes to 24 hours (vendor)
KEY_REFUSED = "APIGW.0301"
REGIONS = tuple(ENDPOINTS)
NOT_LISTED = gettext_lazy("This endpoint is not on the list of hosts that may be called.")


def known_endpoints() -> dict[str, str]:
    """The regions that have ModelArts and whose endpoints the operator allows, with these endpoints."""
    return {region: endpoint for region, endpoint in ENDPOINTS.items() if is_allowed(endpoint)}


def connect_project(
    *,
    by: User,
    name: str,
    team: Team,
    endpoint: str,
    project_id: str,
    credentials: Credentials | None,
    key_until: datetime | None = None,
    region: str = "",
    quota: int | None = None,
) -> Project:
    """Connect a project. Without `credentials` its calls are signed with the key of the machine that makes them.

    `key_until`: when a temporary key expires. Raises NotPermitted; ValidationError for a malformed value or an
    endpoint that is not allowed.
    """
    require(by, Permission.CONNECT)
    if not is_allowed(endpoint):
        raise ValidationError({"endpoint": NOT_LISTED})
    project = Project(
        name=name, team=team, endpoint=endpoint, region=region, project_id=project_id, quota=quota
    )
    _set_key(project, credentials, key_until)
    with transaction.atomic():
        save_valid(project)
        ClusterListing.objects.bulk_create(
            ClusterListing(project=project, type=kind, run_after=clock.now()) for kind in ClusterType
        )
        record(
            EventType.PROJECT_CONNECTED,
            Outcome.DONE,
            on=project,
            by=by,
            after={"endpoint": endpoint, "project_id": project_id} | _facts(project) | _key_facts(project),
        )
    return project


def change_project(
    *,
    by: User,
    project: Project,
    name: str,
    team: Team,
    region: str,
    quota: int | None,
    reads_traces: bool,
) -> bool:
    """Change what may change: the key is sealed for endpoint and project ID, and the clusters belong to them.

    `reads_traces`: whether admins and auditors may ask CTS with the project's key.

    Returns whether anything was different. Raises NotPermitted, ValidationError.
    """
    require(by, Permission.CONNECT)
    with transaction.atomic():
        locked_project = Project.objects.select_for_update().select_related("team").get(pk=project.pk)
        before = _facts(locked_project)
        locked_project.name, locked_project.team, locked_project.region = name, team, region
        locked_project.quota, locked_project.reads_traces = quota, reads_traces
        after = _facts(locked_project)
        if after == before:
            return False
        save_valid(locked_project, ["name", "team", "region", "quota", "reads_traces"])
        record(EventType.PROJECT_CHANGED, Outcome.DONE, on=locked_project, by=by, before=before, after=after)
    return True


def replace_key(
    *, by: User, project: Project, credentials: Credentials | None, key_until: datetime | None = None
) -> None:
    """Sign with another key from now on; calls that were stopped because of the old key resume.

    Until the cloud has answered with the new key, one call at a time is made. Raises NotPermitted, ValidationError.
    """
    require(by, Permission.CONNECT)
    with transaction.atomic():
        locked_project = Project.objects.select_for_update().select_related("team").get(pk=project.pk)
        before = _key_facts(locked_project)
        _set_key(locked_project, credentials, key_until)
        locked_project.full_clean()
        was_refused = locked_project.blocked_code == KEY_REFUSED
        if was_refused:
            locked_project.blocked_until, locked_project.blocked_cause, locked_project.blocked_code = (
                None,
                "",
                "",
            )
        locked_project.trusted, locked_project.probe_until, locked_project.failures = False, None, 0
        locked_project.save()
        ClusterListing.objects.filter(project=locked_project).update(run_after=clock.now())
        record(
            EventType.PROJECT_KEY_REPLACED,
            Outcome.DONE,
            on=locked_project,
            by=by,
            before=before,
            after=_key_facts(locked_project) | ({"calls": "resumed"} if was_refused else {}),
        )


def reseal_keys() -> Iterator[tuple[Project, bool]]:
    """Encrypt every project's key with the newest of CREDENTIAL_KEYS: yields each project that needs it, and whether
    it worked. Each is committed by itself: after an interruption, call it again."""
    stale = Project.objects.exclude(sealed_with=key_ids()[0]).exclude(key_kind=KeyKind.MACHINE)
    for pk in list(stale.order_by("pk").values_list("pk", flat=True)):
        yield _reseal(pk)


def _reseal(pk: int) -> tuple[Project, bool]:
    with transaction.atomic():
        locked_project = Project.objects.select_for_update().select_related("team").get(pk=pk)
        before, newest = locked_project.sealed_with, key_ids()[0]
        if before == newest or locked_project.key_kind == KeyKind.MACHINE:
            return locked_project, True  # somebody replaced the key meanwhile
        try:
            credentials = unseal(locked_project.sealed_credentials, bound_to=_sealed_for(locked_project))
        except UnusableKey:
            return locked_project, False
        locked_project.sealed_credentials = seal(credentials, bound_to=_sealed_for(locked_project))
        locked_project.sealed_with = newest
        locked_project.save(update_fields=["sealed_credentials", "sealed_with"])
        record(
            EventType.PROJECT_KEY_RESEALED,
            Outcome.DONE,
            on=locked_project,
            before={"sealed_with": before},
            after={"sealed_with": newest},
        )
    return locked_project, True


def unreadable() -> list[str]:
    """Names of the projects whose key none of CREDENTIAL_KEYS opens."""
    # Only these columns: `check` runs also before a migration adds others.
    projects = Project.objects.only("name", "endpoint", "project_id", "sealed_credentials")
    projects = projects.exclude(key_kind=KeyKind.MACHINE).exclude(sealed_with__in=key_ids())
    return [project.name for project in projects if not _opens(project)]


def _sealed_for(project: Project) -> str:
    return bound_to(endpoint=project.endpoint, project_id=project.project_id)


def _opens(project: Project) -> bool:
    try:
        unseal(project.sealed_credentials, bound_to=_sealed_for(project))
    except UnusableKey:
        return False
    return True


def _set_key(project: Project, credentials: Credentials | None, until: datetime | None) -> None:
    project.key_since = clock.now()
    project.key_kind, project.key_until = checked_key(credentials, until)
    if credentials is None:
        project.sealed_credentials, project.sealed_with = "", ""
        return
    project.sealed_credentials = seal(credentials, bound_to=_sealed_for(project))
    project.sealed_with = key_ids()[0]


def checked_key(credentials: Credentials | None, until: datetime | None) -> tuple[KeyKind, datetime | None]:
    """The kind of a key, and when it ends. Raises ValidationError for an end that cannot be, or if no machine's key
    can be had."""
    if credentials is None:
        if not settings.METADATA_ENDPOINT:
            raise ValidationError(
                {"key_kind": _("METADATA_ENDPOINT is not set, so no machine's key can be had.")}
            )
        return KeyKind.MACHINE, None
    if credentials.security_token:
        return KeyKind.TEMPORARY, _checked_end(until)
    return KeyKind.STATIC, None


def _checked_end(until: datetime | None) -> datetime:
    now = clock.now()
    if until is None or not now < until <= now + LONGEST_KEY:
        raise ValidationError({"key_until": _("A temporary key ends within the next 24 hours.")})
    return until


def _facts(project: Project) -> dict[str, Any]:
    return {
        "name": project.name,
        "team": project.team.name,
        "region": project.region,
        "quota": project.quota,
        "reads_traces": project.reads_traces,
    }


def _key_facts(project: Project) -> dict[str, Any]:
    """What the ledger stores of a key: never the key."""
    return {
        "key": str(project.key_kind),
        "key_until": project.key_until.isoformat() if project.key_until else "",
        "sealed_with": project.sealed_with,
    }
