"""Access given, asked for, changed and ended: who may, what is refused, and what the ledger says."""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access import access_requests, access_reviews, deactivation, invitations
from hyperclusters.access.access_report import who_can_what
from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.layers import stages
from hyperclusters.access.models import AccessRequest, Grant, Invitation, Role, Team, User
from hyperclusters.access.permissions import POLICY, NotPermitted, Permission, Rule, may
from hyperclusters.access.services import add_person, add_team, end_grant, extend_grant, grant, set_rules
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.clusters.errors import AgainstRules, QuotaReached
from hyperclusters.clusters.models import Creation
from hyperclusters.clusters.quotas import used_by
from hyperclusters.web.texts.grants import granted_text
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.faults.concurrency import PATIENCE, Beside
from tests.web.pages import SignIn, words

WEEK = timedelta(days=7)


def refused(cause: Cause) -> Any:
    return pytest.raises(ChangeRefused, match=f"refused: {cause}( |$)")


def held(person: User, team: Team | None) -> Grant:
    return Grant.objects.active().get(person=person, team=team)


def last() -> Any:
    return events()[-1]


def test_a_team_admin_gives_and_ends_access_and_the_ledger_says_why(people: People) -> None:
    given = grant(person=people.nina, role=Role.CREATOR, team=people.vision, reason="joins", by=people.tom)
    assert (last().action, last().person_name, last().reason) == ("access:grant:added", "tom", "joins")
    end_grant(given, reason="left", by=people.tom)
    assert (last().action, last().reason, last().before["role"]) == ("access:grant:ended", "left", "creator")
    assert not may(people.nina, Permission.VIEW, people.vision)


@pytest.mark.parametrize("who", ["ada", "vera", "olga", "root", "nina", "mallory"])
def test_g27_only_the_team_s_admins_give_access_to_it(who: str, people: People) -> None:
    review = access_reviews.open_review(people.vision, due_on=clock.today(), by=people.tom)
    with pytest.raises(NotPermitted) as denied:
        grant(person=people.nina, role=Role.VIEWER, team=people.vision, reason="x", by=getattr(people, who))
    assert denied.value.is_noted  # so that the page records no second one
    assert (last().action, last().outcome, last().evidence) == (
        "access:grant:refused",
        "denied",
        "not_permitted",
    )
    for act in (
        lambda by: end_grant(held(people.vera, people.vision), reason="x", by=by),
        lambda by: extend_grant(held(people.vera, people.vision), until=None, reason="x", by=by),
        lambda by: access_reviews.decide(review, by=by, end=[held(people.vera, people.vision).pk], marks={}),
        lambda by: set_rules(people.vision, by=by, reason_required=True),
        lambda by: invitations.invite(
            email="x@example.com", team=people.vision, role=Role.VIEWER, reason="x", by=by
        ),
    ):
        with pytest.raises(NotPermitted):
            act(getattr(people, who))


def test_g27_nobody_gives_to_themselves_across_teams_or_touches_a_site_role(people: People) -> None:
    with refused(Cause.ONESELF):
        grant(person=people.tom, role=Role.ADMIN, team=people.vision, reason="x", by=people.tom)
    with refused(Cause.ONESELF):
        extend_grant(held(people.tom, people.vision), until=None, reason="x", by=people.tom)
    with refused(Cause.ONESELF):
        grant(person=people.root, role=Role.AUDITOR, team=None, reason="x", by=people.root)
    with refused(Cause.ONESELF):
        grant(person=people.root, role=Role.ADMIN, team=people.vision, reason="x", by=people.root)
    with refused(Cause.ONESELF):
        invitations.invite(
            email="Tom@Example.com", team=people.vision, role=Role.ADMIN, reason="x", by=people.tom
        )
    grant(person=people.vera, role=Role.PLATFORM_ADMIN, team=None, reason="the second", by=people.root)
    with refused(Cause.ONESELF):
        deactivation.deactivate(people.root, by=people.root, reason="x")
    for role in (Role.AUDITOR, Role.PLATFORM_ADMIN):
        with pytest.raises(NotPermitted):
            grant(person=people.nina, role=role, team=None, reason="x", by=people.tom)
    for act in (
        lambda: grant(person=people.nina, role=Role.VIEWER, team=people.speech, reason="x", by=people.tom),
        lambda: end_grant(held(people.root, None), reason="x", by=people.tom),
        lambda: extend_grant(held(people.olga, None), until=None, reason="x", by=people.tom),
        lambda: set_rules(people.vision, by=people.tom, quota=99),
        lambda: deactivation.deactivate(people.root, by=people.tom, reason="x"),
        lambda: add_team(slug="new", name="New", by=people.tom),
    ):
        with pytest.raises(NotPermitted):
            act()


def test_a_platform_admin_appoints_admins_of_teams_and_gives_no_other_role(people: People) -> None:
    grant(person=people.nina, role=Role.ADMIN, team=people.speech, reason="leads", by=people.root)
    for role in (Role.VIEWER, Role.CREATOR):
        with pytest.raises(NotPermitted):
            grant(person=people.vera, role=role, team=people.speech, reason="x", by=people.root)


def test_g27_nobody_gives_more_than_they_hold_whoever_the_policy_lets_give(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(POLICY, Permission.GRANT, Rule(Role.CREATOR))
    grant(person=people.nina, role=Role.CREATOR, team=people.vision, reason="x", by=people.ada)
    for act in (
        lambda: grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="x", by=people.ada),
        lambda: end_grant(held(people.tom, people.vision), reason="x", by=people.ada),
    ):
        with refused(Cause.ABOVE):
            act()


def test_g26_the_last_admin_stays_whichever_way_it_is_tried(people: People) -> None:
    review = access_reviews.open_review(people.vision, due_on=clock.today(), by=people.tom)
    tom = held(people.tom, people.vision)
    for act in (
        lambda: end_grant(tom, reason="x", by=people.root),
        lambda: end_grant(tom, reason="x", by=people.tom),
        lambda: extend_grant(tom, until=timezone.now() + WEEK, reason="x", by=people.root),
        lambda: deactivation.deactivate(people.tom, by=people.root, reason="x"),
        lambda: access_reviews.decide(review, by=people.root, end=[tom.pk], marks={tom.pk: "-"}),
        lambda: grant(person=people.tom, role=Role.VIEWER, team=people.vision, reason="x"),
    ):
        with refused(Cause.LAST_ADMIN):
            act()
    with refused(Cause.LAST_ADMIN):
        end_grant(held(people.root, None), reason="x", by=people.root)
    grant(person=people.ada, role=Role.ADMIN, team=people.vision, reason="too", by=people.tom)
    end_grant(tom, reason="moves on", by=people.ada)
    assert [g.person for g in Grant.objects.active().filter(team=people.vision, role=Role.ADMIN)] == [
        people.ada
    ]


def test_g26_the_only_admin_s_access_can_be_made_longer_and_no_shorter(people: People) -> None:
    set_rules(
        people.vision, by=people.tom, reason="nobody for ever", allows_open_ended=False, longest_days=30
    )
    now = timezone.now()
    Grant.objects.filter(person=people.tom).update(until=now + timedelta(days=3))
    for days in (3, 9):
        end = now + timedelta(days=days)
        extend_grant(held(people.tom, people.vision), until=end, reason="goes on", by=people.root)
        assert held(people.tom, people.vision).until == end
    request: dict[str, Any] = {
        "person": people.tom,
        "role": Role.ADMIN,
        "team": people.vision,
        "by": people.root,
    }
    grant(**request, until=now + timedelta(days=29), reason="goes on")
    nearer = now + timedelta(days=28)
    with refused(Cause.LAST_ADMIN):
        extend_grant(held(people.tom, people.vision), until=nearer, reason="x", by=people.root)
    with refused(Cause.LAST_ADMIN):
        grant(**request, until=nearer, reason="x")


def test_g26_an_admin_s_access_is_made_shorter_only_while_another_lasts_as_long(people: People) -> None:
    others_end = timezone.now() + WEEK
    request: dict[str, Any] = {"role": Role.ADMIN, "team": people.vision, "reason": "leads too"}
    grant(person=people.nina, **request, until=others_end, by=people.tom)
    with refused(Cause.LAST_ADMIN):
        extend_grant(
            held(people.tom, people.vision),
            until=others_end + timedelta(days=1),
            reason="x",
            by=people.nina,
        )
    extend_grant(held(people.tom, people.vision), until=others_end, reason="moves on", by=people.nina)
    assert held(people.tom, people.vision).until == others_end


@pytest.mark.parametrize("tom_stays", [False, True])
def test_g26_who_is_appointed_while_being_deactivated_does_not_leave_a_team_alone(
    tom_stays: bool, people: People
) -> None:
    beside: list[Beside] = []

    def appoint() -> None:
        grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="follows", by=people.tom)
        if not tom_stays:
            end_grant(held(people.tom, people.vision), reason="moves on", by=people.tom)

    def just_then(execute: Any, sql: str, *rest: Any) -> Any:
        if not beside and sql.startswith('UPDATE "access_user" SET "is_active"'):
            beside.append(Beside(appoint))
            beside[0].join(0.5 if connection.vendor == "sqlite" else PATIENCE)  # SQLite: one write at a time
        return execute(sql, *rest)

    with connection.execute_wrapper(just_then), suppress(ChangeRefused):
        deactivation.deactivate(people.nina, by=people.root, reason="leaves")
    beside[0].join()
    nina_goes = tom_stays or connection.vendor == "sqlite"  # before she is appointed, or after
    assert may(people.tom if nina_goes else people.nina, Permission.GRANT, people.vision)
    assert User.objects.get(pk=people.nina.pk).is_active != nina_goes
    assert not Grant.objects.filter(person=people.nina, ended_at=None, person__is_active=False)


def test_the_team_s_rules_bound_every_grant_request_and_invitation(people: People) -> None:
    set_rules(people.vision, by=people.tom, reason="shorter", allows_open_ended=False, longest_days=30)
    assert (last().before, last().after["longest_days"]) == (
        {"allows_open_ended": True, "longest_days": None},
        30,
    )
    team = Team.objects.get(pk=people.vision.pk)
    far = timezone.now() + timedelta(days=31)
    for until, cause in ((None, Cause.OPEN_ENDED), (far, Cause.TOO_LONG), (timezone.now(), Cause.PAST)):
        with refused(cause):
            grant(person=people.nina, role=Role.VIEWER, team=team, until=until, reason="x", by=people.tom)
        with refused(cause):
            extend_grant(held(people.vera, team), until=until, reason="x", by=people.tom)
        with refused(cause):
            invitations.invite(
                email="a@b.example", team=team, role=Role.VIEWER, until=until, reason="x", by=people.tom
            )
    with refused(Cause.TOO_LONG):
        access_requests.ask(person=people.nina, team=team, role=Role.VIEWER, days=31, reason="x")
    with refused(Cause.NO_REASON):
        access_requests.ask(person=people.nina, team=team, role=Role.VIEWER, days=3, reason="  ")


def test_rules_that_were_set_a_moment_ago_hold_for_a_form_that_was_open_before(people: People) -> None:
    before = Team.objects.get(pk=people.vision.pk)
    set_rules(people.vision, by=people.tom, allows_open_ended=False)
    with refused(Cause.OPEN_ENDED):
        grant(person=people.nina, role=Role.VIEWER, team=before, reason="x", by=people.tom)


@pytest.mark.parametrize("days", [7, 30])
def test_so_many_days_are_exactly_that_and_as_many_as_the_team_allows_are_not_too_many(
    days: int, people: People, as_: SignIn
) -> None:
    set_rules(people.vision, by=people.tom, longest_days=30)
    tom, team = as_("tom"), Team.objects.get(pk=people.vision.pk)
    tom.post("/teams/vision/give/", {"who": "nina", "role": "viewer", "until": str(days), "reason": "x"})
    given = held(people.nina, team)
    assert given.until == given.since + timedelta(days=days)
    request = {"role": "viewer", "until": str(days), "reason": "again"}
    assert tom.post(f"/teams/vision/grants/{given.pk}/", request).status_code == 302
    with refused(Cause.TOO_LONG):
        grant(person=people.mallory, role=Role.VIEWER, team=team, until=timedelta(days=31), reason="x")


def test_a_request_is_decided_once_by_another_and_its_time_starts_then(people: People) -> None:
    access_request = access_requests.ask(
        person=people.nina, team=people.vision, role=Role.CREATOR, days=7, reason="port the benchmark"
    )
    with refused(Cause.ASKED):
        access_requests.ask(person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="again")
    AccessRequest.objects.update(asked_at=timezone.now() - timedelta(days=3))
    for by in (people.nina, people.mallory, people.olga, people.root, people.ada):
        with pytest.raises(NotPermitted):
            access_requests.approve(access_request, by=by, days=7)
        with pytest.raises(NotPermitted):
            access_requests.decline(access_request, by=by, note="no")
    grant = access_requests.approve(access_request, by=people.tom, days=7, note="welcome")
    assert grant.until == grant.since + WEEK
    assert timedelta(0) <= timezone.now() - grant.since < timedelta(minutes=1)
    assert (last().action, last().after["role"], last().reason) == (
        "access:request:approved",
        "creator",
        "welcome",
    )
    with refused(Cause.DECIDED):
        access_requests.decline(access_request, by=people.tom, note="no")
    with refused(Cause.DECIDED):
        access_requests.withdraw(access_request, by=people.nina)


def test_a_request_for_no_days_is_for_no_access_and_never_for_ever(people: People) -> None:
    request: dict[str, Any] = {"person": people.nina, "team": people.vision, "role": Role.VIEWER}
    with refused(Cause.PAST):
        access_requests.ask(**request, days=0, reason="x")
    access_request = access_requests.ask(**request, days=7, reason="x")
    with refused(Cause.PAST):
        access_requests.approve(access_request, by=people.tom, days=0)
    assert access_requests.waiting_for(people.tom).get() == access_request


def test_a_request_is_declined_with_a_reason_and_withdrawn_by_who_asked(people: People) -> None:
    access_request = access_requests.ask(
        person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="x"
    )
    with refused(Cause.NO_REASON):
        access_requests.decline(access_request, by=people.tom, note=" ")
    with pytest.raises(NotPermitted):
        access_requests.withdraw(access_request, by=people.tom)
    assert access_requests.waiting_for(people.tom).get() == access_request
    access_requests.withdraw(access_request, by=people.nina)
    assert not access_requests.waiting_for(people.tom).exists()
    assert (last().action, last().person_name) == ("access:request:withdrawn", "nina")


def test_access_that_has_ended_meanwhile_is_not_extended(people: People) -> None:
    given = grant(person=people.nina, role=Role.VIEWER, team=people.vision, reason="x", by=people.tom)
    end_grant(given, reason="left", by=people.tom)
    with refused(Cause.NOT_HELD):
        extend_grant(given, until=timedelta(days=7), reason="stays", by=people.tom)
    assert not may(people.nina, Permission.VIEW, people.vision)


def test_a_closed_account_is_given_nothing_and_each_change_of_it_happens_once(people: People) -> None:
    deactivation.deactivate(people.nina, by=people.root, reason="left")
    closed = events(action="access:person:deactivated")
    assert len(closed) == 1
    for act in (
        lambda: deactivation.deactivate(people.nina, by=people.root, reason="left"),
        lambda: grant(person=people.nina, role=Role.VIEWER, team=people.vision, reason="x", by=people.tom),
    ):
        with refused(Cause.INACTIVE):
            act()
    with pytest.raises(NotPermitted):
        access_requests.ask(person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="x")
    assert events(action="access:person:deactivated") == closed
    deactivation.reactivate(people.nina, by=people.root, reason="came back")
    with refused(Cause.HELD):
        deactivation.reactivate(people.nina, by=people.root, reason="twice")
    assert len(events(action="access:person:reactivated")) == 1


def test_an_admin_s_own_request_is_for_another_admin(people: People) -> None:
    Grant.objects.filter(person=people.tom).update(until=timezone.now() + WEEK)
    access_request = access_requests.ask(
        person=people.tom, team=people.vision, role=Role.ADMIN, days=30, reason="longer"
    )
    with refused(Cause.ONESELF):
        access_requests.approve(access_request, by=people.tom, days=30)
    with refused(Cause.ONESELF):
        access_requests.decline(access_request, by=people.tom, note="no")
    assert not access_requests.waiting_for(people.tom).exists()
    grant(person=people.ada, role=Role.ADMIN, team=people.vision, reason="too")
    before = held(people.tom, people.vision)
    extended = access_requests.approve(access_request, by=people.ada, days=30)
    assert extended.pk == before.pk
    assert extended.since == before.since


def test_approving_a_request_never_shortens_what_was_given_meanwhile(people: People) -> None:
    request: dict[str, Any] = {"person": people.nina, "role": Role.CREATOR, "team": people.vision}
    given = grant(**request, reason="x", until=WEEK, by=people.tom)
    access_request = access_requests.ask(**request, days=30, reason="more")
    extended = extend_grant(given, until=timedelta(days=300), reason="a long project", by=people.tom)
    assert access_requests.approve(access_request, by=people.tom, days=30).until == extended.until
    assert held(people.nina, people.vision).until == extended.until
    assert extended.until
    assert last().after["until"] == last().before["held"]["until"] == extended.until.isoformat()


def test_what_was_lost_is_said_once_a_team_by_its_last_grant(people: People, as_: SignIn) -> None:
    for reason in ("the first is over", "the second is over"):
        given = grant(person=people.nina, role=Role.CREATOR, team=people.vision, reason="x", by=people.tom)
        end_grant(given, reason=reason, by=people.tom)
    text = words(as_("nina").get("/access/"))
    assert ("the first is over" in text, "the second is over" in text) == (False, True)


def test_what_was_lost_lately_was_ended_or_has_run_out_since_then(people: People) -> None:
    now, day = timezone.now(), timedelta(days=1)
    given = grant(person=people.nina, role=Role.CREATOR, team=people.vision, reason="x", by=people.tom)
    for until, ended_at, is_lost in (
        (None, None, False),
        (now + day, None, False),
        (now - day, None, True),
        (now - 8 * day, None, False),
        (None, now - day, True),
        (now + day, now - day, True),
        (now - day, now - 8 * day, False),
    ):
        facts = {"since": now - 30 * day, "until": until, "ended_at": ended_at}
        Grant.objects.filter(pk=given.pk).update(**facts)
        lost = Grant.objects.lost_by(people.nina.pk, now, now - WEEK)
        assert list(lost) == [given] * is_lost, (until, ended_at)


def test_the_latest_changes_of_access_are_changes(people: People, as_: SignIn) -> None:
    as_("vera").get("/teams/vision/rules/")
    as_("vera").get("/teams/vision/who.csv")
    changes = words(as_("tom").get("/teams/vision/?tab=history")).partition("Access changes")[2]
    assert "gave access to ada Creator with no end date" in changes
    assert "denied" not in changes
    assert "exported" not in changes


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"role": "creator", "until": "2026-12-03T17:00:00+00:00"}, "Creator until 3 Dec 2026"),
        ({"role": "viewer", "until": ""}, "Viewer with no end date"),
        ({"role": "admin", "days": 14}, "Admin for 2 weeks"),
        ({"role": "admin", "days": None}, "Admin with no end date"),
        ({"quota": 6}, ""),
    ],
)
def test_a_change_of_access_says_what_was_granted(facts: Any, text: str) -> None:
    assert granted_text(Event(after=facts)) == text


def test_asking_starts_with_no_team_and_says_so(people: People, as_: SignIn) -> None:
    nina = as_("nina")
    assert re.search(r'<option value="" selected>\s*Choose a team', nina.get("/access/").content.decode())
    answer = nina.post("/access/ask/", {"role": "viewer", "days": "7", "reason": "x"})
    assert answer.status_code == 422
    assert "Choose a team." in words(answer)
    assert 'value="vision" selected' in nina.get("/access/?team=vision").content.decode()


def test_what_one_has_already_cannot_be_asked_for(people: People) -> None:
    with refused(Cause.HELD):
        access_requests.ask(person=people.ada, team=people.vision, role=Role.VIEWER, days=7, reason="x")
    with refused(Cause.HELD):
        access_requests.ask(person=people.ada, team=people.vision, role=Role.CREATOR, days=7, reason="x")


def test_an_invitation_is_good_once_for_its_address_until_it_expires(people: People) -> None:
    invitation = invitations.invite(
        email="new@example.com", team=people.vision, role=Role.CREATOR, reason="new", by=people.tom
    )
    link = invitations.token(invitation)
    assert invitations.by_token(link) == invitation
    assert invitations.by_token(link[:-1]) is invitations.by_token("x") is None
    with refused(Cause.WRONG_PERSON):
        invitations.accept(invitation, person=people.nina)
    answer = Browser().post(
        f"/access/invitations/{link}/", {"username": "newton", "password": "a long enough secret"}
    )
    assert answer.status_code == 302
    assert held(User.objects.get(username="newton"), people.vision).granted_by == people.tom
    assert Browser().get(f"/access/invitations/{link}/").status_code == 404
    with refused(Cause.USED):
        invitations.accept(invitation, person=User.objects.get(username="newton"))
    late = invitations.invite(
        email="late@example.com", team=people.vision, role=Role.VIEWER, reason="x", by=people.tom
    )
    Invitation.objects.filter(pk=late.pk).update(expires_at=timezone.now())
    assert invitations.by_token(invitations.token(late)) is None
    ahead = timezone.now() + timedelta(days=5)
    Invitation.objects.filter(pk=late.pk).update(invited_at=ahead, expires_at=ahead + timedelta(days=7))
    assert invitations.by_token(invitations.token(late)) is None


@pytest.mark.parametrize(
    ("role", "days", "invited_as", "invited_for", "left"),
    [
        ("creator", None, "viewer", None, ("creator", None)),
        ("creator", 9, "viewer", 7, ("creator", 9)),
        ("viewer", 9, "viewer", 7, ("viewer", 9)),
        ("viewer", 7, "viewer", 9, ("viewer", 9)),
        ("viewer", 9, "creator", 7, ("creator", 7)),
        ("creator", 7, "viewer", 9, ("creator", 7)),
    ],
)
def test_nobody_loses_by_accepting_an_invitation_that_was_overtaken(
    role: str,
    days: int | None,
    invited_as: str,
    invited_for: int | None,
    left: tuple[str, int | None],
    people: People,
) -> None:
    now = timezone.now()

    def end(days: int | None) -> Any:
        return now + timedelta(days=days) if days else None

    request: dict[str, Any] = {"team": people.vision, "reason": "x", "by": people.tom}
    invited = invitations.invite(
        email="nina@example.com", role=Role(invited_as), until=end(invited_for), **request
    )
    grant(person=people.nina, role=Role(role), until=end(days), **request)
    accepted = invitations.accept(invited, person=people.nina)
    grants = list(Grant.objects.active().of(people.nina, people.vision))
    first, *then = stages(grants)
    assert accepted in grants
    assert first == (left[0], end(left[1]))
    longest = max([days or 99, invited_for or 99])  # as long as before, and as long as invited for
    assert ([first, *then][-1][1] or end(99)) == end(longest)
    assert last().action == "access:invitation:accepted"
    assert last().after["role"] == accepted.role
    assert last().after["invited_as"] == invited_as
    assert not invitations.by_token(invitations.token(invited))


def test_an_invitation_is_worth_no_more_than_who_sent_it(people: People) -> None:
    invitation = invitations.invite(
        email="nina@example.com", team=people.vision, role=Role.ADMIN, reason="x", by=people.tom
    )
    grant(person=people.ada, role=Role.ADMIN, team=people.vision, reason="x")
    end_grant(held(people.tom, people.vision), reason="x", by=people.ada)
    with refused(Cause.INVITER):
        invitations.accept(invitation, person=people.nina)
    assert not may(people.nina, Permission.VIEW, people.vision)
    assert invitations.by_token(invitations.token(invitation)) == invitation


def test_g29_a_deactivated_person_loses_sessions_and_access_for_good(people: People, as_: SignIn) -> None:
    browser, unseen = as_("ada"), as_("ada")
    access_requests.ask(person=people.ada, team=people.speech, role=Role.VIEWER, days=7, reason="x")
    deactivation.deactivate(people.ada, by=people.root, reason="left the company")
    assert browser.get("/").status_code == 302
    deactivation.reactivate(people.ada, by=people.root, reason="came back")
    for old in (browser, unseen):
        assert (
            old.get("/").status_code == 302
        )  # every session of before stays dead, asked with meanwhile or not
    assert not Grant.objects.active().filter(person=people.ada).exists()
    assert not access_requests.waiting_for(people.root).exists()
    request = HttpRequest()
    request.session = browser.session
    assert not get_user(request).is_authenticated


def test_g28_the_team_s_rules_and_quota_hold_for_creations_and_again_at_the_claim(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    set_rules(
        people.vision, by=people.tom, name_pattern="vision-*", allowed_types=["HPS"], reason_required=True
    )
    for name, request in (
        ("other-1", {"reason": "r"}),
        ("vision-1", {"reason": "r", "type": "ECS"}),
        ("vision-1", {}),
    ):
        with pytest.raises(AgainstRules):
            submit_creation(people.ada, projects.vision, name, **request)
    one = submit_creation(people.ada, projects.vision, "vision-1", reason="r")
    two = submit_creation(people.ada, projects.vision, "vision-2", reason="r")
    set_rules(people.vision, by=people.root, quota=1)
    with pytest.raises(QuotaReached):
        submit_creation(people.ada, projects.vision, "vision-3", reason="r")
    run_worker()
    states = sorted(Creation.objects.filter(pk__in=[one.pk, two.pk]).values_list("state", "cause"))
    assert states == [("created", ""), ("refused", "quota_lowered")]
    assert used_by(people.vision) == len(cloud.posts) == 1
    set_rules(people.vision, by=people.root, quota=None)
    late = submit_creation(people.ada, projects.vision, "vision-4", reason="r")
    set_rules(people.vision, by=people.tom, name_pattern="v4-*")
    run_worker()
    late.refresh_from_db()
    assert (late.state, late.cause, len(cloud.posts)) == ("refused", "rules_tightened", 1)


def test_who_can_is_the_same_answer_for_pages_files_and_the_command(people: People, as_: SignIn) -> None:
    add_person(username="formula", full_name="=HYPERLINK(1)")
    grant(
        person=User.objects.get(username="formula"),
        role=Role.VIEWER,
        team=people.vision,
        reason="+1",
        by=people.tom,
    )
    assert {row[1] for row in who_can_what(people.vision, Permission.CREATE)} == {"tom", "ada"}
    text = as_("vera").get("/teams/vision/who.csv").content.decode()
    assert '"\'=HYPERLINK(1)"' in text
    assert '"\'+1"' in text
    assert last().action == "access:team:exported"
    out = StringIO()
    call_command("who_can", "vision", "--may", "grant", stdout=out)
    assert "Vision: tom is admin (team)" in out.getvalue()
    assert "ada" not in out.getvalue()
    table = StringIO()
    call_command("who_can", "vision", "--csv", stdout=table)
    row = next(row for row in csv.reader(table.getvalue().splitlines()) if row[1] == "formula")
    assert (row[2], row[9]) == ("'=HYPERLINK(1)", "'+1")


def test_the_story_of_a_newcomer_by_plain_posts(people: People, projects: Projects, as_: SignIn) -> None:
    nina, tom = as_("nina"), as_("tom")
    request = {"team": "vision", "role": "creator", "days": "7", "reason": "Porting the speech benchmark"}
    assert nina.post("/access/ask/", request).status_code == 302
    assert "waiting for you" in words(tom.get("/"))
    assert "requests Creator for 1 week" in words(tom.get("/"))
    pk = AccessRequest.objects.get().pk
    tom.post(f"/teams/vision/requests/{pk}/", {"do": "approve", "approve-days": "7"})
    assert nina.get("/clusters/new/").status_code == 200
    grant = held(people.nina, people.vision)
    tom.post(f"/teams/vision/grants/{grant.pk}/revoke/", {"reason": "The benchmark runs"})
    answer = nina.get("/clusters/new/")
    assert answer.status_code == 403
    assert re.search(
        r"Your access as Creator in Vision was ended by tom on \d+ \w+ \d{4}: “The benchmark runs”",
        words(answer),
    )
    rows = [(event.action, event.reason) for event in events(object_name="nina", team_name="Vision")]
    assert rows == [
        ("access:request:asked", "Porting the speech benchmark"),
        ("access:request:approved", "Porting the speech benchmark"),
        ("access:grant:ended", "The benchmark runs"),
    ]
