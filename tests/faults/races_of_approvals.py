"""Races of approvals: several people and workers decide about one creation at the same moment."""

from __future__ import annotations

from functools import partial

from hyperclusters.access.models import Grant, Team, User
from hyperclusters.access.services import end_grant
from hyperclusters.clusters.approvals import approve, decline
from hyperclusters.clusters.creations import withdraw
from hyperclusters.clusters.models import Approval, Creation, State
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.clusters.worker import run_due
from tests.faults.concurrency import run_concurrently
from tests.faults.jobs import ask_for_approval
from tests.faults.races import RaceSetup, race, wrong


def admin(stage: RaceSetup) -> User:
    """The rule for the team, and one more admin who can approve."""
    return User.objects.get(pk=ask_for_approval(stage.scene["team"]))


@race
def approvers(stage: RaceSetup) -> list[str]:
    admins = [admin(stage) for _ in range(4)]
    stage.ask()
    rows = [stage.creation() for _ in admins]
    acts = [partial(approve, row, by=by) for row, by in zip(rows, admins, strict=True)]
    got = run_concurrently(*acts)
    stale = sum(isinstance(each, StaleState) for each in got)
    run_due()
    return wrong(
        one_wins=(got.count(None), stale) == (1, 3),
        one_event=stage.events("cluster:create:approved") == 1,
        sent_once=stage.posts() == 1,
    )


@race
def approval_decline_and_withdrawal(stage: RaceSetup) -> list[str]:
    tom, tim = admin(stage), admin(stage)
    stage.ask()
    rows = [stage.creation() for _ in range(3)]
    got = run_concurrently(
        partial(approve, rows[0], by=tom),
        partial(decline, rows[1], by=tim, reason="race"),
        partial(withdraw, rows[2], by=stage.ada),
    )
    run_due()
    state = stage.creation().state
    actions = ("cluster:create:approved", "cluster:create:declined", "cluster:create:withdrawn")
    ends = (State.CREATED, State.REFUSED, State.CANCELLED)
    return wrong(
        one_wins=got.count(None) == 1,
        the_others_are_told=sum(isinstance(each, StaleState) for each in got) == 2,
        one_event=sum(map(stage.events, actions)) == 1,
        state_and_cloud_agree=[state, stage.posts()] == [ends[got.index(None)], int(got[0] is None)],
    )


@race
def decline_and_workers(stage: RaceSetup) -> list[str]:
    tom = admin(stage)
    stage.ask()
    row = stage.creation()
    got = run_concurrently(run_due, run_due, partial(decline, row, by=tom, reason="race"), run_due)
    return wrong(
        declined=got[2] is None and stage.creation().state == State.REFUSED, nothing_sent=stage.posts() == 0
    )


@race
def approver_lost_and_claim(stage: RaceSetup) -> list[str]:
    tom, tim = admin(stage), admin(stage)
    stage.ask()
    approve(stage.creation(), by=tom)
    held = Grant.objects.select_related("person", "team").get(person=tom, ended_at=None)
    run_concurrently(run_due, lambda: end_grant(held, reason="race"))
    row, posts = stage.creation(), stage.posts()
    waits = (row.state, row.approval, posts) == (State.QUEUED, Approval.WAITING, 0)
    if waits:
        approve(row, by=tim)  # or it waits for ever
    return wrong(waits_or_was_sent=waits or (row.state, posts) == (State.CREATED, 1))


@race
def approval_edge(stage: RaceSetup) -> list[str]:
    tom = admin(stage)
    Team.objects.filter(pk=stage.scene["team"]).update(approval_types=[], approval_from=3)
    got = run_concurrently(*(partial(stage.ask, name=f"name-{n}") for n in range(6)))
    rows = Creation.objects.with_related().filter(project=stage.scene["project"])
    free, waiting = rows.filter(approval=Approval.NOT_NEEDED), rows.filter(approval=Approval.WAITING)
    checks = wrong(all_accepted=len(got) == rows.count(), two_are_free=free.count() == 2)
    for row in waiting:
        decline(row, by=tom, reason="race")
    return checks
