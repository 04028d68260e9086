"""What chats are told of: each happening once, to the chats of its team and to those of the auditors, and to nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from hyperclusters.access import access_requests
from hyperclusters.access.models import AccessRequest, Grant, Message, MessageKind, Role, Team, User
from hyperclusters.access.services import set_rules
from hyperclusters.audit import clock, readable
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ScheduledTask
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.creation_reviews import review
from hyperclusters.clusters.follow_ups import open_follow_up, reassign
from hyperclusters.clusters.models import Creation, Judgement, State
from hyperclusters.notifications import happenings
from hyperclusters.notifications.happenings import notify, queue_new
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation
from tests.faults.concurrency import run_concurrently
from tests.notifications.chats import Chats, send_all


def queued() -> list[tuple[str, str, str]]:
    """What waits for which chat: the chat's team, the kind, the title's name."""
    rows = Message.objects.values_list("key", "target__team__name", "kind", "facts__text")
    in_order = sorted(rows, key=lambda row: (row[0], row[1] is None))
    return [(team or "auditors", kind, text) for _, team, kind, text in in_order]


def ask(people: People, reason: str = "why not") -> AccessRequest:
    return access_requests.ask(
        person=people.nina, team=people.vision, role=Role.CREATOR, days=7, reason=reason
    )


def titles(services: Chats) -> list[str]:
    return [body["text"] for body in services.bodies]


def everybody(people: People, services: Chats, **more: Any) -> None:
    services.add(people.vision, people.tom, **more)
    services.add(None, people.olga, **more)
    lead = User.objects.get(username="mallory")
    Grant.objects.filter(person=lead).update(role=Role.ADMIN)
    services.add(people.speech, lead, **more)


def test_access_that_is_requested_and_decided_is_told_to_the_team_and_to_auditors(
    people: People, services: Chats
) -> None:
    everybody(people, services)
    ask(people)
    queue_new()
    queue_new()
    assert queued() == [("Vision", "access-asked", "requested"), ("auditors", "access-asked", "requested")]
    access_requests.decline(AccessRequest.objects.get(), by=people.tom, note="not this week")
    queue_new()
    assert queued()[2:] == [
        ("Vision", "access-decided", "declined"),
        ("auditors", "access-decided", "declined"),
    ]
    assert send_all() == 4
    asked, _, declined, _ = sorted(titles(services), key=lambda title: "declined" in title)
    assert asked == "nina requests access to Vision"
    assert "tom declined access to Vision for nina" in titles(services)
    assert declined
    assert "why not" in services.text
    assert "/teams/vision/" in services.text


def test_a_change_that_is_rolled_back_is_told_to_nobody(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    with transaction.atomic():
        ask(people)
        transaction.set_rollback(True)
    queue_new()
    assert queued() == []


def test_a_creation_is_told_when_it_is_settled(
    people: People, services: Chats, cloud: Cloud, projects: Projects
) -> None:
    everybody(people, services)
    submit_creation(people.ada, projects.vision, name="train-a3")
    run_worker()
    assert Creation.objects.get().state == State.CREATED
    queue_new()
    assert [row for row in queued() if row[1] == "settled"] == [
        ("Vision", "settled", "created"),
        ("auditors", "settled", "created"),
    ]
    send_all()
    assert "Cluster train-a3 was created" in services.text
    assert Creation.objects.get().get_absolute_url() in services.text
    assert "Speech" not in services.text


@pytest.mark.parametrize(
    ("event_type", "before", "after", "expected"),
    [
        (EventType.CREATE_FAILED, "sending", "failed", ("settled", "failed")),
        (EventType.CREATE_ABSENT, "unknown", "not_created", ("settled", "not_created")),
        (EventType.CREATE_REFUSED, "queued", "refused", ("settled", "refused")),
        (EventType.CREATE_DECIDED, "needs_attention", "created", ("settled", "created")),
        (EventType.CREATE_CONFIRMED, "created", "created", None),
        (EventType.CREATE_WITHDRAWN, "queued", "cancelled", None),
        (EventType.CREATE_UNKNOWN, "sending", "unknown", None),
        (EventType.CREATE_UNDECIDED, "unknown", "needs_attention", ("unresolved", "needs_attention")),
        (EventType.CREATE_APPROVAL_NEEDED, None, None, ("unresolved", "approval_needed")),
        (EventType.CREATE_DECLINED, "queued", "refused", ("settled", "refused")),
        (EventType.CREATE_APPROVED, "queued", "queued", None),
        (EventType.CREATE_OVERDUE, None, None, ("unresolved", "creation_overdue")),
        (EventType.CREATE_FLAGGED, None, None, ("follow-up", "follow_up")),
    ],
)
def test_each_step_of_a_creation_is_told_as_what_it_is(
    event_type: EventType,
    before: str | None,
    after: str | None,
    expected: tuple[str, str] | None,
    people: People,
    services: Chats,
) -> None:
    services.add(people.vision, people.tom)
    subject = Subject("creation", "0e6f1c1e-7d7a-4b5e-9a9e-000000000001", "a3", people.vision)
    facts: dict[str, Any] = {"before": {"state": before}, "after": {"state": after}} if after else {}
    record(event_type, Outcome.NOTED, on=subject, by=people.ada, **facts)
    queue_new()
    assert queued() == ([("Vision", *expected)] if expected else [])


def test_a_creation_that_needs_approval_is_told_when_it_is_requested(
    people: People, services: Chats, projects: Projects
) -> None:
    set_rules(people.vision, by=people.tom, approval_types=["HPS"])
    services.add(people.vision, people.tom, kinds=["unresolved"])
    creation = submit_creation(people.ada, projects.vision, name="train-a3", reason="Spring runs")
    submit_creation(people.ada, projects.vision, name="free", type="ECS")
    queue_new()
    assert send_all() == 1
    assert titles(services) == ["ada asks for approval of train-a3"]
    assert "Spring runs" in services.text
    assert creation.get_absolute_url() in services.text


@pytest.mark.parametrize(
    ("kind", "object_id", "after"),
    [("creation", "not/an ID", {}), ("creation", "", {"state": ["refused"]}), ("deletion", "x", {})],
)
def test_an_event_that_makes_no_sense_holds_up_nothing(
    kind: str, object_id: str, after: dict[str, Any], people: People, services: Chats
) -> None:
    services.add(people.vision, people.tom)
    odd = Subject(kind, object_id, "x" * 2000, people.vision)
    record(EventType.CREATE_OVERDUE, Outcome.UNKNOWN, on=odd, after=after)
    record(EventType.CREATE_CONFIRMED, Outcome.NOTED, on=odd, after=after)
    ask(people)
    queue_new()
    assert queued()[-1] == ("Vision", "access-asked", "requested")


def test_the_cloud_is_not_said_to_refuse_what_never_reached_it(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    creation = Subject("creation", "0e6f1c1e-7d7a-4b5e-9a9e-000000000001", "a3", people.vision)
    facts: dict[str, Any] = {"before": {"state": "sending"}, "after": {"state": "failed"}}
    record(EventType.CREATE_FAILED, Outcome.FAILED, on=creation, evidence="not_sent", **facts)
    queue_new()
    assert queued() == [("Vision", "settled", "not_created")]


def test_a_flag_of_an_auditor_is_told_as_a_follow_up(
    people: People, services: Chats, cloud: Cloud, projects: Projects
) -> None:
    submit_creation(people.ada, projects.vision, name="train-a3")
    run_worker()
    services.add(people.vision, people.tom, kinds=["follow-up"])
    review(
        creations=[Creation.objects.get().pk],
        judgement=Judgement.FOLLOW_UP,
        note="whose is it?",
        by=people.olga,
    )
    queue_new()
    assert send_all() == 1
    assert titles(services) == ["olga asks for a follow-up on train-a3"]
    assert "whose is it?" not in services.text


def test_who_is_asked_in_a_follow_up_is_told_and_not_what(
    people: People, services: Chats, projects: Projects
) -> None:
    creation = submit_creation(people.ada, projects.vision, name="train-a3")
    services.add(people.vision, people.tom, kinds=["follow-up"])
    follow_up = open_follow_up(
        by=people.olga, creation=creation, to="ada", due_on=clock.today(), text="whose is it?", token=uuid4()
    )
    reassign(by=people.olga, follow_up=follow_up, to="tom", version=follow_up.version)
    queue_new()
    assert send_all() == 2
    assert titles(services) == ["olga asks ada about train-a3", "olga asks tom about train-a3"]
    assert follow_up.get_absolute_url() in services.text
    assert "whose is it?" not in services.text


def test_a_cluster_created_elsewhere_and_an_overdue_deletion_lead_to_where_one_acts(
    people: People, services: Chats
) -> None:
    services.add(people.vision, people.tom)
    cluster = Subject("cluster", "0e6f1c1e-7d7a-4b5e-9a9e-000000000001", "alien", people.vision)
    deletion = Subject("deletion", "0e6f1c1e-7d7a-4b5e-9a9e-000000000002", "old one", people.vision)
    record(EventType.CLUSTER_SEEN_OUTSIDE, Outcome.NOTED, on=cluster)
    record(EventType.DELETE_OVERDUE, Outcome.UNKNOWN, on=deletion)
    queue_new()
    assert list(Message.objects.order_by("pk").values_list("kind", "path")) == [
        ("elsewhere", f"/clusters/{cluster.id}/"),
        ("unresolved", "/clusters/?q=old+one"),
    ]


def test_an_integrity_alarm_is_told_to_auditors_alone(people: People, services: Chats) -> None:
    everybody(people, services)
    record(
        EventType.AUDIT_BROKEN, Outcome.FAILED, on=Subject("audit", "", "chain"), after={"findings": ["x"]}
    )
    notify(MessageKind.INTEGRITY, people.vision, text="integrity", key="k", path="/audit/chain/", facts={})
    queue_new()
    assert {row[0] for row in queued()} == {"auditors"}
    assert set(Message.objects.values_list("path", flat=True)) == {"/audit/chain/"}


def test_access_that_ends_soon_is_told_once_for_each_end(people: People, services: Chats) -> None:
    everybody(people, services)
    now = timezone.now()
    Grant.objects.filter(person=people.vera).update(
        since=now - timedelta(days=7), until=now + timedelta(days=2)
    )
    Grant.objects.filter(person=people.ada).update(since=now, until=now + timedelta(hours=5))  # its first day
    queue_new()
    queue_new()
    assert queued() == [("Vision", "access-ending", "ending"), ("auditors", "access-ending", "ending")]
    assert send_all() == 2
    queue_new()
    assert len(queued()) == 2
    Grant.objects.filter(person=people.vera).update(until=now + timedelta(days=1))
    queue_new()
    assert len(queued()) == 4
    assert "Access of vera to Vision ends soon" in services.text


def test_a_chat_gets_only_the_kinds_that_were_chosen(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom, kinds=["settled"])
    ask(people)
    queue_new()
    assert queued() == []


def test_a_message_is_in_the_language_of_its_chat_and_names_no_other_team(
    people: People, services: Chats
) -> None:
    everybody(people, services, language="zh-hans")
    ask(people)
    queue_new()
    send_all()
    assert "Speech" not in services.text
    assert "\u200b" not in services.text.replace("https:", "")


def test_g24_what_happens_in_one_team_reaches_no_chat_of_another(
    people: People, services: Chats, cloud: Cloud, projects: Projects
) -> None:
    everybody(people, services)
    submit_creation(people.ada, projects.vision, name="secret-plan")
    submit_creation(people.mallory, projects.speech, name="speech-plan")
    run_worker()
    ask(people)
    queue_new()
    for message in Message.objects.select_related("target__team"):
        whose = message.target.team
        other = {"Vision": "speech", "Speech": "secret"}.get(whose.name if whose else "", "nothing of ours")
        assert other not in str(message.facts).lower()
    assert {row[0] for row in queued()} == {"Vision", "Speech", "auditors"}


def test_two_workers_queue_each_message_once(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    creation = "0e6f1c1e-7d7a-4b5e-9a9e-000000000001"
    for number in range(3):
        record(
            EventType.CREATE_OVERDUE,
            Outcome.UNKNOWN,
            on=Subject("creation", creation, f"c{number}", people.vision),
        )
    results = run_concurrently(*[queue_new] * 4)
    queue_new()
    assert [error for error in results if error is not None] == []
    assert sorted(Message.objects.values_list("facts__name", flat=True)) == ["c0", "c1", "c2"]


def test_a_killed_worker_queues_everything_or_nothing(
    people: People, services: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add(people.vision, people.tom)
    ask(people)
    with monkeypatch.context() as killed:
        killed.setattr(ScheduledTask, "save", lambda *_, **__: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            queue_new()
    assert queued() == []
    connection.close()
    queue_new()
    assert len(queued()) == 1


def test_an_event_that_cannot_be_read_holds_up_nothing(
    people: People, services: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add(people.vision, people.tom)
    ask(people)
    monkeypatch.setattr(happenings, "events", lambda rows: [(1, None), *readable.events(rows)])
    queue_new()
    assert len(queued()) == 1


def test_a_team_that_is_gone_is_no_error(people: People, services: Chats) -> None:
    services.add(None, people.olga)
    gone = Team(pk=999_999, name="Gone")
    record(EventType.CREATE_OVERDUE, Outcome.UNKNOWN, on=Subject("deletion", "x", "x", gone))
    queue_new()
    assert len(queued()) == 1
