"""Services for people, teams and grants: they check permission and rules, and record one event for each change.

A change of role ends what it replaces and begins a grant; lower grants that last longer stay beneath it (`layers`).
A changed end date keeps the grant.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .layers import covering_grant, rank, replaced_as_audit_json, replaced_by
from .models import Grant, Role, Team, User
from .permissions import Permission, require
from .rules import (
    Expiry,
    audited_change,
    lock,
    require_an_admin_stays,
    require_may_give,
    require_may_take,
    resolve_expiry,
    save_valid,
)


def add_person(*, username: str, email: str = "", full_name: str = "", password: str = "") -> User:
    """Add an account. Without a password nobody can sign in with one. Raises ValidationError for a bad name or
    password."""
    person = User(username=username, email=email, full_name=full_name)
    if password:
        validate_password(password, person)
        person.set_password(password)
    else:
        person.set_unusable_password()
    with transaction.atomic():
        save_valid(person)
        record(EventType.PERSON_ADDED, Outcome.DONE, on=person)
    return person


def add_team(*, slug: str, name: str, by: User | None = None) -> Team:
    """Add a team without members. Raises NotPermitted; ValidationError for a bad or existing name."""
    if by is not None:
        require(by, Permission.APPOINT)
    team = Team(slug=slug, name=name)
    with transaction.atomic():
        save_valid(team)
        record(EventType.TEAM_ADDED, Outcome.DONE, on=team, by=by)
    return team


def rename_team(team: Team, *, name: str, by: User, reason: str) -> None:
    """Give a team another name; its slug, and so its addresses, stay.

    Raises NotPermitted; ChangeRefused without a reason; ValidationError for a bad or existing name.
    """
    with audited_change(by=by, on=team, name=name, reason=reason):
        require(by, Permission.APPOINT)
        if not reason.strip():
            raise ChangeRefused(Cause.NO_REASON)
        team = Team.objects.select_for_update().get(pk=team.pk)
        before = team.name
        team.set_name(name)
        save_valid(team, ["name", "name_key"])
        if team.name != before:
            record(
                EventType.TEAM_CHANGED,
                Outcome.DONE,
                on=team,
                by=by,
                reason=reason,
                before={"name": before},
                after={"name": team.name},
            )


def set_rules(team: Team, *, by: User, reason: str = "", **rules: Any) -> None:
    """Change what a team allows (`Team.RULES`) or its number of clusters (`quota`); omitted values stay.

    Raises NotPermitted (rules: the team's admins; quota: platform admins); ValidationError for a malformed value.
    """
    with audited_change(by=by, on=team, reason=reason, **rules):
        if rules.keys() - {*Team.RULES, "quota"}:
            raise TypeError(f"no such rule: {', '.join(rules)}")
        if rules.keys() & set(Team.RULES):
            require(by, Permission.GRANT, team)
        if "quota" in rules:
            require(by, Permission.APPOINT)
        team = Team.objects.select_for_update().get(pk=team.pk)
        before = {name: getattr(team, name) for name in rules}
        for name, value in rules.items():
            setattr(team, name, value)
        team.full_clean()
        team.save(update_fields=list(rules))
        if before != rules:
            record(
                EventType.TEAM_CHANGED,
                Outcome.DONE,
                on=team,
                by=by,
                reason=reason,
                before=before,
                after=rules,
            )


def grant(
    *,
    person: User,
    role: Role,
    team: Team | None,
    reason: str,
    until: Expiry = None,
    by: User | None = None,
    keep_higher: bool = False,
) -> Grant:
    """Grant a role. It replaces the person's grants there, except lower ones that last longer: those stay beneath it.

    `keep_higher`: higher ones stay as well, so nothing is taken away. `by` is None only for a command on the server.

    Raises NotPermitted; ChangeRefused: to oneself, above one's own role, against the team's rules, the last admin; with
    `keep_higher` if the person has as much for as long already.
    """
    change = {"person": person.username, "role": role, "until": until, "reason": reason}
    with audited_change(by=by, on=Subject("grant", "", person.username, team=team), **change):
        new_grant, old_grants = create_grant(
            person=person,
            role=role,
            team=team,
            reason=reason,
            until=until,
            by=by,
            keep_higher=keep_higher,
        )
        event_type = EventType.GRANT_CHANGED if old_grants else EventType.GRANT_ADDED
        record(
            event_type,
            Outcome.DONE,
            on=new_grant,
            by=by,
            reason=reason,
            before=replaced_as_audit_json(old_grants),
            after=new_grant.as_audit_json(),
        )
    return new_grant


def create_grant(
    *,
    person: User,
    role: Role,
    team: Team | None,
    reason: str,
    until: Expiry,
    by: User | None,
    keep_higher: bool = False,
) -> tuple[Grant, list[Grant]]:
    """The grant and those it replaces. For services that record the event: call inside their transaction.

    Raises as `grant` does.
    """
    team = lock(team)
    # Locked as well, so that nothing is granted during a deactivation, which ends every grant.
    if User.objects.select_for_update(no_key=True).filter(pk=person.pk, is_active=True).first() is None:
        raise ChangeRefused(Cause.INACTIVE, person.username)
    require_may_give(by, role, team, to=person)
    now = clock.now()
    ends_at = resolve_expiry(team, end=until, reason=reason, since=now)
    grants = list(Grant.objects.of(person, team).filter(ended_at__isnull=True))
    if keep_higher and covering_grant(grants, role, ends_at):
        raise ChangeRefused(Cause.HELD, person.username)
    old_grants = replaced_by(grants, role, ends_at, keep_higher=keep_higher)
    for old in old_grants:
        if role not in {old.role, Role.ADMIN}:
            require_may_take(by, old)
        if role != old.role or ends_at is not None:
            require_an_admin_stays(old, until=ends_at if role == old.role else None)
        _close(old, at=now, reason=reason, by=by)
    new_grant = Grant.objects.create(
        person=person, role=role, team=team, since=now, until=ends_at, granted_by=by, reason=reason
    )
    return new_grant, old_grants


def extend_grant(grant: Grant, *, until: Expiry, reason: str, by: User) -> Grant:
    """Move the end of a grant, in either direction; its author, beginning and reason stay.

    Raises NotPermitted; ChangeRefused: one's own, against the team's rules, the last admin, ended meanwhile.
    """
    change = {"person": grant.person.username, "role": grant.role, "until": until, "reason": reason}
    with audited_change(by=by, on=grant, **change):
        lock(grant.team)
        grant = _refetch(grant)
        before = grant.as_audit_json()
        move_end(grant, until=until, reason=reason, by=by)
        record(
            EventType.GRANT_EXTENDED,
            Outcome.DONE,
            on=grant,
            by=by,
            reason=reason,
            before=before,
            after=grant.as_audit_json(),
        )
    return grant


def move_end(grant: Grant, *, until: Expiry, reason: str, by: User, only_later: bool = False) -> None:
    """As `extend_grant`, for services that have the lock and record the event. A length counts from now on.

    `only_later`: a grant that lasts as long already stays as it is.
    """
    require_may_give(by, Role(grant.role), grant.team, to=grant.person)
    ends_at = resolve_expiry(grant.team, end=until, reason=reason, since=clock.now())
    if only_later and grant.lasts(ends_at):
        return
    if ends_at is not None:
        require_an_admin_stays(grant, until=ends_at)
    grant.until, grant.reminded_at = ends_at, None
    grant.save(update_fields=["until", "reminded_at"])


def end_grant(grant: Grant, *, reason: str, by: User | None = None) -> None:
    """End a grant now; it stays in the history. A grant that has ended stays as it is.

    Raises NotPermitted; ChangeRefused if the team or the platform would have no admin left.
    """
    change = {"person": grant.person.username, "role": grant.role, "reason": reason}
    with audited_change(by=by, on=grant, **change):
        lock(grant.team)
        revoke(grant, reason=reason, by=by)


def end_all_grants(person: User, team: Team, *, reason: str, by: User | None = None) -> int:
    """End every grant of a person in a team, with one event each. Returns how many there were. Raises as `end_grant`."""
    subject = Subject("grant", "", person.username, team=team)
    with audited_change(by=by, on=subject, person=person.username, reason=reason):
        lock(team)
        grants = sorted(Grant.objects.active().of(person, team), key=rank)
        for each in grants:  # the highest last: it may be what permits the others
            revoke(each, reason=reason, by=by)
    return len(grants)


def revoke(grant: Grant, *, reason: str, by: User | None) -> None:
    """As `end_grant`, for services that have the lock."""
    require_may_take(by, grant)
    if not reason.strip():
        raise ChangeRefused(Cause.NO_REASON)
    if Grant.objects.filter(pk=grant.pk, ended_at__isnull=True).exists():
        require_an_admin_stays(grant)
        _close(grant, at=clock.now(), reason=reason, by=by)
        record(
            EventType.GRANT_ENDED, Outcome.DONE, on=grant, by=by, reason=reason, before=grant.as_audit_json()
        )


def _close(grant: Grant, *, at: datetime, reason: str, by: User | None) -> None:
    rows = Grant.objects.filter(pk=grant.pk, ended_at__isnull=True)
    rows.update(ended_at=at, ended_by=by, end_reason=reason)


def _refetch(grant: Grant) -> Grant:
    """The grant as it is now, under the lock. Raises ChangeRefused if it has ended."""
    fresh = Grant.objects.filter(pk=grant.pk, ended_at__isnull=True).select_related("person", "team").first()
    if fresh is None:
        raise ChangeRefused(Cause.NOT_HELD, grant.person.username)
    return fresh
