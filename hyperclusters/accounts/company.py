"""People of the company's OpenID Connect provider: whose account it is, and what their groups give them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from hyperclusters.access.models import TEAM_ROLES, Grant, Role, Team, User
from hyperclusters.access.refusals import AccessRefused
from hyperclusters.access.services import add_person, end_grant, grant
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome

log = logging.getLogger(__name__)

BY_GROUP = "by group "  # how the reason of a grant begins that a group gave, with no person as its giver


class NotWelcome(Exception):
    """What the provider said of this person is not enough for an account here."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says of a person, as far as it is looked at."""

    username: str
    email: str
    is_verified: bool
    full_name: str
    groups: frozenset[str]

    @classmethod
    def read(cls, said: dict[str, Any]) -> Claims:
        """From the userinfo answer, or else the ID token."""
        claims = {**(said.get("id_token") or {}), **(said.get("userinfo") or {})}
        groups = claims.get(settings.OIDC_GROUPS_CLAIM) or []
        return cls(
            username=str(claims.get("preferred_username") or ""),
            email=str(claims.get("email") or "").lower(),
            is_verified=claims.get("email_verified") is True,
            full_name=str(claims.get("name") or "")[:150],
            groups=frozenset(map(str, groups if isinstance(groups, list) else str(groups).split())),
        )


def welcome(login: SocialLogin, request: HttpRequest) -> User:
    """The person of this company account, made or linked at their first visit, with what their groups give by now.

    Raises NotWelcome. Of what the provider said only the groups are kept.
    """
    claims = Claims.read(login.account.extra_data)
    login.account.extra_data = {"groups": sorted(claims.groups)}
    with transaction.atomic():
        if login.is_existing:
            login.account.save(update_fields=["extra_data"])
        else:
            login.connect(request, _person_for(claims))
        person: User = login.user
        if person.is_active:
            apply_groups(person=person, groups=claims.groups)
    return person


def _person_for(claims: Claims) -> User:
    """Who has this e-mail address here already, if the provider has verified it; else a new person."""
    known = list(User.objects.filter(email__iexact=claims.email)[:2]) if claims.email else []
    if known and not claims.is_verified:
        raise NotWelcome("its e-mail address is not verified, and somebody here has the same")
    if len(known) > 1:
        raise NotWelcome("several people here have its e-mail address")
    if known:
        record(
            Did.COMPANY_LINKED, Outcome.DONE, person=known[0], subject=known[0].subject, evidence=claims.email
        )
        return known[0]
    try:
        return add_person(username=_free_name(claims), email=claims.email, full_name=claims.full_name)
    except ValidationError as error:
        raise NotWelcome("; ".join(error.messages)) from error


def _free_name(claims: Claims) -> str:
    """A user name like theirs that nobody has: a name alone never leads into somebody's account."""
    wished = claims.username or claims.email.partition("@")[0]
    stem = re.sub(r"[^A-Za-z0-9_.+-]", "-", wished)[:56].strip("-") or "person"
    names = (stem if n == 1 else f"{stem}-{n}" for n in count(1))
    return next(name for name in names if not User.objects.filter(username__iexact=name).exists())


def apply_groups(*, person: User, groups: frozenset[str]) -> None:
    """Give what these groups give, and end what earlier ones gave. A grant that somebody made by hand stands."""
    wanted = _wanted(groups)
    held = Grant.objects.filter(person=person, ended_at__isnull=True).select_related("team", "person")
    for old in held.filter(granted_by__isnull=True, reason__startswith=BY_GROUP):
        if (old.team, old.role) not in wanted:
            with _unless_refused(person):
                end_grant(old, reason=f"no longer {old.reason}")
    standing = Grant.objects.active().filter(person=person)
    for (team, role), group in wanted.items():
        same = standing.filter(team=team) if team else standing.filter(team__isnull=True, role=role)
        if not same.exists():
            with _unless_refused(person):
                grant(person=person, role=Role(role), team=team, reason=f"{BY_GROUP}{group}")


@contextmanager
def _unless_refused(person: User) -> Iterator[None]:
    """A team's rules and its last admin stand above what groups say: then the grant stays as it is, and signing in goes on."""
    try:
        with transaction.atomic():
            yield
    except AccessRefused as refused:
        log.warning("groups of %s: %s", person.username, refused)


def _wanted(groups: frozenset[str]) -> dict[tuple[Team | None, str], str]:
    """What these groups give, each with the group it comes from: in a team the strongest role alone."""
    teams = Team.objects.in_bulk(
        [slug for _, slug, _ in settings.OIDC_GROUP_ROLES if slug], field_name="slug"
    )
    best: dict[str, tuple[str, str]] = {}
    wanted: dict[tuple[Team | None, str], str] = {}
    for group, slug, role in settings.OIDC_GROUP_ROLES:
        if group not in groups:
            continue
        if not slug:
            wanted[None, role] = group
        elif slug in teams and (slug not in best or _rank(role) > _rank(best[slug][0])):
            best[slug] = role, group
    return wanted | {(teams[slug], role): group for slug, (role, group) in best.items()}


def _rank(role: str) -> int:
    return TEAM_ROLES.index(Role(role))
