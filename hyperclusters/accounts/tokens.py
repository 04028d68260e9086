"""API tokens: created, revoked, and proved at each request."""

from __future__ import annotations

import hmac
import math
from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from hyperclusters.access.models import Team, User
from hyperclusters.access.permissions import NotPermitted, Permission, Person, require, teams_where
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome

from . import lockout
from .backends import read_token
from .company import confirmation_ends_at
from .models import ApiToken, Scope
from .token_format import generate_token, token_id

MINUTE = 60_000  # ms: how far ahead a token's requests may be spent


class TokenRejected(Exception):
    """No usable token came with the request. `cause` is a slug for the ledger."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"token rejected: {cause}")
        self.cause = cause


class RateLimited(Exception):
    """The token has made as many requests as it may in a minute, or its network has sent too many that were rejected.

    It may again after `seconds`.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


def create_token(
    *,
    by: User,
    owner: User,
    name: str,
    scopes: Collection[str],
    expires_at: datetime,
    team: Team | None = None,
    text: str = "",
) -> tuple[ApiToken, str]:
    """A new token of oneself, or of a service identity of a team in which one grants access. Returns it and its text.

    `text`: the token itself, for a fixed one of the demo. Raises NotPermitted; ValidationError on a bad name, scope or end.
    """
    if owner != by:
        _require_manager(by, owner)
    now = clock.now()
    if not now < expires_at <= now + ApiToken.LONGEST:
        raise ValidationError({"expires_at": _("A token ends within a year.")})
    if not scopes or not set(scopes) <= set(Scope.values):
        raise ValidationError({"scopes": _("Choose what the token may be used for.")})
    text = text or generate_token()
    token = ApiToken(
        id=token_id(text),
        digest=_digest(text),
        owner=owner,
        created_by=by,
        name=name,
        scopes=sorted(scopes),
        team=team,
        created_at=now,
        expires_at=expires_at,
    )
    token.full_clean()
    with transaction.atomic():
        token.save(force_insert=True)
        _record(EventType.TOKEN_CREATED, token, by=by)
    return token, text


def revoke_token(token: ApiToken, *, by: User) -> None:
    """End a token at once. One that was revoked already is left as it is. Raises NotPermitted."""
    if token.owner != by:
        _require_manager(by, token.owner)
    with transaction.atomic():
        rows = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
        if rows.update(revoked_at=clock.now()):
            _record(EventType.TOKEN_REVOKED, token, by=by)


def manageable_by(person: Person) -> QuerySet[ApiToken]:
    """The tokens that this person may revoke: their own, and those of the service identities of teams they administer."""
    teams = teams_where(person, Permission.GRANT)
    tokens = ApiToken.objects.filter(owner=person.pk) | ApiToken.objects.filter(owner__service_team__in=teams)
    return tokens.select_related("owner__service_team", "created_by", "team")


def authenticate(header: str, *, ip: str) -> ApiToken:
    """The token of an `Authorization` header, with its owner, its use noted. Raises TokenRejected, RateLimited."""
    scheme, _space, text = header.partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise TokenRejected("missing")
    pk = token_id(text)
    token = read_token(pk) if pk else None
    if token is None or not hmac.compare_digest(token.digest, _digest(text)):
        raise _rejection(None, "unknown", ip)
    if not token.owner.is_active:
        raise _rejection(token, "inactive", ip)
    if not token.is_usable:
        raise _rejection(token, "revoked" if token.revoked_at else "expired", ip)
    ends_at = confirmation_ends_at(token.owner)
    if ends_at and ends_at <= clock.now():
        raise _rejection(token, "unconfirmed", ip)
    _note_use(token, ip)
    return token


def _require_manager(by: User, owner: User) -> None:
    """Only one's own tokens, and those of the service identities of teams in which one grants access."""
    if owner.service_team is None:
        raise NotPermitted(Permission.GRANT)
    require(by, Permission.GRANT, owner.service_team)


def _rejection(token: ApiToken | None, cause: str, ip: str) -> TokenRejected | RateLimited:
    """An event as well: of its owner if the secret was right, else a stranger's.

    A network that has sent too many is told when to come again, and nothing is written. Usable tokens from there are
    accepted all the same.
    """
    if seconds := lockout.count_rejected_token(ip):
        return RateLimited(seconds)
    record(
        EventType.TOKEN_REJECTED,
        Outcome.DENIED,
        on=token or Subject("token"),
        by=token.owner if token else None,
        evidence=cause,
    )
    return TokenRejected(cause)


def _note_use(token: ApiToken, ip: str) -> None:
    """Write down the use, and spend one request of the minute: one UPDATE, so all processes share the limit."""
    now, limit = clock.now(), settings.API_REQUESTS_PER_MINUTE
    at = math.floor(now.timestamp() * 1000)
    step = math.ceil(MINUTE / limit) if limit else 0
    row = ApiToken.objects.filter(pk=token.pk)
    if token.rate_spent_until > at + MINUTE + step:  # written by a clock that was ahead
        row.filter(rate_spent_until=token.rate_spent_until).update(rate_spent_until=at)
    is_within_limit = row.filter(rate_spent_until__lte=at + MINUTE - step).update(
        rate_spent_until=Greatest(F("rate_spent_until"), at) + step, last_used_at=now, last_ip=ip
    )
    if not is_within_limit:
        spent_until = row.values_list("rate_spent_until", flat=True).get()
        raise RateLimited(max(math.ceil((spent_until + step - at - MINUTE) / 1000), 1))


def _digest(text: str) -> str:
    """Keyed, so that nobody who can write to the database can add a token of their own."""
    return salted_hmac("hyperclusters.accounts.tokens", text, algorithm="sha256").hexdigest()


def _record(event_type: EventType, token: ApiToken, *, by: User) -> None:
    record(event_type, Outcome.DONE, on=token, by=by, after=token.as_audit_json())
