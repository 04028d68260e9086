"""Finds people of the company's OpenID Connect provider, and applies their groups.

Groups give ordinary grants with the reason "by group …", changed at each sign-in that lists groups. Grants made by
hand stand.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import TEAM_ROLES, Grant, Role, Team, User
from hyperclusters.access.people import set_verified_address
from hyperclusters.access.services import add_person, end_grant, grant
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record, sanitize
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import events
from hyperclusters.audit.vocabulary import EventType, Outcome

from .claims import Claims, Groups
from .models import ApiToken, CompanyAccount
from .sessions import end_sessions

log = logging.getLogger(__name__)
TRIES = 5  # a sign-in that loses a race for an account or a name is repeated


class LoginRejected(Exception):
    """The provider's claims are not enough for an account here."""


class RaceLost(Exception):
    """A simultaneous sign-in took the account or the name; a second try sees it."""


def link_or_create_user(claims: Claims, *, tries: int = TRIES) -> User:
    """The person with this issuer and subject, linked or added at their first sign-in, with their groups applied.

    Raises LoginRejected. Of the claims only the subject, the name and a verified address are stored.
    """
    try:
        with transaction.atomic():
            account = _account_of(claims) or _link(claims)
            _follow_address(account.person, claims)
            CompanyAccount.objects.filter(pk=account.pk).update(confirmed_at=clock.now())
            if account.person.is_active:
                apply_groups(person=account.person, groups=claims.groups)
    except (
        IntegrityError,
        RaceLost,
    ) as error:  # a simultaneous sign-in took the account, name or address
        if tries > 1:
            return link_or_create_user(claims, tries=tries - 1)
        raise LoginRejected("somebody else took the account, name or address at the same moment") from error
    return account.person


def confirmation_ends_at(person: User) -> datetime | None:
    """When this person must sign in at the company again (OIDC_MAX_AGE); None for people with a password here."""
    account = CompanyAccount.objects.filter(person=person).first() if settings.OIDC_ISSUER else None
    if account is None or person.has_usable_password():
        return None
    return account.confirmed_at + timedelta(hours=settings.OIDC_MAX_AGE)


def unlink(account: CompanyAccount, *, reason: str) -> None:
    """Remove the link, so that another company account can be linked to the person by its verified address.
    Without a password here, the person's sessions end, and their tokens when the last confirmation lapses."""
    person, ends_at = account.person, confirmation_ends_at(account.person)
    with transaction.atomic():
        account.delete()
        before = {"issuer": account.issuer, "subject": account.subject}
        after = _end_access(person, ends_at) if ends_at else None
        record(EventType.COMPANY_UNLINKED, Outcome.DONE, on=person, reason=reason, before=before, after=after)


def _end_access(person: User, ends_at: datetime) -> dict[str, Any]:
    """End the person's sessions, and by then the tokens; what was done, for the audit."""
    tokens = ApiToken.objects.filter(owner=person, expires_at__gt=ends_at).update(expires_at=ends_at)
    return {"sessions": end_sessions(person), "tokens": tokens, "expires_at": ends_at.isoformat()}


def _account_of(claims: Claims) -> CompanyAccount | None:
    """The account of this issuer and subject. Accounts linked by an earlier release belong to this first issuer."""
    CompanyAccount.objects.filter(issuer="").update(issuer=settings.OIDC_ISSUER)
    accounts = CompanyAccount.objects.select_related("person")
    return accounts.filter(issuer=settings.OIDC_ISSUER, subject=claims.subject).first()


def _link(claims: Claims) -> CompanyAccount:
    """Link the subject to the person with its verified address and no company account; else to a new person."""
    if claims.unverified_address and User.objects.by_address(claims.unverified_address).exists():
        raise LoginRejected("its e-mail address is not verified, and somebody here has it")
    person = User.objects.by_address(claims.address).first()
    if person is None:
        person = _add(claims)
    elif person.service_team_id:
        raise LoginRejected(f"its e-mail address is that of {person.username}, which is a service identity")
    elif not person.is_active:
        raise LoginRejected(f"its e-mail address is that of {person.username}, who is deactivated")
    elif other := CompanyAccount.objects.filter(person=person).first():
        if (other.issuer, other.subject) == (settings.OIDC_ISSUER, claims.subject):
            raise RaceLost
        raise LoginRejected(
            f"its e-mail address is that of {person.username}, who has another company account"
        )
    account = CompanyAccount.objects.create(
        person=person, issuer=settings.OIDC_ISSUER, subject=claims.subject
    )
    record(
        EventType.COMPANY_LINKED,
        Outcome.DONE,
        on=person,
        by=person,
        evidence=claims.address,
        after={"issuer": account.issuer, "subject": account.subject},
    )
    return account


def _add(claims: Claims) -> User:
    names = (claims.username if n == 1 else f"{claims.username}-{n}" for n in count(1))
    username = next(name for name in names if not User.objects.by_username(name).exists())
    try:
        return add_person(username=username, email=claims.address, full_name=claims.full_name)
    except ValidationError as error:
        rivals = User.objects.by_username(username) | User.objects.by_address(claims.address)
        if rivals.exists():
            raise RaceLost from error
        raise LoginRejected("; ".join(error.messages)) from error


def _follow_address(person: User, claims: Claims) -> None:
    """Take over a verified change of address; drop one that the provider disowns and that only it ever gave."""
    if claims.unusable_address:
        _note_refused_address(person, claims.unusable_address, "address_unusable", "can't be used here")
    elif claims.address and User.objects.by_address(claims.address).exclude(pk=person.pk).exists():
        _note_refused_address(person, claims.address, "address_taken", "belongs to somebody else here")
    elif claims.address:
        set_verified_address(person, claims.address, reason="verified by the company's provider")
    elif person.email and claims.unverified_address == person.email and not person.has_usable_password():
        set_verified_address(person, "", reason="not verified by the company's provider")


def _note_refused_address(person: User, address: str, evidence: str, why: str) -> None:
    """Record that a verified address is not taken over; once, however often the provider states it."""
    subject, request = person.audit_subject(), {"email": address}
    changes = Event.objects.for_object(subject.kind, subject.id).filter(action=EventType.PERSON_CHANGED)
    last = next((event for _, event in events(changes.order_by("-seq")[:1])), None)
    if last and (last.evidence, last.request) == (evidence, sanitize(request)):
        return
    log.warning("the verified address of %s %s", person.username, why)
    record(
        EventType.PERSON_CHANGED,
        Outcome.REFUSED,
        on=person,
        by=person,
        reason="verified by the company's provider",
        request=request,
        evidence=evidence,
    )


def apply_groups(*, person: User, groups: Groups) -> None:
    """Grant what these groups give, and end what earlier groups gave. Grants made by hand stand.

    If the sign-in does not state the groups, every grant stays as it is; if that matters, there is an event.
    """
    by_groups = [
        each
        for each in Grant.objects.filter(person=person, ended_at__isnull=True).select_related(
            "team", "person"
        )
        if each.group
    ]
    if groups.names is None:
        _note_unstated(person, groups, by_groups)
        return
    roles = _roles_of(groups.names)
    for old in by_groups:
        if (old.team, old.role) not in roles:
            with _unless_refused(person):
                end_grant(old, reason=f"no longer {old.reason}")
    active_grants = Grant.objects.active().filter(person=person)
    for (team, role), group in roles.items():
        same = active_grants.filter(team=team) if team else active_grants.filter(team__isnull=True, role=role)
        if not same.exists():
            with _unless_refused(person):
                grant(person=person, role=Role(role), team=team, reason=f"{Grant.BY_GROUP}{group}")


def _note_unstated(person: User, groups: Groups, by_groups: list[Grant]) -> None:
    """Record it if it matters: the person has roles by groups, or the provider tried to state the groups."""
    if not by_groups and not (groups.problem and settings.OIDC_GROUP_ROLES):
        return
    problem = groups.problem or f"the claim {settings.OIDC_GROUPS_CLAIM} is missing"
    log.warning("groups of %s are not stated, so their roles stay: %s", person.username, problem)
    person.groups_problem = problem
    record(EventType.GROUPS_NOT_STATED, Outcome.NOTED, on=person, by=person, evidence=problem)


@contextmanager
def _unless_refused(person: User) -> Iterator[None]:
    """A team's rules and its last admin outrank groups: then the grant stays as it is, which is an event, and signing in
    continues."""
    try:
        yield  # without a savepoint here: it would take the event of the refusal back, too
    except ChangeRefused as error:
        log.warning("groups of %s: %s", person.username, error)


def _roles_of(groups: frozenset[str]) -> dict[tuple[Team | None, str], str]:
    """What these groups give, each with its group: in a team only the strongest role."""
    teams = Team.objects.in_bulk(
        [slug for _, slug, _ in settings.OIDC_GROUP_ROLES if slug], field_name="slug"
    )
    best: dict[str, tuple[str, str]] = {}
    site_roles: dict[tuple[Team | None, str], str] = {}
    for group, slug, role in settings.OIDC_GROUP_ROLES:
        if group not in groups:
            continue
        if not slug:
            site_roles[None, role] = group
        elif slug in teams and (slug not in best or _rank(role) > _rank(best[slug][0])):
            best[slug] = role, group
    return site_roles | {(teams[slug], role): group for slug, (role, group) in best.items()}


def _rank(role: str) -> int:
    return TEAM_ROLES.index(Role(role))
