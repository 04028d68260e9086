"""`record` is the only writer of the ledger."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from . import clock, request_context
from .chain import PendingEvent
from .denials import is_repeated
from .models import Event
from .vocabulary import EventType, Outcome

Person = AbstractBaseUser | AnonymousUser | None


class Team(Protocol):
    """What the ledger needs of a team."""

    pk: Any
    name: Any


class Project(Protocol):
    """What the ledger needs of a project."""

    name: Any


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: a kind such as `creation`, its ID, its name as people know it, and its team and
    project."""

    kind: str = ""
    id: str = ""
    name: str = ""
    team: Team | None = None
    project: Project | None = None


class Auditable(Protocol):
    """A model that says how the ledger names its rows, so that no two calls name one row differently."""

    def audit_subject(self) -> Subject: ...


NOTHING = Subject()


def sanitize(value: Any) -> Any:
    r"""The same value with what a database or a terminal chokes on (control characters, NUL, lone surrogates)
    written as `\x00` or `\ud800`, so that a hostile answer cannot stop its own record from being kept."""
    if isinstance(value, str):
        if value.isprintable():
            return value
        return "".join(_escape(character) for character in value)
    if isinstance(value, dict):
        items = {sanitize(str(key)): sanitize(item) for key, item in value.items()}
        return {key: items[key] for key in sorted(items, key=_as_postgresql)}
    if isinstance(value, list | tuple):
        return [sanitize(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _as_postgresql(key: str) -> tuple[int, bytes]:
    """The order in which PostgreSQL stores the keys of a JSON object: shorter keys first."""
    text = key.encode()
    return len(text), text


def _escape(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def record(
    event_type: EventType,
    outcome: Outcome,
    *,
    on: Auditable | Subject = NOTHING,
    by: Person = None,
    person_name: str = "",
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    request: dict[str, Any] | None = None,
    response: dict[str, Any] | None = None,
    evidence: str = "",
    upstream_request_id: str = "",
) -> Event:
    """Append one event in the caller's transaction: the change and its event commit together or not at all.

    The event gets its number (`seq`) and its place in the chain as the last act of the transaction; until then it is
    in no table. Outside a transaction it is committed at once. `person_name` is for people without an account, such
    as the name typed in a failed sign-in. A repeated denial, refusal or failed sign-in is counted and becomes part of
    one summary (see `denials`).
    """
    event = Event(
        at=clock.now(),
        action=event_type,
        outcome=outcome,
        **_actor(by, person_name),
        **_object(on if isinstance(on, Subject) else on.audit_subject()),
        reason=sanitize(reason),
        before=sanitize(before),
        request=sanitize(request),
        response=sanitize(response),
        evidence=_short(evidence, 200),
        upstream_request_id=_short(upstream_request_id, 128),
        **_origin(after),
    )
    with transaction.atomic(savepoint=False):  # saves two statements for each event of a longer transaction
        if not is_repeated(event):
            transaction.on_commit(PendingEvent(event))
    return event


def _origin(after: dict[str, Any] | None) -> dict[str, Any]:
    """Where the event came from, with the API token's name among the facts of `after`."""
    here = request_context.current()
    facts = (after or {}) | {"token": here.token} if here.token else after
    return {"after": sanitize(facts), "source": here.source, "ip": here.ip, "request_id": here.request_id}


def _actor(person: Person, name: str) -> dict[str, Any]:
    user = person if isinstance(person, AbstractBaseUser) else None
    return {
        "person_id": user.pk if user else None,
        "person_name": _short(user.get_username() if user else name, 150),
    }


def _object(subject: Subject) -> dict[str, Any]:
    team, project = subject.team, subject.project
    return {
        "team_id": team.pk if team else None,
        "team_name": _short(team.name if team else "", 100),
        "project_name": _short(project.name if project else "", 64),
        "object_kind": subject.kind,
        "object_id": _short(subject.id, 64),
        "object_name": _short(subject.name, 200),
    }


def _short(text: str, limit: int) -> str:
    clean: str = sanitize(text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
