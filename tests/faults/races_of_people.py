"""Races of people: forms, tabs, quota, names and rights."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from hyperclusters.access.access_requests import approve, ask, decline
from hyperclusters.access.access_requests import withdraw as withdraw_request
from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.services import add_person, end_grant, extend_grant, grant
from hyperclusters.clusters.creations import CreateRequest, request_creation, withdraw
from hyperclusters.clusters.credentials import seal
from hyperclusters.clusters.errors import NameTaken, NameUnresolved, QuotaReached, TokenUsed
from hyperclusters.clusters.models import Creation, Project, State
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.clusters.projects import change_project
from hyperclusters.clusters.upstream import bound_to
from hyperclusters.clusters.worker import run_due
from hyperclusters.modelarts import Credentials
from tests.faults.concurrency import run_concurrently
from tests.faults.races import RaceSetup, kinds, race, wrong


@race
def double_submit(stage: RaceSetup) -> list[str]:
    token = uuid.uuid4()
    got = run_concurrently(*[partial(stage.ask, token=token)] * 8)
    return wrong(G5_every_answer_leads_to_one_row=len({getattr(row, "pk", repr(row)) for row in got}) == 1)


@race
def one_token_two_wishes(stage: RaceSetup) -> list[str]:
    token = uuid.uuid4()
    got = run_concurrently(*(partial(stage.ask, name=f"name-{n % 2}", token=token) for n in range(6)))
    rows = [row.pk for row in got if isinstance(row, Creation)]
    refused = sum(isinstance(row, TokenUsed) for row in got)
    return wrong(G5_one_row=len(set(rows)) == 1, G5_others_are_refused=len(rows) + refused == 6)


@race
def two_tabs(stage: RaceSetup) -> list[str]:
    got = run_concurrently(*[stage.ask] * 6)
    refused = sum(isinstance(row, NameUnresolved) for row in got)
    return wrong(G6_one_accepted=kinds(got).count("Creation") == 1, G6_five_refused=refused == 5)


@race
def submit_and_withdraw(stage: RaceSetup) -> list[str]:
    creation = stage.ask()
    stale = stage.creation()
    _, withdrawn = run_concurrently(run_due, lambda: withdraw(stale, by=stage.ada))
    state = Creation.objects.get(pk=creation.pk).state
    if withdrawn is None:
        return wrong(G4_withdrawn_is_never_sent=state == State.CANCELLED and stage.posts() == 0)
    return wrong(
        too_late_is_said=isinstance(withdrawn, StaleState), too_late_was_sent=state != State.CANCELLED
    )


@race
def two_withdrawals(stage: RaceSetup) -> list[str]:
    stage.ask()
    rows = [stage.creation() for _ in range(4)]
    got = run_concurrently(*(partial(withdraw, row, by=stage.ada) for row in rows))
    return wrong(one_wins=got.count(None) == 1, G19_one_event=stage.events("cluster:create:withdrawn") == 1)


@race
def quota_edge(stage: RaceSetup) -> list[str]:
    Project.objects.filter(pk=stage.scene["project"]).update(quota=3)
    got = run_concurrently(*(partial(stage.ask, name=f"name-{n}") for n in range(8)))
    accepted = kinds(got).count("Creation")
    refused = sum(isinstance(row, QuotaReached) for row in got)
    return wrong(G28_exactly_three=accepted == 3, G28_five_refused=refused == 5)


@race
def first_quota_and_submits(stage: RaceSetup) -> list[str]:
    """Where there is no quota yet, nothing is locked: what was accepted at that moment is counted before it is sent."""
    project = stage.project
    root = User.objects.get(username="root")
    same: dict[str, Any] = {"by": root, "project": project, "name": project.name, "team": project.team}
    set_quota = partial(change_project, **same, region="", quota=3, reads_traces=False)
    got = run_concurrently(set_quota, *(partial(stage.ask, name=f"name-{n}") for n in range(8)))[1:]
    accepted = kinds(got).count("Creation")
    odd = {kind for kind in kinds(got) if kind not in {"Creation", "QuotaReached"}}
    run_concurrently(run_due, run_due)
    return wrong(
        G28_exactly_three_are_sent=stage.posts() == 3, at_least_three=accepted >= 3, no_error=not odd
    )


@race
def quota_and_verdict(stage: RaceSetup) -> list[str]:
    """One creation turns into a cluster while another is counted: it counts in every moment."""
    Project.objects.filter(pk=stage.scene["project"]).update(quota=1)
    stage.ask(name="first")
    got = run_concurrently(run_due, *(partial(stage.ask, name=f"name-{n}") for n in range(4)))
    return wrong(G28_no_second=kinds(got).count("Creation") == 0)


@race
def name_gate_and_verdict(stage: RaceSetup) -> list[str]:
    """While a creation turns into a cluster its name is taken in every moment."""
    stage.ask()
    got = run_concurrently(run_due, *[stage.ask] * 4)[1:]
    return wrong(G6_all_refused=all(isinstance(row, NameUnresolved | NameTaken) for row in got))


@race
def revocation_and_claim(stage: RaceSetup) -> list[str]:
    stage.ask()
    grant = Grant.objects.select_related("person", "team").get(person=stage.ada, ended_at=None)
    run_concurrently(run_due, lambda: end_grant(grant, reason="race"))
    row = stage.creation()
    posts = stage.posts()
    late = run_concurrently(partial(stage.ask, name="later"))
    return wrong(
        G25_refused_or_sent=(row.state, posts) in {(State.REFUSED, 0), (State.CREATED, 1)},
        G25_nothing_after_it=kinds(late) == ["NotPermitted"],
    )


@race
def deactivation_and_submit(stage: RaceSetup) -> list[str]:
    ada = stage.ada
    run_concurrently(stage.ask, lambda: User.objects.filter(pk=ada.pk).update(is_active=False))
    run_due()
    rows = Creation.objects.filter(project=stage.scene["project"])
    return wrong(
        G25_queued_is_refused=all(row.state == State.REFUSED for row in rows),
        G25_nothing_sent=stage.posts() == 0,
    )


@race
def last_two_admins(stage: RaceSetup) -> list[str]:
    """Both admins of a team end each other, give up, or are deactivated at one moment."""
    team = stage.project.team
    people = [add_person(username=f"{name}-{uuid.uuid4().hex[:8]}") for name in ("tom", "tim")]
    grants = [grant(person=person, role=Role.ADMIN, team=team, reason="race") for person in people]
    root = User.objects.get(username="root")
    got = run_concurrently(
        lambda: end_grant(grants[0], reason="race", by=people[1]),
        lambda: end_grant(grants[1], reason="race", by=people[0]),
        lambda: deactivate(people[0], by=root, reason="race"),
        lambda: grant(person=people[1], role=Role.VIEWER, team=team, reason="race", by=people[0]),
    )
    left = Grant.objects.active().filter(team=team, role=Role.ADMIN).count()
    odd = {kind for kind in kinds(got) if kind not in {"NoneType", "Grant", "ChangeRefused", "NotPermitted"}}
    return wrong(G26_one_admin_is_left=left == 1, no_other_error=not odd)


@race
def layers_of_one_person(stage: RaceSetup) -> list[str]:
    """Grants of one person, an extension and an end at one moment: one of each role, and what stands beneath stays."""
    team, people = (
        stage.project.team,
        [add_person(username=f"{name}-{uuid.uuid4().hex[:8]}") for name in ("tom", "nina")],
    )
    grant(person=people[0], role=Role.ADMIN, team=team, reason="race")
    give = partial(grant, person=people[1], team=team, reason="race", by=people[0])
    give(role=Role.VIEWER)
    temporary = give(role=Role.CREATOR, until=timedelta(days=7))
    got = run_concurrently(
        partial(give, role=Role.CREATOR, until=timedelta(days=8)),
        partial(give, role=Role.ADMIN, until=timedelta(days=1)),
        partial(give, role=Role.CREATOR, until=timedelta(days=9)),
        lambda: extend_grant(temporary, until=timedelta(days=30), reason="race", by=people[0]),
        lambda: end_grant(temporary, reason="race", by=people[0]),
    )
    left = list(Grant.objects.active().filter(person=people[1]).values_list("role", flat=True))
    odd = {kind for kind in kinds(got) if kind not in {"NoneType", "Grant", "ChangeRefused"}}
    return wrong(
        one_of_each_role=len(left) == len(set(left)),
        the_lowest_stays=Role.VIEWER in left,
        no_other_error=not odd,
    )


@race
def one_request_decided_by_many(stage: RaceSetup) -> list[str]:
    team = stage.project.team
    tom, nina = (add_person(username=f"{name}-{uuid.uuid4().hex[:8]}") for name in ("tom", "nina"))
    grant(person=tom, role=Role.ADMIN, team=team, reason="race")
    access_request = ask(person=nina, team=team, role=Role.CREATOR, days=7, reason="race")
    copies = [
        type(access_request).objects.select_related("person", "team").get(pk=access_request.pk)
        for _ in range(4)
    ]
    got = run_concurrently(
        partial(approve, copies[0], by=tom, days=7),
        partial(approve, copies[1], by=tom, days=7),
        partial(decline, copies[2], by=tom, note="race"),
        partial(withdraw_request, copies[3], by=nina),
    )
    grants = Grant.objects.filter(person=nina).count()
    state = type(access_request).objects.get(pk=access_request.pk).state
    return wrong(
        one_wins=kinds(got).count("ChangeRefused") == 3,
        grant_as_decided=(grants == 1) == (state == "approved"),
    )


@race
def team_quota_edge(stage: RaceSetup) -> list[str]:
    """Two projects of one team fill the team's quota at one moment."""
    team = stage.project.team
    type(team).objects.filter(pk=team.pk).update(quota=3)
    first = stage.project
    project_id = uuid.uuid4().hex
    second = type(first).objects.create(
        name=f"more-{project_id[:8]}",
        team=team,
        endpoint=first.endpoint,
        project_id=project_id,
        sealed_credentials=seal(
            Credentials("unused", "unused"), bound_to=bound_to(endpoint=first.endpoint, project_id=project_id)
        ),
    )

    def submit(n: int) -> Creation:
        request = CreateRequest(name=f"name-{n}", type="HPS")
        return request_creation(
            person=stage.ada, project=(first, second)[n % 2], wish=request, token=uuid.uuid4()
        )

    got = run_concurrently(*(partial(submit, n) for n in range(8)))
    Creation.objects.filter(project=second).delete()
    accepted = kinds(got).count("Creation")
    refused = sum(isinstance(row, QuotaReached) for row in got)
    return wrong(G28_exactly_three=accepted == 3, G28_five_refused=refused == 5)


@race
def deactivation_and_grant(stage: RaceSetup) -> list[str]:
    """What is given at the moment of a deactivation is ended by it, or is not given: nothing comes back with the account."""
    root, nina = User.objects.get(username="root"), add_person(username=f"nina-{uuid.uuid4().hex[:8]}")
    got = run_concurrently(
        lambda: grant(person=nina, role=Role.VIEWER, team=stage.project.team, reason="race"),
        lambda: deactivate(nina, by=root, reason="race"),
    )
    left = Grant.objects.filter(person=nina, ended_at=None).count()
    odd = {kind for kind in kinds(got) if kind not in {"NoneType", "Grant", "ChangeRefused"}}
    return wrong(G25_nothing_is_left=left == 0, no_other_error=not odd)


@race
def deactivation_by_service_and_submit(stage: RaceSetup) -> list[str]:
    ada, root = stage.ada, User.objects.get(username="root")
    run_concurrently(stage.ask, lambda: deactivate(ada, by=root, reason="race"))
    run_due()
    rows = Creation.objects.filter(project=stage.scene["project"])
    return wrong(
        G25_queued_is_refused=all(row.state == State.REFUSED for row in rows),
        G25_nothing_sent=stage.posts() == 0,
        nothing_is_left=not Grant.objects.active().filter(person=ada).exists(),
    )
