"""The policy as a matrix, and how long a right lasts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from hyperclusters.access.models import SITE_ROLES, TEAM_ROLES, Grant, Role, Team, User
from hyperclusters.access.permissions import (
    POLICY,
    NotPermitted,
    Permission,
    may,
    require,
    teams_where,
    visible_events,
    who_can,
)
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_person, add_team, end_grant, grant
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import People, events

# Written down a second time, by hand, so that a slip in the policy does not move the test along with it.
# Per role: what it allows in its own team (for a site role: in any), and what in another team.
ALLOWED: dict[str, tuple[set[Permission], set[Permission]]] = {
    "viewer": ({Permission.VIEW, Permission.MEMBERS}, set()),
    "creator": ({Permission.VIEW, Permission.MEMBERS, Permission.CREATE, Permission.LOCK}, set()),
    "admin": (
        {
            Permission.VIEW,
            Permission.MEMBERS,
            Permission.CREATE,
            Permission.LOCK,
            Permission.MANAGE,
            Permission.UNLOCK,
            Permission.DECIDE,
            Permission.GRANT,
            Permission.AUDIT,
        },
        set(),
    ),
    "auditor": (
        {Permission.VIEW, Permission.MEMBERS, Permission.AUDIT, Permission.REVIEW},
        {Permission.VIEW, Permission.MEMBERS, Permission.AUDIT, Permission.REVIEW},
    ),
    "platform_admin": (
        {Permission.CONNECT, Permission.MEMBERS, Permission.APPOINT},
        {Permission.CONNECT, Permission.MEMBERS, Permission.APPOINT},
    ),
    "none": (set(), set()),
}


@pytest.fixture
def two_teams(database: None) -> tuple[Team, Team]:
    return add_team(slug="own", name="Own"), add_team(slug="other", name="Other")


def someone(role: str, team: Team) -> User:
    """A person who holds just this role."""
    person = add_person(username="someone", email="someone@example.com")
    if role != "none":
        grant(person=person, role=Role(role), team=team if role in TEAM_ROLES else None, reason="matrix")
    return person


def test_the_matrix_speaks_of_every_role_and_every_action() -> None:
    assert set(ALLOWED) == {*Role.values, "none"}
    assert set(POLICY) == set(Permission)


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_allows_what_the_matrix_says_and_nothing_else(role: str, two_teams: tuple[Team, Team]) -> None:
    own, other = two_teams
    person = someone(role, own)
    in_own, in_other = ALLOWED[role]
    assert {permission for permission in Permission if may(person, permission, own)} == in_own
    assert {permission for permission in Permission if may(person, permission, other)} == in_other
    assert {permission for permission in Permission if may(person, permission)} == in_own | in_other
    for permission in Permission:
        expected = {team for team, allowed in ((own, in_own), (other, in_other)) if permission in allowed}
        assert set(teams_where(person, permission)) == expected
        assert (person in {grant.person for grant in who_can(permission, own)}) == (permission in in_own)
        if permission in in_own:
            require(person, permission, own)
        else:
            with pytest.raises(NotPermitted):
                require(person, permission, own)


def test_nobody_signed_in_may_do_nothing(two_teams: tuple[Team, Team]) -> None:
    nobody = AnonymousUser()
    assert not any(
        may(nobody, permission) or may(nobody, permission, two_teams[0]) for permission in Permission
    )
    assert not any(teams_where(nobody, permission).exists() for permission in Permission)
    assert not visible_events(nobody).exists()


def test_what_was_not_permitted_says_what_was_asked_and_names_no_object(two_teams: tuple[Team, Team]) -> None:
    with pytest.raises(NotPermitted, match="create clusters") as refusal:
        require(someone("viewer", two_teams[0]), Permission.CREATE, two_teams[0])
    assert "Own" not in str(refusal.value)


@pytest.mark.parametrize("role", Role.values)
def test_g25_a_grant_that_was_ended_gives_nothing_at_the_next_check(
    role: str, two_teams: tuple[Team, Team]
) -> None:
    own, _ = two_teams
    person = someone(role, own)
    assert any(may(person, permission) for permission in Permission)
    if role in {"admin", "platform_admin"}:  # somebody must be left
        other = add_person(username="other")
        grant(person=other, role=Role(role), team=own if role in TEAM_ROLES else None, reason="stays")
    end_grant(person.grants.get(), reason="over")
    assert not any(may(person, permission) for permission in Permission)


@pytest.mark.parametrize(
    "change",
    [
        {"until": timezone.now() - timedelta(days=1)},
        {"ended_at": timezone.now() - timedelta(days=1)},
        {"ended_at": timezone.now() + timedelta(days=1)},  # ended is ended, whatever the clock says
    ],
    ids=["run out", "ended", "ended by a fast clock"],
)
def test_g25_a_grant_out_of_its_time_gives_nothing(
    change: dict[str, object], two_teams: tuple[Team, Team]
) -> None:
    person = someone("admin", two_teams[0])
    Grant.objects.filter(person=person).update(**change)
    assert not any(may(person, permission) for permission in Permission)
    assert not any(teams_where(person, permission).exists() for permission in Permission)
    assert not who_can(Permission.CREATE, two_teams[0]).exists()


@pytest.mark.parametrize("role", ["admin", "auditor", "platform_admin"])
def test_g25_a_deactivated_person_may_do_nothing_whatever_they_were_granted(
    role: str, two_teams: tuple[Team, Team]
) -> None:
    person = someone(role, two_teams[0])
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert not any(may(person, permission) for permission in Permission)
    assert not visible_events(person).exists()


def test_a_grant_with_an_end_holds_until_then(two_teams: tuple[Team, Team]) -> None:
    person = someone("none", two_teams[0])
    until = timezone.now() + timedelta(hours=1)
    grant(person=person, role=Role.CREATOR, team=two_teams[0], reason="an hour", until=until)
    assert may(person, Permission.CREATE, two_teams[0])
    Grant.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert not may(person, Permission.CREATE, two_teams[0])


def test_the_audit_shows_everything_to_auditors_own_team_to_admins_and_nothing_to_others(
    people: People,
) -> None:
    for team in (people.vision, people.speech, None):
        record(EventType.LIST_FAILED, Outcome.FAILED, on=Subject(team=team))
    everything = set(Event.objects.values_list("seq", flat=True))
    assert set(visible_events(people.olga).values_list("seq", flat=True)) == everything
    assert {event.team_name for event in visible_events(people.tom)} == {"Vision"}
    for name in ("ada", "vera", "mallory", "root", "nina"):
        assert not visible_events(getattr(people, name)).exists()


# Grants.


def test_a_role_without_an_end_replaces_the_lower_one_which_stays_in_the_history(
    two_teams: tuple[Team, Team],
) -> None:
    own, other = two_teams
    person = someone("viewer", own)
    grant(person=person, role=Role.CREATOR, team=own, reason="promoted")
    grant(person=person, role=Role.VIEWER, team=other, reason="guest")
    grant(person=person, role=Role.AUDITOR, team=None, reason="also")
    grant(person=person, role=Role.PLATFORM_ADMIN, team=None, reason="and")
    grants = Grant.objects.active().filter(person=person)
    assert sorted((g.role, g.team.slug if g.team else "") for g in grants) == [
        ("auditor", ""),
        ("creator", "own"),
        ("platform_admin", ""),
        ("viewer", "other"),
    ]
    assert person.grants.filter(ended_at__isnull=False).get().role == "viewer"
    changed = events(action="access:grant:changed")
    assert [(event.before["role"], event.after["role"]) for event in changed] == [("viewer", "creator")]  # type: ignore[index]


@pytest.mark.parametrize("role", Role.values)
def test_the_database_itself_keeps_roles_to_their_scope(role: str, two_teams: tuple[Team, Team]) -> None:
    person = someone("none", two_teams[0])
    wrong = two_teams[0] if role in SITE_ROLES else None
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(person=person, role=role, team=wrong, reason="by hand")
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(person=person, role="superuser", team=None, reason="by hand")


def test_the_database_itself_lets_one_running_grant_of_a_role_in(two_teams: tuple[Team, Team]) -> None:
    person = someone("viewer", two_teams[0])
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(person=person, role="viewer", team=two_teams[0], reason="by hand")
    grant(person=person, role=Role.AUDITOR, team=None, reason="once")
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(person=person, role="auditor", team=None, reason="twice")


def test_g19_every_change_of_access_is_one_event_that_says_who_what_where_and_why(
    two_teams: tuple[Team, Team],
) -> None:
    own, _ = two_teams
    admin = add_person(username="boss")
    grant(person=admin, role=Role.ADMIN, team=own, reason="leads")
    person = add_person(username="newcomer")
    held = grant(person=person, role=Role.CREATOR, team=own, reason="joins", by=admin)
    end_grant(held, reason="leaves", by=admin)
    end_grant(held, reason="leaves twice", by=admin)
    rows = [
        (e.action, e.person_name, e.team_name, e.object_name, e.reason) for e in events(person_name="boss")
    ]
    assert rows == [
        ("access:grant:added", "boss", "Own", "newcomer", "joins"),
        ("access:grant:ended", "boss", "Own", "newcomer", "leaves"),
    ]
    added = events(action="access:grant:added")[-1].after
    assert added is not None
    assert (added["person"], added["role"], added["team"]) == ("newcomer", "creator", "Own")


def test_a_grant_that_could_not_be_made_leaves_no_event(two_teams: tuple[Team, Team]) -> None:
    person = someone("viewer", two_teams[0])
    before = len(events())
    with pytest.raises(IntegrityError):
        grant(person=person, role=Role.ADMIN, team=None, reason="no such thing")
    assert len(events()) == before
    assert Grant.objects.active().get().role == "viewer"


# People.


@pytest.mark.parametrize("name", ["Ada", "ADA", "aDa"])
def test_user_names_are_the_same_regardless_of_case(name: str, people: People) -> None:
    with pytest.raises(ValidationError):
        add_person(username=name)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username=name)
    assert User.objects.get_by_natural_key(name) == people.ada


@pytest.mark.parametrize("name", ["", "two words", "a" * 65, "new\nline", "ädä", "ａｄａ", "<b>", "nul\x00"])
def test_a_user_name_outside_the_grammar_is_refused(name: str, database: None) -> None:
    with pytest.raises(ValidationError):
        add_person(username=name)
    assert not User.objects.exists()
    assert events() == []


@pytest.mark.parametrize("password", ["short", "elevenchars", "newcomer1234", "password1234"])
def test_a_weak_password_is_refused(password: str, database: None) -> None:
    with pytest.raises(ValidationError):
        add_person(username="newcomer", password=password)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("full_name", "initials"), [("Ada King Lovelace", "AL"), ("Ada", "LO"), ("", "LO")], ids=str
)
def test_a_person_has_two_initials(full_name: str, initials: str) -> None:
    assert User(username="lovelace", full_name=full_name).initials == initials


def test_the_ledger_tells_a_service_identity_from_a_person(people: People) -> None:
    identity = add_service_identity(
        team=people.vision, name="nightly", role=Role.VIEWER, reason="runs", by=people.tom
    )
    kinds = [people.ada.audit_subject().kind, identity.audit_subject().kind]
    assert kinds == ["person", "service"]
    assert events(object_name="vision.nightly")[0].object_kind == "service"
