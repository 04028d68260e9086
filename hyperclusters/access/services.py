"""People, teams and grants come to be, change and end here: permission, rules, and one audit event for each change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome

from .models import SITE_ROLES, Grant, Role, Team, User
from .permissions import Action, require
from .refusals import AccessRefused, Cause
from .rules import End, change, end_of, lock, require_an_admin_stays, require_may_give, require_may_take


def add_person(*, username: str, email: str = "", full_name: str = "", password: str = "") -> User:
    """A new account. Without a password nobody can sign in with one. Raises ValidationError on a bad name or password."""
    person = User(username=username, email=email, full_name=full_name)
    if password:
        validate_password(password, person)
        person.set_password(password)
    else:
        person.set_unusable_password()
    person.full_clean()
    with transaction.atomic():
        person.save()
        record(Did.PERSON_ADDED, Outcome.DONE, subject=person.subject)
    return person


def add_team(*, slug: str, name: str, by: User | None = None) -> Team:
    """A new team, without anybody in it. Raises NotPermitted; ValidationError on a bad or taken name."""
    if by is not None:
        require(by, Action.APPOINT)
    team = Team(slug=slug, name=name)
    team.full_clean()
    with transaction.atomic():
        team.save()
        record(Did.TEAM_ADDED, Outcome.DONE, person=by, team=team, subject=team.subject)
    return team


def set_rules(team: Team, *, by: User, reason: str = "", **rules: Any) -> None:
    """Change what a team allows (`Team.RULES`) or how many clusters it may have (`quota`); what is not given stays.

    Raises NotPermitted (rules: the team's admins; quota: platform admins); ValidationError on a malformed value.
    """
    with change(by=by, team=team, about=team.subject, reason=reason, **rules):
        if rules.keys() - {*Team.RULES, "quota"}:
            raise TypeError(f"no such rule: {', '.join(rules)}")
        if rules.keys() & set(Team.RULES):
            require(by, Action.GRANT, team)
        if "quota" in rules:
            require(by, Action.APPOINT)
        team = Team.objects.select_for_update().get(pk=team.pk)
        before = {name: getattr(team, name) for name in rules}
        for name, value in rules.items():
            setattr(team, name, value)
        team.full_clean()
        team.save(update_fields=list(rules))
        if before != rules:
            record(
                Did.TEAM_CHANGED,
                Outcome.DONE,
                person=by,
                team=team,
                subject=team.subject,
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
    until: End = None,
    by: User | None = None,
) -> Grant:
    """Give a role; another one that the person holds there ends with it. `by` is None only for a command on the server.

    Raises NotPermitted; AccessRefused: to oneself, above one's own role, against the team's rules, the last admin.
    """
    wish = {"person": person.username, "role": role, "until": until, "reason": reason}
    with change(by=by, team=team, about=Subject("grant", "", person.username), **wish):
        made, replaced = put(person=person, role=role, team=team, reason=reason, until=until, by=by)
        did = Did.GRANT_CHANGED if replaced else Did.GRANT_ADDED
        before = replaced.facts() if replaced else None
        _tell(did, made, by=by, reason=reason, before=before, after=made.facts())
    return made


def put(
    *, person: User, role: Role, team: Team | None, reason: str, until: End, by: User | None
) -> tuple[Grant, Grant | None]:
    """The grant and the one it takes the place of. For services that write the event: call inside their transaction.

    Raises as `grant` does.
    """
    team = lock(team)
    # Held as well, so that nothing is given beside a deactivation, which ends all there is.
    if User.objects.select_for_update(no_key=True).filter(pk=person.pk, is_active=True).first() is None:
        raise AccessRefused(Cause.INACTIVE, person.username)
    require_may_give(by, role, team, to=person)
    now = clock.now()
    ends_at = end_of(team, end=until, reason=reason, since=now)
    held = Grant.objects.filter(person=person, team=team, ended_at__isnull=True)
    old = (held.filter(role=role) if role in SITE_ROLES else held).select_related("person", "team").first()
    if old is not None:
        if role not in {old.role, Role.ADMIN}:
            require_may_take(by, old)
        if role != old.role or ends_at is not None:
            require_an_admin_stays(old, until=ends_at if role == old.role else None)
        _end(old, at=now, reason=reason, by=by)
    made = Grant.objects.create(
        person=person, role=role, team=team, since=now, until=ends_at, granted_by=by, reason=reason
    )
    return made, old


def extend_grant(held: Grant, *, until: End, reason: str, by: User) -> Grant:
    """Move the end of a grant, in either direction; who gave it, when and why stays.

    Raises NotPermitted; AccessRefused: one's own, against the team's rules, the last admin, ended meanwhile.
    """
    wish = {"person": held.person.username, "role": held.role, "until": until, "reason": reason}
    with change(by=by, team=held.team, about=held.subject, **wish):
        lock(held.team)
        held = _still(held)
        before = held.facts()
        move_end(held, until=until, reason=reason, by=by)
        _tell(Did.GRANT_EXTENDED, held, by=by, reason=reason, before=before, after=held.facts())
    return held


def move_end(held: Grant, *, until: End, reason: str, by: User, only_later: bool = False) -> None:
    """As `extend_grant`, for services that hold the lock and write the event. A length counts from now on.

    `only_later`: what lasts as long already is left as it is.
    """
    require_may_give(by, Role(held.role), held.team, to=held.person)
    ends_at = end_of(held.team, end=until, reason=reason, since=clock.now())
    if only_later and held.lasts(ends_at):
        return
    if ends_at is not None:
        require_an_admin_stays(held, until=ends_at)
    held.until, held.reminded_at = ends_at, None
    held.save(update_fields=["until", "reminded_at"])


def end_grant(held: Grant, *, reason: str, by: User | None = None) -> None:
    """End a grant now; it stays in the history. One that has ended already is left as it is.

    Raises NotPermitted; AccessRefused if the team or the platform would be left without an admin.
    """
    wish = {"person": held.person.username, "role": held.role, "reason": reason}
    with change(by=by, team=held.team, about=held.subject, **wish):
        lock(held.team)
        take(held, reason=reason, by=by)


def take(held: Grant, *, reason: str, by: User | None) -> None:
    """As `end_grant`, for services that hold the lock."""
    require_may_take(by, held)
    if not reason.strip():
        raise AccessRefused(Cause.NO_REASON)
    if Grant.objects.filter(pk=held.pk, ended_at__isnull=True).exists():
        require_an_admin_stays(held)
        _end(held, at=clock.now(), reason=reason, by=by)
        _tell(Did.GRANT_ENDED, held, by=by, reason=reason, before=held.facts())


def _end(held: Grant, *, at: datetime, reason: str, by: User | None) -> None:
    rows = Grant.objects.filter(pk=held.pk, ended_at__isnull=True)
    rows.update(ended_at=at, ended_by=by, end_reason=reason)


def _still(held: Grant) -> Grant:
    """The grant as it is now, under the lock. Raises AccessRefused if it has ended."""
    found = Grant.objects.filter(pk=held.pk, ended_at__isnull=True).select_related("person", "team").first()
    if found is None:
        raise AccessRefused(Cause.NOT_HELD, held.person.username)
    return found


def _tell(did: Did, held: Grant, *, by: User | None, **facts: Any) -> None:
    record(did, Outcome.DONE, person=by, team=held.team, subject=held.subject, **facts)
