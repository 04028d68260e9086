"""A cluster that comes up although a creation was settled without one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import HyperCluster

from .models import Creation, Evidence, Source, State

ENDED_WITHOUT = (State.FAILED, State.REFUSED, State.CANCELLED)


def flag_contradictions(source: Source, items: Sequence[HyperCluster], at: datetime) -> None:
    """Flag the creations that were declared not to have made these, which the source lists for the first time at `at`.

    One whose attempts the cloud refused is flagged until its horizon: after it, the name is free for others.
    """
    names = [item.name for item in items]
    absent = Q(state=State.NOT_CREATED) & (Q(name__in=names) | ~Q(reported_ids=[]))
    refused = Q(state__in=ENDED_WITHOUT, sends__gt=0, name__in=names, type=source.type, horizon_at__gt=at)
    suspects = source.project.creations.filter(
        absent | (refused & ~Q(evidence=Evidence.NOT_SENT)), conflict_at__isnull=True
    )
    for creation in suspects.select_related("project__team", "requested_by"):
        ruled_out = {candidate["id"] for candidate in creation.candidates}.union(creation.baseline)
        for item in items:
            is_named = item.name == creation.name or item.id in creation.reported_ids
            if is_named and item.id not in ruled_out:
                _flag(creation, item)
                break


def _flag(creation: Creation, item: HyperCluster) -> None:
    Creation.objects.filter(pk=creation.pk).update(conflict_at=clock.now())
    record(
        Did.CREATE_CONTRADICTED,
        Outcome.FAILED,
        person=creation.requested_by,
        team=creation.team,
        project=creation.project,
        subject=Subject("creation", str(creation.pk), creation.name),
        after={"state": creation.state, "found": item.id},
        evidence="listed",
    )
