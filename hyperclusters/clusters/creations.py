"""What people do with creations: request, withdraw, check now, decide."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may, require
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import ClusterType, InvalidRequest, canonical_id, create_request

from . import quotas
from .approvals import approval_columns
from .errors import (
    AgainstRules,
    Blocked,
    CreationRefused,
    InvalidValues,
    NameTaken,
    NameUnresolved,
    NotACandidate,
    ProjectRetired,
    TokenUsed,
    TooMany,
    record_refusal,
)
from .failpoints import failpoint
from .inventory import AlreadyBound
from .models import Creation, Evidence, Project, State
from .operations.contradictions import flag_denial
from .operations.creation import CREATIONS
from .operations.evidence import of_attempts
from .operations.resolution import Resolution, cluster_from
from .operations.transitions import StaleState, transition, wake_workers
from .readback import hold_until_commit, read_back


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a person requests, as typed. `request_creation` checks it against the vendor's grammar."""

    name: str
    type: str  # empty: not stated
    subnet_id: str = ""
    reason: str = ""


def request_creation(
    *,
    person: User,
    project: Project,
    wish: CreateRequest,
    token: UUID,
    again_of: Creation | None = None,
    despite_cluster: bool = False,
    token_maker: int | None = None,
) -> Creation:
    """Commit the intent to create and its audit event; the worker does the rest. The same token gives the same row.

    `token_maker`: the ID of who made the API token, if one is used; it decides who may approve. `despite_cluster`:
    create although a live cluster has this name; only people who decide in the team may. Raises NotPermitted or
    CreationRefused: each has its audit event. Then, and after a database error, nothing is sent.
    """
    facts = _facts(person, project, wish)
    with record_refusal(
        denial_event=EventType.CREATE_DENIED, refusal_event=EventType.CREATE_REFUSED, **facts
    ):
        _check_grammar(project, wish)
        try:
            with transaction.atomic(durable=True):
                return _accept(person, project, wish, token, again_of, despite_cluster, token_maker)
        except CreationRefused as refusal:
            return _earlier_or_refuse(refusal, person, project, wish, token)


def find_same(*, person: User, project: Project, wish: CreateRequest, token: UUID) -> Creation | None:
    """As `find_recorded`, for a token that an earlier request may have used. Raises TokenUsed if that asked for another
    thing."""
    earlier = find_recorded(person=person, token=token)
    return _same_or_refuse(earlier, person, project, wish) if earlier else None


def find_recorded(*, person: User, token: UUID) -> Creation | None:
    """The creation that this person's form recorded, read after a COMMIT without an answer.

    Waits a while for a transaction that is still open. Raises DatabaseError if it cannot be known yet.
    """
    return read_back(token, Creation.objects.filter(token=token, requested_by=person).first)


def note_attempt(
    *,
    person: User,
    project: Project | None,
    values: dict[str, str],
    errors: dict[str, list[str]] | None = None,
) -> None:
    """Record a form that could not become a request: what was tried and why it was not accepted.

    `values` by the names of the form's fields, of any length. With `errors` the content was refused; without, the
    person was denied.
    """
    short = {name: text[:500] for name, text in values.items()}
    wish = CreateRequest(
        name=short.get("name", ""),
        type=short.get("type", ""),
        subnet_id=short.get("hyper_cluster_subnet_id", ""),
        reason=short.get("reason", ""),
    )
    cause, event, outcome = "not_permitted", EventType.CREATE_DENIED, Outcome.DENIED
    if errors:
        cause, event, outcome = "invalid", EventType.CREATE_REFUSED, Outcome.REFUSED
    response = {"cause": cause, "project": short.get("project", "")} | ({"errors": errors} if errors else {})
    record(event, outcome, response=response, evidence=cause, **_facts(person, project, wish))


def withdraw(creation: Creation, *, by: User) -> None:
    """Withdraw a creation while it waits to be sent, or to be sent again. Raises NotPermitted; StaleState if it no
    longer waits."""
    require(by, Permission.VIEW, creation.team)
    if by != creation.requested_by:
        require(by, Permission.DECIDE, creation.team)
    if creation.state != State.QUEUED:
        raise StaleState(f"creation {creation.pk} is {creation.state}")
    with transaction.atomic():
        transition(
            creation,
            State.CANCELLED,
            EventType.CREATE_WITHDRAWN,
            Outcome.DONE,
            facts={"by": by, "after": {"sends": creation.attempts}},
            evidence=of_attempts(creation),
            settled_at=clock.now(),
            lease_holder="",
            lease_expires_at=None,
        )
        flag_denial(creation)


def look_now(creation: Creation, *, by: User) -> None:
    """Have the worker check an unresolved creation at once; a settled one stays as it is. Raises NotPermitted."""
    require(by, Permission.VIEW, creation.team)
    unknown = Creation.objects.filter(pk=creation.pk, state=State.UNKNOWN)
    with transaction.atomic():
        if unknown.update(run_after=clock.now()):
            record(EventType.CREATE_LOOK_ASKED, Outcome.ACCEPTED, on=creation, by=by)
            wake_workers()


def decide(
    creation: Creation, *, by: User, cluster_id: str, reason: str = "", seen_version: int | None = None
) -> None:
    """Choose the candidate that an undecided creation made; empty: none of them. Raises NotPermitted, NotACandidate,
    StaleState. `seen_version`: of the candidates that the person saw."""
    require(by, Permission.DECIDE, creation.team)
    if creation.state != State.NEEDS_ATTENTION or seen_version not in {None, creation.version}:
        raise StaleState(f"creation {creation.pk} is {creation.state}")
    choice = next((facts for facts in creation.candidates if facts["id"] == cluster_id), None)
    if cluster_id and choice is None:
        raise NotACandidate(cluster_id)
    decision = Resolution(
        State.CREATED if choice else State.NOT_CREATED,
        EventType.CREATE_DECIDED,
        Outcome.DONE,
        evidence=Evidence.HUMAN,
        cluster=cluster_from(choice) if choice else None,
        candidates=tuple(map(cluster_from, creation.candidates)),
        person=by,
        reason=reason,
    )
    try:
        CREATIONS.resolve(creation, decision)
    except AlreadyBound as error:
        raise NotACandidate(cluster_id) from error


def _accept(
    person: User,
    project: Project,
    wish: CreateRequest,
    token: UUID,
    again_of: Creation | None,
    despite_cluster: bool,
    token_maker: int | None,
) -> Creation:
    """Insert before looking for clusters: the unique constraints decide about the token and the name without a lock,
    and a creation that settles at this moment is either in the way, or its cluster is found."""
    hold_until_commit(token)
    project = quotas.read_project(project, for_approval=True)
    require(person, Permission.CREATE, project.team)
    failpoint("request_checked")
    _require_allowed(person, project, wish)
    in_project, in_team = quotas.count(project)
    approval = approval_columns(person, project, kind=wish.type, clusters=in_team, token_maker=token_maker)
    try:
        creation = Creation.objects.create(
            request_id=request_context.current().request_id,
            project=project,
            requested_by=person,
            token=token,
            again_of=again_of,
            **asdict(wish),
            **approval,
        )
    except IntegrityError:
        raise TokenUsed(None) from None
    failpoint("request_saved")
    may_share = despite_cluster and may(person, Permission.DECIDE, project.team)
    despite = _require_name(creation, may_share_name=may_share)
    quotas.check_room(project, quotas.Totals(in_project + 1, in_team + 1))
    _record_acceptance(creation, wish, despite)
    failpoint("request_recorded")
    wake_workers()
    return creation


def _record_acceptance(creation: Creation, wish: CreateRequest, despite: str) -> None:
    again_of = str(creation.again_of.pk) if creation.again_of else ""
    after: dict[str, Any] = {"state": creation.state, "again_of": again_of, "despite": despite}
    if creation.approval_rule:
        after["approval"] = {"rule": creation.approval_rule}
    facts = _facts(creation.requested_by, creation.project, wish) | {"on": creation}
    record(EventType.CREATE_REQUESTED, Outcome.ACCEPTED, after=after, **facts)


def _require_name(creation: Creation, *, may_share_name: bool) -> str:
    """Store the clusters of its name as its baseline, also gone ones. Returns the live one's ID, if there is one.
    Raises NameTaken."""
    namesakes = list(creation.project.clusters.filter(name=creation.name))
    live = next((cluster for cluster in namesakes if cluster.gone_at is None), None)
    if live and not may_share_name:
        raise NameTaken(live)
    if namesakes:
        creation.baseline = [canonical_id(cluster.cluster_id) for cluster in namesakes]
        creation.save(update_fields=["baseline"])
    return live.cluster_id if live else ""


def _earlier_or_refuse(
    refusal: CreationRefused, person: User, project: Project, wish: CreateRequest, token: UUID
) -> Creation:
    """The creation of this token, whatever prevents another one. Raises CreationRefused."""
    if earlier := Creation.objects.filter(token=token).first():
        return _same_or_refuse(earlier, person, project, wish)
    if isinstance(refusal, TokenUsed):  # not the token, so the name, of a creation that may be settled now
        raise NameUnresolved(project.creations.filter(name=wish.name)[0]) from None
    raise refusal


def _require_allowed(person: User, project: Project, wish: CreateRequest) -> None:
    """Raise CreationRefused if the team's rules, the person's rate or the circuit breaker forbid it."""
    if fields := quotas.broken_rules(project.team, name=wish.name, type=wish.type, reason=wish.reason):
        raise AgainstRules(project.team, fields)
    lately = clock.within("requested_at", timedelta(minutes=1))
    if 0 < settings.CREATIONS_PER_MINUTE <= Creation.objects.filter(lately, requested_by=person).count():
        raise TooMany("too many creations within a minute")
    if project.retired_at:
        raise ProjectRetired
    if project.is_blocked():
        raise Blocked(project)


def _same_or_refuse(earlier: Creation, person: User, project: Project, wish: CreateRequest) -> Creation:
    if earlier.requested_by_id != person.pk:
        raise TokenUsed(None)
    was = CreateRequest(earlier.name, earlier.type, earlier.subnet_id, earlier.reason)
    if earlier.project_id != project.pk or was != wish:
        raise TokenUsed(earlier)
    return earlier


def _check_grammar(project: Project, wish: CreateRequest) -> None:
    try:
        create_request(
            project_id=project.project_id,
            name=wish.name,
            type=ClusterType(wish.type) if wish.type else None,
            subnet_id=wish.subnet_id,
        )
    except (InvalidRequest, ValueError) as error:
        raise InvalidValues({getattr(error, "field", "type"): [str(error)]}) from None


def _facts(person: User, project: Project | None, wish: CreateRequest) -> dict[str, Any]:
    """The facts of every event about a request that did not become a creation."""
    values = {"name": wish.name, "type": wish.type, "hyper_cluster_subnet_id": wish.subnet_id}
    return {
        "by": person,
        "on": Subject("cluster", "", wish.name, project.team if project else None, project),
        "reason": wish.reason,
        "request": values | ({"project": project.name} if project else {}),
    }
