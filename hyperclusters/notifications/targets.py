"""Chats that get messages: added, changed, paused, removed and tested by admins of a team, or by auditors for their own.

Nobody reads an address back: it is sealed here, opened by the worker alone, and in no event. What changes a chat raises
NotificationTarget.DoesNotExist if somebody has removed it meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from hyperclusters.access.models import Message, MessageKind, MessageState, NotificationTarget, Team, User
from hyperclusters.access.permissions import Permission, Reader, require, scope, within
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.encryption import UnreadableSecret, key_ids, seal, unseal

from .formats import checked_address
from .happenings import AUDITORS_ONLY


def kinds_for(team: Team | None) -> list[MessageKind]:
    """What can be chosen for a chat of this team, or of the auditors."""
    exceptions = {MessageKind.TEST} | (AUDITORS_ONLY if team else set())
    return [kind for kind in MessageKind if kind not in exceptions]


def targets_of(team: Team | None) -> QuerySet[NotificationTarget]:
    """The chats of a team, or of the auditors."""
    return NotificationTarget.objects.present().filter(team=team).select_related("team", "address_set_by")


def failing_for(person: Reader) -> QuerySet[NotificationTarget]:
    """The chats that this person manages and that messages do not reach."""
    mine = within(person, Permission.GRANT, team="team") & Q(team__isnull=False)
    if scope(person, Permission.REVIEW) is None:
        mine |= Q(team__isnull=True)
    return NotificationTarget.objects.failing().filter(mine).select_related("team")


def add_target(
    *,
    team: Team | None,
    service: str,
    name: str,
    url: str,
    secret: str,
    kinds: Iterable[str],
    language: str,
    by: User,
) -> NotificationTarget:
    """Add a chat. Raises NotPermitted, AddressRefused."""
    _require(by, team)
    checked_address(service, url, settings.MESSAGE_HOSTS)
    target = NotificationTarget(team=team, service=service, name=name, language=language, address_set_by=by)
    target.kinds = _kinds(team, kinds)
    _seal(target, {"url": url, "secret": secret})
    with transaction.atomic():
        target.save(force_insert=True)
        record(EventType.TARGET_ADDED, Outcome.DONE, on=target, by=by, after=target.as_audit_json())
    return target


def change_target(
    target: NotificationTarget,
    *,
    name: str,
    kinds: Iterable[str],
    language: str,
    by: User,
    url: str = "",
    secret: str = "",
) -> None:
    """Change what it gets and, if a URL is given, where it is: with that URL's secret, or none. Raises NotPermitted,
    AddressRefused."""
    _require(by, target.team)
    if url:
        checked_address(target.service, url, settings.MESSAGE_HOSTS)
    with transaction.atomic():
        row = _lock(target)
        before = row.as_audit_json()
        row.name, row.kinds, row.language = name, _kinds(row.team, kinds), language
        if url:
            _seal(row, {"url": url, "secret": secret})
            row.address_set_by, row.address_set_at, row.run_after = by, clock.now(), clock.now()
            row.failures, row.failure, row.failure_detail, row.given_up_at = 0, "", "", None
        row.save()
        after = row.as_audit_json() | ({"address": "replaced"} if url else {})
        record(EventType.TARGET_CHANGED, Outcome.DONE, on=row, by=by, before=before, after=after)


def pause_target(target: NotificationTarget, *, is_paused: bool, by: User) -> None:
    """Stop messages to it, those that wait as well, or let them go on. Raises NotPermitted."""
    _require(by, target.team)
    with transaction.atomic():
        row = _lock(target)
        if row.is_paused == is_paused:
            return
        before = row.as_audit_json()
        row.is_paused, row.given_up_at = is_paused, None
        row.save(update_fields=["is_paused", "given_up_at"])
        after = row.as_audit_json() | ({"dropped": _drop(row)} if is_paused else {})
        record(EventType.TARGET_CHANGED, Outcome.DONE, on=row, by=by, before=before, after=after)


def remove_target(target: NotificationTarget, *, by: User) -> None:
    """Remove it with its address. Raises NotPermitted."""
    _require(by, target.team)
    with transaction.atomic():
        row = _lock(target)
        row.removed_at, row.sealed_address, row.sealed_with = clock.now(), "", ""
        row.save(update_fields=["removed_at", "sealed_address", "sealed_with"])
        after = {"dropped": _drop(row)}
        record(
            EventType.TARGET_REMOVED,
            Outcome.DONE,
            on=row,
            by=by,
            before=row.as_audit_json(),
            after=after,
        )


def test_target(target: NotificationTarget, *, by: User) -> None:
    """Queue a test message, which the worker sends as any other; one at a time. Raises NotPermitted."""
    _require(by, target.team)
    with transaction.atomic():
        row = _lock(target)
        tests = row.messages.filter(kind=MessageKind.TEST, state=MessageState.WAITING)
        if row.is_paused or tests.exists():
            return
        facts = {"text": "test"}
        path, key = row.list_url, f"test {uuid.uuid4().hex}"
        Message.objects.create(target=row, kind=MessageKind.TEST, key=key, facts=facts, path=path)
        row.run_after = clock.now()
        row.save(update_fields=["run_after"])
        record(EventType.TARGET_TESTED, Outcome.ACCEPTED, on=row, by=by)


def reseal_addresses() -> Iterator[tuple[NotificationTarget, bool]]:
    """Encrypt every address with the newest of CREDENTIAL_KEYS: yields each chat that needs it, and whether it worked."""
    stale = NotificationTarget.objects.present().exclude(sealed_with=key_ids()[0])
    for pk in list(stale.values_list("pk", flat=True)):
        with transaction.atomic():
            target = NotificationTarget.objects.present().select_for_update().filter(pk=pk).first()
            if target is None:
                continue  # removed meanwhile
            try:
                _seal(target, unseal(target.sealed_address, bound_to=target.bound_to))
            except UnreadableSecret:
                is_sealed = False
            else:
                target.save(update_fields=["sealed_address", "sealed_with"])
                is_sealed = True
        yield target, is_sealed


def _require(by: User, team: Team | None) -> None:
    if team is None:
        require(by, Permission.REVIEW)
    else:
        require(by, Permission.GRANT, team)


def _lock(target: NotificationTarget) -> NotificationTarget:
    return (
        NotificationTarget.objects.present()
        .select_for_update(of=("self",))
        .select_related("team")
        .get(pk=target.pk)
    )


def _seal(target: NotificationTarget, address: dict[str, str]) -> None:
    target.sealed_address = seal(address, bound_to=target.bound_to)
    target.sealed_with = key_ids()[0]


def _kinds(team: Team | None, kinds: Iterable[str]) -> list[str]:
    names = set(kinds)
    return [kind.value for kind in kinds_for(team) if kind.value in names]


def _drop(target: NotificationTarget) -> int:
    """Give up what waits for this chat. Returns how many messages."""
    messages = target.messages.filter(state=MessageState.WAITING)
    return messages.update(state=MessageState.GIVEN_UP, settled_at=clock.now())
