"""Sends waiting messages: at least once, in order for each chat (a test first), and one thread for each service, so that
one that does not answer delays no other.

A target's lease gives it to one worker for one message. Its pause doubles with each failure, and is set before the
message is sent, so that a message that kills its worker waits as well. A message is given up after a day, or when the
service has refused it several times: then it may be the message that is wrong, and those behind it are tried.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F

from hyperclusters.access.models import Message, MessageKind, MessageState, NotificationTarget
from hyperclusters.access.models.notification import pause
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.encryption import UnreadableSecret, unseal
from hyperclusters.modelarts import Transport

from .formats import Address, AddressRefused, MessageRejected, check_answer, checked_address, request
from .texts import text_of

log = logging.getLogger(__name__)
DEADLINE = 10.0  # seconds for one message, from DNS to the answer's last byte
LONGEST_ANSWER = 16 * 1024  # bytes
TELLING_LETTERS = 8  # letters of an address that tell too much of it
REFUSALS = 5  # answers of the service that refuse one message
EXPIRY = timedelta(days=1)  # after which a message tells nothing that is worth sending
KEEP_FOR = timedelta(days=14)  # for which settled messages are kept, so that nothing is told twice
OF_THE_MESSAGE = {"rejected", "no_keyword", "odd_answer"}  # what may be wrong with one message alone


def send_due(service: str, may_go_on: Callable[[], bool] = lambda: True) -> int:
    """Send every message of this service that is due, one after the other while `may_go_on` allows it. Returns how many
    were delivered."""
    count, holder = 0, uuid.uuid4().hex
    while may_go_on() and (target := NotificationTarget.objects.filter(service=service).claim(holder)):
        mine = NotificationTarget.objects.filter(pk=target.pk, lease_holder=holder)
        queue = target.messages.filter(state=MessageState.WAITING)
        message = queue.filter(kind=MessageKind.TEST).first() or queue.first()
        try:
            if message is not None:
                mine.update(run_after=clock.now() + pause(target.failures + 1))
                count += _deliver(target, message)
        finally:
            mine.update(lease_holder="", lease_expires_at=None)
    return count


def remove_old() -> None:
    """Give up messages that have waited for a day, and forget those that were settled long ago."""
    overdue = Message.objects.filter(state=MessageState.WAITING).exclude(clock.within("happened_at", EXPIRY))
    for target in NotificationTarget.objects.filter(pk__in=overdue.values("target")).select_related("team"):
        with transaction.atomic():
            old = overdue.filter(target=target)
            if count := old.update(state=MessageState.GIVEN_UP, settled_at=clock.now()):
                _give_up(target, count, target.failure or "expired")
    Message.objects.filter(settled_at__isnull=False).exclude(clock.within("settled_at", KEEP_FOR)).delete()


def _deliver(target: NotificationTarget, message: Message) -> int:
    """Send one message and note what became of it. Returns how many were delivered."""
    try:
        _post(target, message)
    except MessageRejected as error:
        _note_failure(target, message, error)
        return 0
    now = clock.now()
    with transaction.atomic():
        Message.objects.filter(pk=message.pk).update(state=MessageState.SENT, settled_at=now)
        NotificationTarget.objects.filter(pk=target.pk).update(
            delivered_at=now,
            delivered_count=F("delivered_count") + 1,
            failures=0,
            failure="",
            failure_detail="",
            given_up_at=None,
            run_after=now,
        )
    return 1


def _post(target: NotificationTarget, message: Message) -> None:
    """Raises MessageRejected, also for what the network does."""
    try:
        address = Address(**unseal(target.sealed_address, bound_to=target.bound_to))
        checked_address(target.service, address.url, settings.MESSAGE_HOSTS)
    except UnreadableSecret:
        raise MessageRejected("unreadable") from None
    except AddressRefused as error:
        raise MessageRejected(error.cause) from None
    text = text_of(message, target)
    url, body = request(target.service, address, text, now=clock.now().timestamp())
    parts = urlsplit(url)
    answer = transport().send(
        method="POST",
        origin=f"{parts.scheme}://{parts.netloc}",
        target=f"{parts.path}?{parts.query}" if parts.query else parts.path,
        headers=[
            ("Host", parts.netloc),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "hyperclusters"),
        ],
        body=body,
        deadline=min(DEADLINE, float(settings.UPSTREAM_DEADLINE)),
        connect_timeout=float(settings.UPSTREAM_CONNECT_TIMEOUT),
        max_body=LONGEST_ANSWER,
    )
    if answer.failure:
        raise MessageRejected("no_connection", answer.failure)
    check_answer(target.service, answer.status or 0, answer.body)


def _note_failure(target: NotificationTarget, message: Message, error: MessageRejected) -> None:
    # The service's words are hostile text, and may repeat the address.
    words = "".join(each if each.isprintable() else " " for each in error.detail)
    detail = _without_secrets(target, words)[:200]
    is_refusal = error.cause in OF_THE_MESSAGE
    log.warning("a message to a chat failed: %s %s: %s", target.service, target.pk, error.cause)
    with transaction.atomic():
        NotificationTarget.objects.filter(pk=target.pk).update(
            failures=F("failures") + 1,
            failed_count=F("failed_count") + 1,
            failure=error.cause,
            failure_detail=detail,
            failed_at=clock.now(),
        )
        is_last = message.kind == MessageKind.TEST or (is_refusal and message.refusals + 1 >= REFUSALS)
        row = Message.objects.filter(pk=message.pk, state=MessageState.WAITING)
        if not is_last:
            row.update(refusals=F("refusals") + int(is_refusal))
        elif row.update(state=MessageState.GIVEN_UP, settled_at=clock.now()):
            target.failure = error.cause
            _give_up(target, 1, error.cause, kind=message.kind)


def _give_up(target: NotificationTarget, count: int, failure: str, *, kind: str = "") -> None:
    """Record that messages did not arrive, and show it to those who manage the chat."""
    if kind == MessageKind.TEST:
        return  # who asked for it looks at the outcome
    NotificationTarget.objects.filter(pk=target.pk).update(given_up_at=clock.now(), failure=failure)
    facts = {"messages": count, "failure": failure} | ({"kind": kind} if kind else {})
    record(EventType.MESSAGE_GIVEN_UP, Outcome.FAILED, on=target, after=facts)


def _without_secrets(target: NotificationTarget, text: str) -> str:
    """The text, or nothing if a part of the address or the secret is in it: cut, spaced or encoded as it may be."""
    try:
        address = unseal(target.sealed_address, bound_to=target.bound_to)
    except UnreadableSecret:
        return text
    parts, letters_of_text = urlsplit(address["url"]), _letters(text)
    words = [address["secret"], *parts.path.split("/"), *dict(parse_qsl(parts.query)).values()]
    pieces = (
        letters[start : start + TELLING_LETTERS]
        for letters in map(_letters, words)
        for start in range(len(letters) - TELLING_LETTERS + 1)
    )
    return "" if any(piece in letters_of_text for piece in pieces) else text


def _letters(text: str) -> str:
    """Its letters and digits alone."""
    return "".join(filter(str.isalnum, unquote(text))).casefold()


@cache
def transport() -> Transport:
    """The one of this process."""
    return Transport(connect_timeout=settings.UPSTREAM_CONNECT_TIMEOUT)
