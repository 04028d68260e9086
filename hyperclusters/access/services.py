"""People, teams and grants come to be here, each with its audit event."""

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils import timezone

from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome

from .models import SITE_ROLES, Grant, Role, Team, User


def add_person(
    *, username: str, email: str = "", full_name: str = "", password: str = "", by: User | None = None
) -> User:
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
        record(
            Did.PERSON_ADDED,
            Outcome.DONE,
            person=by,
            subject=Subject("person", str(person.pk), person.username),
        )
    return person


def add_team(*, slug: str, name: str, by: User | None = None) -> Team:
    """A new team, without anybody in it."""
    team = Team(slug=slug, name=name)
    team.full_clean()
    with transaction.atomic():
        team.save()
        record(
            Did.TEAM_ADDED,
            Outcome.DONE,
            person=by,
            team=team,
            subject=Subject("team", str(team.pk), team.name),
        )
    return team


def grant(
    *,
    person: User,
    role: Role,
    team: Team | None,
    reason: str,
    until: datetime | None = None,
    by: User | None = None,
) -> Grant:
    """Give a role; one the person already holds there ends. `by` is None only for a command run on the server."""
    with transaction.atomic():
        held = Grant.objects.filter(person=person, team=team, ended_at__isnull=True)
        for old in held.filter(role=role) if role in SITE_ROLES else held:
            end_grant(old, reason=reason, by=by)
        made = Grant.objects.create(
            person=person, role=role, team=team, until=until, granted_by=by, reason=reason
        )
        record(
            Did.GRANT_ADDED,
            Outcome.DONE,
            person=by,
            team=team,
            subject=Subject("grant", str(made.pk), person.username),
            reason=reason,
            after=made.facts(),
        )
    return made


def end_grant(held: Grant, *, reason: str, by: User | None = None) -> None:
    """End a grant now. It stays in the history."""
    with transaction.atomic():
        now = timezone.now()
        ended = Grant.objects.filter(pk=held.pk, ended_at__isnull=True).update(
            ended_at=now, ended_by=by, end_reason=reason
        )
        if ended:
            record(
                Did.GRANT_ENDED,
                Outcome.DONE,
                person=by,
                team=held.team,
                subject=Subject("grant", str(held.pk), held.person.username),
                reason=reason,
                before=held.facts(),
            )
