"""A person may hold several grants in a team: the highest counts, and a lower one is there when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.core import mail as outbox
from django.utils import timezone

from hyperclusters.access import access_requests, deactivation, mail
from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.layers import highest, stages
from hyperclusters.access.models import TEAM_ROLES, Grant, Role, Team, User
from hyperclusters.access.permissions import Permission, active_grants, may, who_can
from hyperclusters.access.services import add_person, end_all_grants, end_grant, extend_grant, grant
from hyperclusters.clusters.ownership import people_of
from hyperclusters.web.texts.grants import ending_grants
from tests.conftest import People, events

WEEK = timedelta(days=7)
ENDS = (1, 7, None)
DAYS = (0.5, 3, 99)
Terms = tuple[Role, int | None]  # a role, for how many days


def roles(person: User, team: Team) -> list[str]:
    return [each.role for each in active_grants(person) if each.team == team]


def expire(given: Grant) -> None:
    Grant.objects.filter(pk=given.pk).update(until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def temporary(people: People) -> Grant:
    """Vera is a creator for a week, above her role of a viewer without an end."""
    return grant(
        person=people.vera, role=Role.CREATOR, team=people.vision, reason="a run", until=WEEK, by=people.tom
    )


def test_the_lower_grant_is_there_when_the_temporary_one_ends(temporary: Grant, people: People) -> None:
    assert roles(people.vera, people.vision) == ["viewer", "creator"]
    assert may(people.vera, Permission.CREATE, people.vision)
    expire(temporary)
    assert roles(people.vera, people.vision) == ["viewer"]
    assert not may(people.vera, Permission.CREATE, people.vision)
    assert may(people.vera, Permission.VIEW, people.vision)


@pytest.mark.parametrize("ended", ["creator", "viewer"])
def test_ending_one_grant_keeps_the_other(ended: str, temporary: Grant, people: People) -> None:
    one = Grant.objects.active().of(people.vera, people.vision).get(role=ended)
    end_grant(one, reason="over", by=people.tom)
    assert roles(people.vera, people.vision) == [role for role in ("viewer", "creator") if role != ended]
    event = events()[-1]
    assert (event.action, event.before["role"]) == ("access:grant:ended", ended)  # type: ignore[index]


def test_revoking_access_ends_every_grant_of_the_team_with_an_event_each(
    temporary: Grant, people: People
) -> None:
    grant(person=people.vera, role=Role.VIEWER, team=people.speech, reason="elsewhere")
    assert end_all_grants(people.vera, people.vision, reason="left", by=people.tom) == 2
    assert roles(people.vera, people.vision) == []
    assert roles(people.vera, people.speech) == ["viewer"]
    ended = [event.before["role"] for event in events(action="access:grant:ended")]  # type: ignore[index]
    assert sorted(ended) == ["creator", "viewer"]
    assert end_all_grants(people.vera, people.vision, reason="again", by=people.tom) == 0


def test_a_deactivated_person_loses_every_layer(temporary: Grant, people: People) -> None:
    deactivation.deactivate(people.vera, by=people.root, reason="left")
    assert not Grant.objects.filter(person=people.vera, ended_at=None).exists()
    assert len(events()[-1].before["grants"]) == 2  # type: ignore[index]


@pytest.mark.parametrize("keep_higher", [False, True])
def test_what_a_second_grant_leaves(keep_higher: bool, people: People) -> None:
    """Every pair of roles and ends, against a plain model: at each moment the highest role in force counts."""
    for n, (first, second) in enumerate(product(product(TEAM_ROLES, ENDS), repeat=2)):
        check_second_grant(add_person(username=f"person-{n}"), people.vision, first, second, keep_higher)


def check_second_grant(person: User, team: Team, first: Terms, second: Terms, keep_higher: bool) -> None:
    now = timezone.now()

    def end(days: int | None) -> datetime | None:
        return now + timedelta(days=days) if days else None

    def at(day: float, *given: Terms) -> Role | None:
        return max(
            (role for role, days in given if not days or day < days), key=TEAM_ROLES.index, default=None
        )

    for_both: dict[str, Any] = {"person": person, "team": team, "reason": "x"}
    grant(role=first[0], until=end(first[1]), **for_both)
    adds_nothing = all(at(day, first) == at(day, first, second) for day in DAYS)
    cause = None
    try:
        grant(role=second[0], until=end(second[1]), keep_higher=keep_higher, **for_both)
    except ChangeRefused as refused:
        cause = refused.cause
    assert cause == (Cause.HELD if keep_higher and adds_nothing else None)
    if cause:
        return
    steps_down = TEAM_ROLES.index(first[0]) > TEAM_ROLES.index(second[0]) and not keep_higher
    expected = (second,) if steps_down or first[0] == second[0] else (first, second)
    after = [(Role(each.role), each.until) for each in Grant.objects.active().of(person, team)]
    for day in DAYS:
        when = now + timedelta(days=day)
        counts = [role for role, until in after if until is None or when < until]
        assert max(counts, key=TEAM_ROLES.index, default=None) == at(day, *expected)


def test_the_event_of_a_change_names_every_grant_that_it_replaced(temporary: Grant, people: People) -> None:
    grant(person=people.vera, role=Role.ADMIN, team=people.vision, reason="leads", by=people.tom)
    assert roles(people.vera, people.vision) == ["admin"]
    before = events()[-1].before or {}
    assert (before["role"], [each["role"] for each in before["also"]]) == ("creator", ["viewer"])


def test_g26_the_last_admin_is_judged_over_all_live_grants(people: People) -> None:
    """Tom also has a lower grant, and vera stands in for a week: neither makes tom's end safe for longer."""
    request: dict[str, Any] = {"team": people.vision, "reason": "x"}
    tom = Grant.objects.active().get(person=people.tom, team=people.vision)
    Grant.objects.create(person=people.tom, role=Role.VIEWER, **request)
    with pytest.raises(ChangeRefused, match="last_admin"):
        end_grant(tom, reason="x", by=people.root)
    with pytest.raises(ChangeRefused, match="last_admin"):
        end_all_grants(people.tom, people.vision, reason="x", by=people.tom)
    assert roles(people.tom, people.vision) == ["viewer", "admin"]
    stand_in = grant(person=people.vera, role=Role.ADMIN, until=WEEK, by=people.tom, **request)
    end_grant(tom, reason="on leave", by=people.vera)
    assert roles(people.tom, people.vision) == ["viewer"]
    with pytest.raises(ChangeRefused, match="last_admin"):
        end_grant(stand_in, reason="x", by=people.root)


@pytest.mark.parametrize("newest", [Role.VIEWER, Role.ADMIN])
def test_an_admin_gives_up_all_of_her_own_access_whichever_grant_is_the_newest(
    newest: Role, people: People
) -> None:
    """The admin's grant permits the end of the lower one, so it ends last."""
    for role in sorted((Role.VIEWER, Role.ADMIN), key=lambda role: role == newest):
        Grant.objects.create(person=people.nina, role=role, team=people.vision, reason="x")
    assert end_all_grants(people.nina, people.vision, reason="leaves", by=people.nina) == 2
    assert roles(people.nina, people.vision) == []


def test_g27_the_highest_grant_says_what_one_may_give(people: People) -> None:
    """Whichever of the grants is the newest."""
    Grant.objects.create(person=people.tom, role=Role.VIEWER, team=people.vision, reason="newer, and lower")
    grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="x", by=people.tom)


def test_a_request_for_a_lower_role_that_lasts_longer_is_granted_beneath(people: People) -> None:
    request: dict[str, Any] = {"person": people.nina, "team": people.vision}
    grant(role=Role.CREATOR, until=WEEK, reason="x", **request)
    for role, days in ((Role.VIEWER, 6), (Role.CREATOR, 6)):
        with pytest.raises(ChangeRefused, match="held"):
            access_requests.ask(role=role, days=days, reason="x", **request)
    asked = access_requests.ask(role=Role.VIEWER, days=None, reason="to follow the runs", **request)
    access_requests.approve(asked, by=people.tom, days=None)
    assert [(role, until is None) for role, until in stages(active_grants(people.nina))] == [
        ("creator", False),
        ("viewer", True),
    ]


def test_a_reminder_is_sent_only_if_the_person_s_access_really_changes(people: People) -> None:
    now = timezone.now()
    soon, later = now + timedelta(days=2), now + timedelta(days=40)
    rows = [
        (people.vera, Role.VIEWER, None),  # from the fixture, without an end
        (people.vera, Role.CREATOR, soon),  # falls back to viewer: told
        (people.nina, Role.VIEWER, soon),  # creator for longer: nothing changes
        (people.nina, Role.CREATOR, later),
        (people.mallory, Role.VIEWER, soon),  # ends with the higher one: told once
        (people.mallory, Role.CREATOR, soon),
        (people.root, Role.CREATOR, soon),  # two ends in a row: told of each, and of what follows it
        (people.root, Role.VIEWER, soon + timedelta(hours=9)),
    ]
    for person, role, until in rows[1:]:
        Grant.objects.create(
            person=person, role=role, team=people.vision, until=until, since=now - 3 * WEEK, reason="x"
        )
    notices = {
        (person.username, each.role) for person in {row[0] for row in rows} for each in ending_grants(person)
    }
    assert notices == {("vera", "creator"), ("mallory", "creator"), ("root", "creator"), ("root", "viewer")}
    assert mail.send_due() == 4
    letters = {letter.to[0]: letter.body for letter in outbox.outbox}
    assert letters.keys() == {"vera@example.com", "mallory@example.com", "root@example.com"}
    first, second = sorted(letter.body for letter in outbox.outbox if letter.to == ["root@example.com"])
    assert "You are Creator in Vision" in first
    assert "then Viewer" in first
    assert "You are Viewer in Vision" in second
    assert "then" not in second
    assert "then Viewer" in letters["vera@example.com"]
    assert "then" not in letters["mallory@example.com"]


def test_each_person_is_one_person_however_many_grants(temporary: Grant, people: People) -> None:
    assert [each.person for each in who_can(Permission.VIEW, people.vision)].count(people.vera) == 1
    owners = people_of(people.vision)
    assert [each.role for each in owners if each.person == people.vera] == ["creator"]
    assert [each.role for each in highest(active_grants(people.vera))] == ["creator"]


def test_the_grant_that_ends_is_extended_and_the_other_stays(temporary: Grant, people: People) -> None:
    extend_grant(temporary, until=timedelta(days=30), reason="longer", by=people.tom)
    assert roles(people.vera, people.vision) == ["viewer", "creator"]
    assert events()[-1].action == "access:grant:extended"
