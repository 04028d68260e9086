"""What chats are told of: each happening becomes one message for each chat that wants its kind.

The ledger is the outbox: an event commits with its change or not at all. `queue_new` follows the ledger from a cursor,
which moves in the transaction that writes the messages, so each event is queued once, and no package below has to
call this one. Access that ends has no event; it is looked for. What commits elsewhere can call `notify` in its own
transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import NoReverseMatch, reverse

from hyperclusters.access.models import Grant, Message, MessageKind, NotificationTarget, Team
from hyperclusters.access.models.notification import NotificationTargetQuerySet
from hyperclusters.audit import clock
from hyperclusters.audit.models import ChainHead, Event, ScheduledTask
from hyperclusters.audit.push import new_events
from hyperclusters.audit.readable import UNREADABLE, events
from hyperclusters.audit.vocabulary import EventType

log = logging.getLogger(__name__)
TASK = "messages"
AT_ONCE = 500  # events
LONGEST_NAME = 64  # characters of a cluster's name in a path
NOTICE_BEFORE_END = timedelta(days=3)  # before its end
FIRST_DAY = timedelta(days=1)  # a grant for a day needs no message
AUDITORS_ONLY = {MessageKind.INTEGRITY}
SETTLED_STATES = {"created", "failed", "not_created", "refused"}  # states of a creation
KINDS: dict[str, tuple[MessageKind, str]] = {
    EventType.ACCESS_ASKED: (MessageKind.ACCESS_ASKED, "requested"),
    EventType.ACCESS_APPROVED: (MessageKind.ACCESS_DECIDED, "approved"),
    EventType.ACCESS_DECLINED: (MessageKind.ACCESS_DECIDED, "declined"),
    EventType.CREATE_APPROVAL_NEEDED: (MessageKind.UNRESOLVED, "approval_needed"),
    EventType.CREATE_UNDECIDED: (MessageKind.UNRESOLVED, "needs_attention"),
    EventType.CREATE_OVERDUE: (MessageKind.UNRESOLVED, "creation_overdue"),
    EventType.DELETE_OVERDUE: (MessageKind.UNRESOLVED, "deletion_overdue"),
    EventType.CLUSTER_SEEN_OUTSIDE: (MessageKind.ELSEWHERE, "elsewhere"),
    EventType.CREATE_FLAGGED: (MessageKind.FOLLOW_UP, "follow_up"),
    EventType.FOLLOW_UP_OPENED: (MessageKind.FOLLOW_UP, "follow_up_assigned"),
    EventType.FOLLOW_UP_REASSIGNED: (MessageKind.FOLLOW_UP, "follow_up_assigned"),
    EventType.AUDIT_BROKEN: (MessageKind.INTEGRITY, "integrity"),
}

PAGES = {
    "creation": "creations:creation",
    "follow_up": "creations:follow_up",
    "cluster": "clusters:cluster",
}  # by the kind of an event's object


def notify(
    kind: MessageKind,
    team: Team | None,
    *,
    text: str,
    key: str,
    path: str,
    facts: Mapping[str, str],
    happened_at: datetime | None = None,
) -> int:
    """Queue a message for each chat of the team, and of the auditors, that wants this kind, in the caller's transaction.

    `text` names its title in `texts.TITLES`; `key` (up to 96 characters) the happening, which is told once. `facts`:
    name, person, by, team, project, reason, until, as far as there are. Returns how many chats there are.
    """
    whose = Q(team__isnull=True)
    if team is not None and kind not in AUDITORS_ONLY:
        whose |= Q(team=team)
    targets = [target for target in _open_targets().filter(whose) if kind in target.kinds]
    Message.objects.bulk_create(
        [
            Message(
                target=target,
                kind=kind,
                key=key,
                path=path,
                facts={**facts, "text": text},
                happened_at=happened_at or clock.now(),
            )
            for target in targets
        ],
        ignore_conflicts=True,
    )
    return len(targets)


def queue_new(may_go_on: Callable[[], bool] = lambda: True) -> None:
    """Queue messages about everything that has happened since the last time. The past of a new installation is told to
    nobody."""
    head = ChainHead.objects.first() or ChainHead()
    task, _ = ScheduledTask.objects.get_or_create(name=TASK, defaults={"seq": head.seq})
    while may_go_on() and new_events(task).exists():
        with transaction.atomic():
            task = ScheduledTask.objects.select_for_update().get(pk=TASK)
            batch = list(events(new_events(task)[:AT_ONCE]))
            for seq, event in batch:
                try:
                    if event is not None:
                        _queue(event)
                except (
                    NoReverseMatch,
                    *UNREADABLE,
                ):  # edited past the triggers: it must not stop those behind it
                    log.exception("an event is told to no chat: %s", seq)
            if batch:
                task.seq = batch[-1][0]
                task.save(update_fields=["seq"])
    _queue_ending()


def _queue(event: Event) -> None:
    """Queue what one event tells."""
    kind, text = KINDS.get(event.action) or _of_creation(event)
    if kind is None:
        return
    team = Team.objects.filter(pk=event.team_id).first() if event.team_id else None
    after = event.after or {}
    person = after.get("assignee") or event.person_name
    if event.object_kind == "request":
        person = after.get("person") or event.object_name
    facts = {
        "name": event.object_name,
        "person": str(person),
        "by": event.person_name,
        "team": event.team_name,
        "project": event.project_name,
        # Those concerned read on its page what an auditor asks: a chat has other readers.
        "reason": "" if kind == MessageKind.FOLLOW_UP else event.reason,
    }
    notify(
        kind,
        team,
        text=text,
        key=f"event {event.seq}",
        path=_path(event, team),
        facts={name: value for name, value in facts.items() if value},
        happened_at=event.at,
    )


def _of_creation(event: Event) -> tuple[MessageKind | None, str]:
    """A creation whose request waits for approval, or that this event settles: its state is a verdict now, and was
    another before."""
    before, after = event.before or {}, event.after or {}
    if event.action == EventType.CREATE_REQUESTED and "approval" in after:
        return MessageKind.UNRESOLVED, "approval_needed"
    state = after.get("state")
    if event.object_kind == "creation" and state in SETTLED_STATES and state != before.get("state"):
        never_reached = (
            state == "failed" and event.evidence == "not_sent"
        )  # then the cloud has refused nothing
        return MessageKind.SETTLED, "not_created" if never_reached else str(state)
    return None, ""


def _path(event: Event, team: Team | None) -> str:
    """The page where one acts on it."""
    if page := PAGES.get(event.object_kind):
        return reverse(page, args=[event.object_id])
    if event.object_kind == "deletion":
        return f"{reverse('clusters:list')}?{urlencode({'q': event.object_name[:LONGEST_NAME]})}"
    if event.action == EventType.AUDIT_BROKEN:
        return reverse("audit:chain")
    if event.object_kind == "request" and team is not None:
        return team.get_absolute_url()
    return reverse("audit:event", args=[event.seq])


def _queue_ending() -> None:
    """Queue a message about access that ends within three days, once for each end."""
    targets = [each for each in _open_targets() if MessageKind.ACCESS_ENDING in each.kinds]
    if not targets:
        return
    messages = Message.objects.filter(kind=MessageKind.ACCESS_ENDING, target__in=targets)
    keys, now = set(messages.values_list("target_id", "key")), clock.now()
    soon = Grant.objects.active().filter(
        until__lte=now + NOTICE_BEFORE_END, since__lte=now - FIRST_DAY, team__isnull=False
    )
    for grant in soon.not_outlasted().select_related("person", "team"):
        until = f"{grant.until:%Y-%m-%d %H:%M} UTC"
        key = f"grant {grant.pk} {until}"
        new_targets = [
            each for each in targets if each.team_id in {None, grant.team_id} and (each.pk, key) not in keys
        ]
        if grant.team and new_targets:
            facts = {"person": grant.person.username, "team": grant.team.name, "until": until}
            path = f"{grant.team.get_absolute_url()}?show=soon"
            notify(MessageKind.ACCESS_ENDING, grant.team, text="ending", key=key, path=path, facts=facts)


def _open_targets() -> NotificationTargetQuerySet:
    """The chats that get messages, of the services that are turned on."""
    return NotificationTarget.objects.open().filter(service__in=list(settings.MESSAGE_HOSTS))
