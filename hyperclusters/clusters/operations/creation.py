"""What only creations do: list first, send a create, and look for its cluster in the list."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import breaker, quotas
from hyperclusters.clusters.errors import QuotaReached
from hyperclusters.clusters.failpoints import failpoint
from hyperclusters.clusters.inventory import AlreadyBound, bind, unbind
from hyperclusters.clusters.models import Approval, Creation, Evidence, Project, State
from hyperclusters.clusters.operations import contradictions, evidence
from hyperclusters.clusters.operations.engine import Engine
from hyperclusters.clusters.operations.kind import MayBegin
from hyperclusters.clusters.operations.resolution import Resolution, as_undecided, cluster_facts
from hyperclusters.clusters.operations.sightings import look_up, remember_sought
from hyperclusters.clusters.operations.transitions import StaleState, transition
from hyperclusters.modelarts import (
    Answer,
    Client,
    HyperCluster,
    ModelArtsError,
)


class CreationEngine(Engine[Creation]):
    """Takes creations to a verdict."""

    rows = Creation.objects.all()
    verb = "create"

    def objection(self, operation: Creation) -> Resolution | None:
        """The person's permission, and the team's current rules."""
        is_retired = Project.objects.filter(pk=operation.project_id, retired_at__isnull=False).exists()
        return self._objection(operation, is_retired=is_retired)

    def _objection(self, operation: Creation, *, is_retired: bool) -> Resolution | None:
        """The same, for a caller that knows whether the project is retired."""
        if is_retired:
            return self.refusal(operation, "project_retired")
        values = {"name": operation.name, "type": operation.type, "reason": operation.reason}
        objection = super().objection(operation)
        if objection is None and quotas.broken_rules(operation.team, **values):
            objection = self.refusal(operation, "rules_tightened")
        return objection or self.approval_objection(operation)

    def approval_objection(self, operation: Creation) -> Resolution | None:
        """Why it waits for another admin: nobody has approved, or who did may not any more. What a process of the
        release before accepted is judged by today's rules."""
        if operation.approval == Approval.NOT_NEEDED:
            return None
        if operation.approval is None:
            rule = quotas.approval_rule(operation.team, type=operation.type, beside=0)
            return self.wait_for_approval(operation, rule, "approval_needed") if rule else None
        approver = operation.approval_by
        if (
            operation.approval == Approval.APPROVED
            and approver
            and not operation.approval_objection(approver)
        ):
            return None
        cause = "approver_lost" if approver else "approval_needed"
        return self.wait_for_approval(operation, operation.approval_rule, cause)

    def wait_for_approval(self, operation: Creation, rule: str, cause: str) -> Resolution:
        """It stays in the queue, out of the workers' reach."""
        approval = {"approval": Approval.WAITING, "approval_rule": rule, "approval_at": clock.now()}
        nobody = {"approval_by": None, "approval_reason": "", "approver_told_at": None, "maker_told_at": None}
        return Resolution(
            State.QUEUED,
            EventType.CREATE_APPROVAL_NEEDED,
            Outcome.NOTED,
            evidence=evidence.of_attempts(operation) if operation.attempts else None,
            cause=cause,
            after={"approval": {"rule": rule}},
            changes=approval | nobody,
        )

    def prepare(self, operation: Creation, client: Client, may_begin: MayBegin) -> Resolution | None:
        """Store the IDs that are there already: a new one of this name beside them afterwards is ours. Of other names only
        those that were unknown at the click: they can take this name later.

        One of this name that was unknown when this was requested takes the name, whoever made it: it may be this creation's own,
        if the database is a backup from before it was sent.
        """
        project = operation.project
        present: dict[str, str] = {}
        for number, kind in enumerate(operation.listed_types):
            if number and not may_begin():
                return None
            try:
                items = client.list(type=kind).value
            except ModelArtsError as error:
                old_offset = project.clock_offset
                breaker.record_failure(project, error)
                return self.not_listed(operation, error, old_offset)
            failpoint("baseline_listed")
            breaker.record_success(project)
            remember_sought(operation, items)
            present |= {item.id: item.name for item in items}
        operation.namesakes = [each for each, name in present.items() if name == operation.name]
        if unknown := sorted(set(operation.namesakes) - set(operation.baseline)):
            refusal = self.refusal(operation, "name_appeared")
            return replace(refusal, evidence=Evidence.LISTED, after={"found_ids": unknown})
        operation.baseline = [*operation.namesakes, *evidence.unknown_at_click(operation, present)]
        return None

    def not_listed(
        self, operation: Creation, error: ModelArtsError, old_offset: timedelta, cause: str = ""
    ) -> Resolution:
        """Its evidence is what the earlier attempts prove."""
        resolution = super().not_listed(operation, error, old_offset, cause)
        if resolution.state == State.QUEUED and operation.evidence:
            resolution = replace(resolution, evidence=Evidence(operation.evidence))
        return resolution

    def final_objection(self, operation: Creation) -> Resolution | None:
        """Whatever has changed while the cloud was listed: a permission, a rule, an approval. The creation counts itself, so
        only a lower quota than at the click can refuse it."""
        project = quotas.read_project(operation.project, for_approval=False)
        if project.key_since != operation.project.key_since:
            raise StaleState("the project's key was replaced")
        operation.project.team = project.team
        if objection := self._objection(operation, is_retired=project.retired_at is not None):
            return objection
        try:
            quotas.check_room(project, quotas.count(project))
        except QuotaReached:
            return self.refusal(operation, "quota_lowered")
        return None

    def intent(self, operation: Creation) -> tuple[dict[str, Any], dict[str, Any]]:
        """The baseline; its event names those of this name."""
        return {"baseline": operation.baseline}, {"baseline": operation.namesakes}

    def call(self, operation: Creation, client: Client) -> Answer[HyperCluster]:
        return client.create(
            name=operation.name,
            type=operation.stated_type,
            subnet_id=operation.subnet_id,
            signed_at=operation.signed_at,
        )

    def success(self, operation: Creation, answer: Answer[HyperCluster], began_at: datetime) -> Resolution:
        """A valid answer proves the creation, unless its cluster was known before this attempt began."""
        item = answer.value
        resolution = Resolution(
            State.CREATED,
            EventType.CREATE_SUCCEEDED,
            Outcome.DONE,
            evidence=Evidence.REPLY,
            exchange=answer.exchange,
            cluster=item,
            cause="odd_id" if item.odd_id else "",
        )
        return (
            as_undecided(resolution, "known_id")
            if evidence.is_known(operation, item.id, before=began_at)
            else resolution
        )

    def failure(self, operation: Creation, error: ModelArtsError) -> Resolution:
        """A refusal is evidence for all attempts so far."""
        resolution = super().failure(operation, error)
        if resolution.state == State.UNKNOWN:
            return resolution
        return replace(resolution, evidence=evidence.of_refusal(operation, error))

    def refusal(self, operation: Creation, cause: str, error: ModelArtsError | None = None) -> Resolution:
        """Its evidence is what the earlier attempts prove."""
        return replace(super().refusal(operation, cause, error), evidence=evidence.of_attempts(operation))

    def observe(self, operation: Creation, client: Client, started_at: datetime) -> Resolution | None:
        """Look for the cluster in the cloud's list.

        The list of the type that was sent is the proof, as the cloud keeps the types apart; both lists, where no type
        was sent. Reported IDs that the list lacks are asked for one by one, and before a creation is called absent the
        other type's list is read as well.
        """
        lists = []
        for kind in operation.listed_types:
            try:
                lists.append(client.list(type=kind))
            except ModelArtsError as error:  # a list that failed proves nothing
                breaker.record_failure(operation.project, error)
                return None
            breaker.record_success(operation.project)
            remember_sought(operation, lists[-1].value)
        failpoint("look_listed")
        operation.polls += 1
        exchanges = [answer.exchange for answer in lists]
        is_last = operation.polls > 1 and evidence.is_past_horizon(operation, started_at, *exchanges)
        sightings = look_up(operation, client, lists, is_last=is_last)
        namesakes = evidence.candidates(operation, sightings.clusters)
        operation.candidates = _with_candidates(operation.candidates, namesakes)
        return evidence.weigh(operation, sightings)

    def poll(self, operation: Creation) -> None:
        with suppress(AlreadyBound):  # another creation made this cluster, as found meanwhile
            super().poll(operation)

    def progress(self, operation: Creation) -> dict[str, Any]:
        """Its candidates so far, which a later list may lack."""
        return super().progress(operation) | {"candidates": operation.candidates}

    def columns(self, operation: Creation, resolution: Resolution) -> dict[str, Any]:
        """Its evidence and its candidates: all that were seen, unless an answer or a list tells which it is."""
        is_told = resolution.state == State.CREATED and resolution.evidence != Evidence.HUMAN
        candidates = [] if is_told or resolution.state == State.QUEUED else operation.candidates
        return {
            "evidence": resolution.evidence or "",
            "candidates": _with_candidates(candidates, resolution.candidates),
            "reported_ids": _reported_ids(operation, resolution),
        }

    def follow(self, operation: Creation, resolution: Resolution) -> None:
        """Bind the cluster to its creation. Raises AlreadyBound. A refusal is compared with what was seen."""
        if resolution.state == State.CREATED and resolution.cluster:
            bind(operation, resolution.cluster)
        elif resolution.state in contradictions.ENDED_WITHOUT:
            contradictions.flag_denial(operation)

    def apply_result(self, key: UUID, result: Resolution) -> Creation:
        try:
            return super().apply_result(key, result)
        except AlreadyBound:  # the cloud named one cluster in answers to two creations
            return super().apply_result(key, as_undecided(result, "known_id"))

    def reconcile_late_result(self, operation: Creation, result: Resolution) -> None:
        """Record a confirmation or a contradiction beside the verdict; the stronger evidence stands."""
        contradicts = contradictions.contradicts(result, operation)
        stronger = result.is_verdict and contradictions.is_stronger(result, operation)
        event, outcome, facts = result.event, Outcome.NOTED, result.as_audit_json()
        changes: dict[str, Any] = {"evidence": result.evidence} if stronger else {}
        if result.is_verdict:
            facts["after"]["found"] = str(result.state)
        if contradicts:
            event, outcome = EventType.CREATE_CONTRADICTED, Outcome.FAILED
            changes["conflict_at"] = clock.now()
            cluster = getattr(operation, "cluster", None)
            if stronger and cluster and not result.cluster:  # it is somebody else's
                facts["after"]["cluster"] = {"id": cluster.cluster_id}
        elif result.is_verdict or result.proves_nothing_done:
            event = EventType.CREATE_CONFIRMED
        with transaction.atomic():
            transition(
                operation,
                result.state if stronger else operation.state,
                event,
                outcome,
                facts=facts,
                answered_attempts=max(operation.answered_attempts, result.attempt),
                reported_ids=_reported_ids(operation, result),
                **changes,
            )
            if stronger and contradicts and result.cluster:
                bind(operation, result.cluster)
            elif stronger and contradicts:
                unbind(operation)


CREATIONS = CreationEngine()


def _with_candidates(facts: list[dict[str, Any]], items: Iterable[HyperCluster]) -> list[dict[str, Any]]:
    """Candidates, as a row stores them, and more: each once."""
    return list({each["id"]: each for each in [*facts, *map(cluster_facts, items)]}.values())


def _reported_ids(creation: Creation, resolution: Resolution) -> list[str]:
    return list(dict.fromkeys([*creation.reported_ids, *resolution.cluster_ids]))
