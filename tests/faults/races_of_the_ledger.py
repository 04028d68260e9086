"""Races for the end of the audit's chain, among transactions that lock other rows before and after they record."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db import transaction

from hyperclusters.access.models import Role
from hyperclusters.access.services import end_grant, grant
from hyperclusters.audit import anchors
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ChainHead, Event
from hyperclusters.audit.verification import verify
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Project
from tests.faults.concurrency import run_concurrently
from tests.faults.races import RaceSetup, race, wrong


def _record(stage: RaceSetup, mark: str) -> None:
    record(EventType.SIGNED_OUT, Outcome.DONE, on=Subject("race", mark, stage.scene["project_id"]))


def _lock(stage: RaceSetup) -> None:
    Project.objects.filter(pk=stage.scene["project"]).update(failures=0)


def lock_then_record(stage: RaceSetup) -> None:
    with transaction.atomic():
        _lock(stage)
        _record(stage, "1")


def record_then_lock(stage: RaceSetup) -> None:
    with transaction.atomic():
        _record(stage, "2")
        _lock(stage)
        _record(stage, "3")


def record_and_undo(stage: RaceSetup) -> None:
    with transaction.atomic():
        _record(stage, "4")
        _lock(stage)
        transaction.set_rollback(True)


@race
def appends(stage: RaceSetup) -> list[str]:
    """Fifty at once, some locking before they record, some after, some undone: no deadlock, no gap, no fork."""
    acts = [partial(act, stage) for act in (lock_then_record, record_then_lock, record_and_undo)]
    got = run_concurrently(*(acts * 17)[:50])
    mine = Event.objects.filter(object_kind="race", object_name=stage.scene["project_id"])
    return wrong(
        no_one_fails=all(each is None for each in got),
        G19_all_are_there=mine.count() == 17 + 2 * 17,
        G21_no_gap=Event.objects.count() == ChainHead.objects.get().seq,
    )


@race
def appends_and_verification(stage: RaceSetup) -> list[str]:
    """A verification or an anchor in the midst of appends raises no false alarm."""
    names: list[str] = []

    def look() -> None:
        for _ in range(5):
            anchors.anchor()
            names.extend(str(issue) for issue in verify().findings)

    got = run_concurrently(look, look, *[partial(lock_then_record, stage)] * 10)
    return [*wrong(no_one_fails=all(each is None for each in got)), *names]


@race
def grants(stage: RaceSetup) -> list[str]:
    """Services that record several times over rows that others want as well."""
    ada, team = stage.ada, stage.project.team
    held = ada.grants.select_related("person", "team").get(team=team, ended_at=None)

    def give() -> None:
        grant(person=ada, role=Role(held.role), team=team, reason="race")

    acts: list[Callable[[], object]] = [partial(end_grant, held, reason="race"), give, give, stage.ask]
    got = run_concurrently(*acts * 2)
    names = {type(each).__name__ for each in got}
    return wrong(no_deadlock=not names & {"OperationalError", "InternalError"})
