"""Lists the projects that a key reaches, so that a platform admin can pick one to connect.

Requested on a page, made by a worker. Until the project is connected the key is in no project's row, so the lookup
keeps it: sealed, for one session, for 15 minutes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from hyperclusters.access.models import Team, User
from hyperclusters.access.permissions import Permission, may, require
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import (
    Answer,
    ClockSkew,
    CloudProject,
    Credentials,
    CredentialsRefused,
    Denied,
    Exchange,
    ModelArtsError,
    iam_endpoint,
    region_of,
)

from .credentials import UnusableKey, seal, unseal
from .models import KeyKind, Project, ProjectLookup
from .models.requested_read import LOOKUP_LIFETIME
from .operations.facts import LEFT_OUT, answer_facts, error_fields
from .operations.transitions import wake_workers
from .projects import NOT_LISTED, checked_key, connect_project
from .upstream import iam_client, is_allowed

# More than five bad signatures in a row lock a key for five minutes (vendor), for the projects too that it serves.
MOST_LOOKUPS, IN = 5, timedelta(minutes=5)
KEY_REFUSED = "iam_refused_key"  # a cause: IAM does not accept the key, which is deleted then


@dataclass(frozen=True, slots=True)
class FoundProject:
    """A project to pick. `connected_as`: its name here, if it is connected already."""

    id: str
    name: str
    is_enabled: bool | None
    connected_as: str

    @property
    def may_be_picked(self) -> bool:
        """Whether it can be connected."""
        return self.is_enabled is not False and not self.connected_as


def ask_projects(
    *,
    by: User,
    session: str,
    endpoint: str,
    region: str,
    credentials: Credentials | None,
    key_until: datetime | None = None,
) -> ProjectLookup:
    """Have a worker ask IAM now, instead of for what this person asked before.

    `endpoint`: of ModelArts. `session`: names the session that may use the answer. Without `credentials` the call is
    signed with the key of the machine that makes it. Raises NotPermitted; ValidationError for an endpoint whose IAM
    is not known or not allowed, for a key that has ended, and for too many lookups.
    """
    require(by, Permission.CONNECT)
    _check_endpoints(endpoint)
    kind, until = checked_key(credentials, key_until)
    now = clock.now()
    lookup = ProjectLookup(
        asked_by=by, session=session, endpoint=endpoint, region=region_of(endpoint) or region,
        key_kind=kind, key_until=until, asked_at=now, run_after=now, expires_at=now + LOOKUP_LIFETIME,
        request_id=request_context.current().request_id,
    )  # fmt: skip
    if credentials is not None:
        lookup.sealed_credentials = seal(credentials, bound_to=lookup.sealed_for)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=by.pk)
        _check_rate()
        ProjectLookup.objects.filter(asked_by=by).delete()
        lookup.save(force_insert=True)
        _note_request(lookup)
        wake_workers()
    return lookup


def find_lookup(*, by: User, session: str, pk: Any) -> ProjectLookup | None:
    """The lookup, if this person asked for it in this session and its time is not over."""
    mine = ProjectLookup.objects.filter(pk=pk, asked_by=by, session=session)
    return mine.unexpired().first()


def ask_again(lookup: ProjectLookup) -> None:
    """Have a worker ask IAM once more with the same key. An open lookup stays as it is. Raises ValidationError for too
    many lookups."""
    with transaction.atomic():
        _check_rate()
        rows = ProjectLookup.objects.unexpired().filter(pk=lookup.pk, done_at__isnull=False)
        fresh = {"rows": None, "cause": "", "code": "", "message": "", "upstream_request_id": ""}
        now = clock.now()
        if rows.update(done_at=None, asked_at=now, run_after=now, lease_expires_at=None, **fresh):
            _note_request(lookup)
            wake_workers()


def found_projects(lookup: ProjectLookup) -> tuple[list[FoundProject], int]:
    """The projects of the lookup's region, by name, and how many belong to other regions. All, if no region is known."""
    rows = [CloudProject(**row) for row in lookup.rows or []]
    here = [row for row in rows if not lookup.region or row.is_in(lookup.region)]
    names = dict(Project.objects.filter(endpoint=lookup.endpoint).values_list("project_id", "name"))
    projects = [FoundProject(row.id, row.name, row.is_enabled, names.get(row.id, "")) for row in here]
    return projects, len(rows) - len(here)


def cancel_lookup(lookup: ProjectLookup) -> None:
    """Delete the lookup and the key in it."""
    ProjectLookup.objects.filter(pk=lookup.pk).delete()


def connect_found(
    *, by: User, lookup: ProjectLookup, name: str, team: Team, project_id: str, quota: int | None
) -> Project | None:
    """Connect a project with the lookup's key, and delete the lookup. None if it was used, cancelled or over meanwhile.

    Raises NotPermitted, ValidationError, UnusableKey; the lookup stays then.
    """
    require(by, Permission.CONNECT)
    with transaction.atomic():
        same = ProjectLookup.objects.select_for_update().filter(pk=lookup.pk, session=lookup.session)
        locked_lookup = same.unexpired().first()
        if locked_lookup is None or not locked_lookup.has_key:
            return None
        project = connect_project(
            by=by,
            name=name,
            team=team,
            endpoint=locked_lookup.endpoint,
            region=locked_lookup.region,
            project_id=project_id,
            quota=quota,
            credentials=_key(locked_lookup),
            key_until=locked_lookup.key_until,
        )
        locked_lookup.delete()
    return project


def run_lookup(lookup: ProjectLookup) -> None:
    """Ask IAM and store its answer. Nothing is sent if who asked may not connect projects any more."""
    if not may(lookup.asked_by, Permission.CONNECT):
        _end(lookup, cause="right_lost")
        return
    if not is_allowed(iam_endpoint(lookup.endpoint)):  # this worker's list may be another
        _end(lookup, cause="no_iam_service")
        return
    try:
        answer = _list_projects(lookup)
    except UnusableKey as error:
        _end(lookup, cause=error.cause)
    except ModelArtsError as error:
        _end(lookup, error=error, cause=KEY_REFUSED if _is_key_refused(error) else "")
    else:
        _end(lookup, rows=[asdict(project) for project in answer.value], exchange=answer.exchange)


def _list_projects(lookup: ProjectLookup) -> Answer[tuple[CloudProject, ...]]:
    """One call, and one more by the cloud's clock if that is what it refuses."""
    key = _key(lookup)
    try:
        return iam_client(lookup.endpoint, key, timedelta(0)).list_projects()
    except ClockSkew as error:
        if error.offset is None:
            raise
        offset = error.offset
    return iam_client(lookup.endpoint, key, offset).list_projects()


def _key(lookup: ProjectLookup) -> Credentials | None:
    """Its key; None for the machine's own. Raises UnusableKey."""
    if lookup.key_kind == KeyKind.MACHINE:
        return None
    if lookup.key_until is not None and lookup.key_until <= clock.now():
        raise UnusableKey("the temporary key has ended", cause="key_ended")
    return unseal(lookup.sealed_credentials, bound_to=lookup.sealed_for)


def _is_key_refused(error: ModelArtsError) -> bool:
    """Whether IAM does not accept the key, by code or by status: IAM has codes of its own, which we do not know."""
    if isinstance(error, ClockSkew):
        return False
    status = error.exchange.status if error.exchange else None
    return isinstance(error, CredentialsRefused) or (isinstance(error, Denied) and status == 401)


def _check_endpoints(endpoint: str) -> None:
    if not is_allowed(endpoint):
        raise ValidationError({"endpoint": NOT_LISTED})
    if not (iam := iam_endpoint(endpoint)):
        text = _(
            "We know IAM only beside the endpoints of the vendor's regions. Type the project ID instead."
        )
        raise ValidationError({"endpoint": text})
    if not is_allowed(iam):
        text = _("%(host)s is not on the operator's list (UPSTREAM_HOSTS). Type the project ID instead.")
        raise ValidationError({"endpoint": text % {"host": iam.removeprefix("https://")}})


def _note_request(lookup: ProjectLookup) -> None:
    facts = {"iam": iam_endpoint(lookup.endpoint), "region": lookup.region, "key": str(lookup.key_kind)}
    record(EventType.PROJECTS_ASKED, Outcome.ACCEPTED, on=lookup, by=lookup.asked_by, after=facts)


def _check_rate() -> None:
    recent = Event.objects.filter(clock.within("at", IN), action=EventType.PROJECTS_ASKED)
    if recent.count() >= MOST_LOOKUPS:
        text = _("IAM was asked too often in the last 5 minutes. Wait, or type the project ID instead.")
        raise ValidationError(text)


def _end(
    lookup: ProjectLookup,
    *,
    rows: list[dict[str, Any]] | None = None,
    exchange: Exchange | None = None,
    cause: str = "",
    error: ModelArtsError | None = None,
) -> None:
    exchange = error.exchange if error else exchange
    upstream_request_id = exchange.request_id[:128] if exchange else ""
    facts: dict[str, Any] = error_fields(error, cause=cause)
    if cause == KEY_REFUSED:
        facts["sealed_credentials"] = ""  # good for nothing
    row = ProjectLookup.objects.filter(pk=lookup.pk)
    values = facts | {"done_at": clock.now(), "rows": rows, "upstream_request_id": upstream_request_id}
    with transaction.atomic():
        if not row.filter(done_at__isnull=True).update(**values) and row.exists():
            return  # our lease lapsed, and another worker asked
        record(
            EventType.PROJECTS_ANSWERED,
            Outcome.FAILED if rows is None else Outcome.DONE,
            on=lookup,
            by=lookup.asked_by,
            evidence=facts["code"] or facts["cause"],
            after=None if rows is None else {"projects": len(rows)},
            response=_response(exchange, error, cause),
            upstream_request_id=upstream_request_id,
        )


def _response(exchange: Exchange | None, error: ModelArtsError | None, cause: str) -> dict[str, Any]:
    """What the ledger stores of the answer. Not the projects, read or unreadable: most of them are none of ours."""
    if error is not None:
        facts = answer_facts(exchange, error) or {}
        if facts.get("status") == HTTPStatus.OK:
            facts["body"] = LEFT_OUT
            if not error.code:  # then its words may be the body's
                facts["message"] = LEFT_OUT
        return facts
    return (
        {"status": exchange.status, "seconds": round(exchange.elapsed, 3)} if exchange else {"cause": cause}
    )
