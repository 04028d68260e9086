"""A message arrives once, or it is visible that it did not; a service that fails delays no other, and follows nowhere."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone
from pytest_django import Settings

from hyperclusters.access.models import Message, MessageKind, NotificationTarget, Service
from hyperclusters.access.models.notification import LONGEST_PAUSE, pause
from hyperclusters.audit.models import Event
from hyperclusters.clusters.metrics import exposition
from hyperclusters.modelarts import Transport
from hyperclusters.notifications import delivery
from hyperclusters.notifications.happenings import notify
from hyperclusters.notifications.targets import failing_for
from hyperclusters.notifications.targets import test_target as send_test
from tests.conftest import People, events
from tests.faults.concurrency import run_concurrently
from tests.modelarts.cloud import Visit
from tests.notifications.chats import SECRET, TAKEN, TOKEN, Chats, chats, saying, send_all, states

UPDATE: Any = QuerySet.update


def tell(people: People, name: str = "train-a3", **more: str) -> None:
    """Something happens in Vision."""
    facts = {"name": name, "team": "Vision", **more}
    notify(
        MessageKind.SETTLED,
        people.vision,
        text="created",
        key=f"event {name}",
        path="/creations/x/",
        facts=facts,
    )


def later(**span: float) -> None:
    """Let time pass for every chat."""
    past = timezone.now() - timedelta(seconds=1)
    NotificationTarget.objects.update(run_after=past)
    NotificationTarget.objects.exclude(lease_holder="").update(lease_expires_at=past)
    if span:
        Message.objects.update(happened_at=timezone.now() - timedelta(**span))


def only_target() -> NotificationTarget:
    return NotificationTarget.objects.get()


@pytest.mark.parametrize("service", Service.values)
def test_each_service_gets_the_message_once(service: str, people: People, services: Chats) -> None:
    secret = SECRET if service in {"feishu", "dingtalk"} else ""
    services.add(people.vision, people.tom, service, secret=secret)
    tell(people)
    tell(people)
    assert (send_all(), send_all()) == (1, 0)
    (request,) = services.cloud.requests
    assert request.method == "POST"
    assert request.target.startswith(services.url(service).partition(services.host)[2])
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert "Cluster train-a3 was created" in services.text
    assert "/creations/x/" in services.text
    target = only_target()
    assert (target.delivered_count, target.failed_count, target.failures) == (1, 0, 0)
    assert states() == ["sent"]


def test_a_chat_gets_its_own_language(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom, language="zh-hans", kinds=["settled"])
    tell(people)
    assert send_all() == 1
    assert '"text": "<' in services.text
    assert services.bodies[0]["blocks"][0]["text"]["text"]


@pytest.mark.parametrize(
    ("service", "status", "body", "cause"),
    [
        ("dingtalk", 200, b'{"errcode":310000,"errmsg":"sign not match"}', "bad_signature"),
        ("wecom", 200, b'{"errcode":40008,"errmsg":"invalid"}', "rejected"),
        ("feishu", 200, b'{"code":19021,"msg":"sign match fail"}', "bad_signature"),
        ("slack", 404, b"no_service", "revoked"),
        ("slack", 503, b"", "service_error"),
        ("slack", 200, b"x" * 20_000, "no_connection"),
    ],
)
def test_a_refusal_is_visible_and_tried_again_after_a_growing_pause(
    service: str, status: int, body: bytes, cause: str, people: People, services: Chats
) -> None:
    services.add(people.vision, people.tom, service)
    tell(people)
    services.cloud.script = saying(status, body)
    before = timezone.now()
    assert (send_all(), send_all()) == (0, 0)
    target = only_target()
    assert (target.failure, target.failures, target.failed_count) == (cause, 1, 1)
    assert pause(1) <= target.run_after - before < pause(1) * 2
    assert (pause(2), pause(3), pause(50)) == (pause(1) * 2, pause(1) * 4, LONGEST_PAUSE)
    later()
    services.cloud.script = saying(200, TAKEN[service])
    assert send_all() == 1
    target = only_target()
    assert (target.failure, target.failures, target.given_up_at) == ("", 0, None)


def test_a_redirect_is_not_followed(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    tell(people)
    services.cloud.script = saying("307 Temporary Redirect", b"", f"Location: {services.url('slack')}")
    assert send_all() == 0
    assert services.cloud.connections == 1
    assert only_target().failure == "redirect"


def test_an_answer_that_drips_ends_at_the_deadline(
    people: People, services: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DEADLINE", 0.5)
    services.add(people.vision, people.tom)
    tell(people)

    def drip(visit: Visit) -> None:
        visit.read_request()
        visit.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000, every=0.05)

    services.cloud.script = drip
    started = time.monotonic()
    assert send_all() == 0
    assert time.monotonic() - started < 3
    target = only_target()
    assert (target.failure, target.failure_detail) == ("no_connection", "deadline")


def test_proxies_and_passwords_of_the_environment_are_not_used(
    people: People, services: Chats, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil")
    for name, value in (
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:1"),
        ("NETRC", str(netrc)),
    ):
        monkeypatch.setenv(name, value)
    services.add(people.vision, people.tom)
    tell(people)
    assert send_all() == 1
    assert "authorization" not in services.cloud.requests[0].headers


def test_a_host_that_is_no_longer_allowed_gets_nothing(
    people: People, services: Chats, settings: Settings
) -> None:
    services.add(people.vision, people.tom)
    tell(people)
    settings.MESSAGE_HOSTS = {"slack": ["hooks.slack.com"]}
    assert send_all() == 0
    assert services.cloud.connections == 0
    assert only_target().failure == "host_not_allowed"


def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    people: People, services: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add(people.vision, people.tom)
    tell(people)
    with Transport() as strict:  # which knows public CAs alone
        monkeypatch.setattr(delivery, "transport", lambda: strict)
        assert delivery.send_due("slack") == 0
    assert services.cloud.requests == []
    assert only_target().failure_detail == "tls_error"


def test_one_message_that_is_refused_does_not_keep_those_behind_it(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom, "wecom")
    tell(people, "poison")
    tell(people, "harmless")

    def picky(visit: Visit) -> None:
        request = visit.read_request()
        body = b'{"errcode":40058,"errmsg":"bad"}' if b"poison" in request.body else TAKEN["wecom"]
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    services.cloud.script = picky
    for _ in range(delivery.REFUSALS):
        assert send_all() == 0
        later()
    assert states() == ["given-up", "waiting"]
    assert only_target().given_up_at
    (event,) = events(action="access:message:given-up")
    assert event.after == {"messages": 1, "failure": "rejected", "kind": "settled"}
    assert send_all() == 1
    assert only_target().given_up_at is None


def test_a_test_is_not_kept_waiting_by_messages_that_do_not_arrive(people: People, services: Chats) -> None:
    target = services.add(people.vision, people.tom)
    tell(people)
    services.cloud.script = saying(404, b"no_service")
    send_all()
    send_test(target, by=people.tom)
    assert send_all() == 0
    assert states() == ["waiting", "given-up"]


def test_a_chat_that_fails_for_a_quarter_of_an_hour_is_shown_and_keeps_its_messages(
    people: People, services: Chats
) -> None:
    services.add(people.vision, people.tom)
    tell(people)
    services.cloud.script = saying(404, b"no_service")
    for count in range(1, 8):
        send_all()
        later()
        assert failing_for(people.tom).exists() == (count >= 5)
    assert states() == ["waiting"]
    assert not failing_for(people.ada).exists()


def test_messages_that_waited_for_a_day_are_given_up_and_said_so(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    tell(people, "one")
    tell(people, "two")
    later(hours=25)
    delivery.remove_old()
    assert states() == ["given-up", "given-up"]
    (event,) = events(action="access:message:given-up")
    assert event.after == {"messages": 2, "failure": "expired"}
    assert only_target().given_up_at
    assert send_all() == 0
    Message.objects.update(settled_at=timezone.now() - timedelta(days=15))
    delivery.remove_old()
    assert states() == []
    assert len(events(action="access:message:given-up")) == 1


def test_one_dead_service_delays_no_other(people: People, services: Chats) -> None:
    """Each service is sent to by itself, and one chat of a service that fails waits alone."""
    for service in ("slack", "wecom"):
        services.add(people.vision, people.tom, service)
    services.add(people.vision, people.tom, "wecom", name="other", url=services.url("wecom") + "-2")
    tell(people)

    def first_is_dead(visit: Visit) -> None:
        request = visit.read_request()
        if not request.target.endswith(TOKEN):
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n" + TAKEN["wecom"])

    services.cloud.script = first_is_dead
    assert send_all("wecom") == 1
    assert set(Message.objects.values_list("target__name", "state")) == {
        ("slack chat", "waiting"),
        ("wecom chat", "waiting"),
        ("other", "sent"),
    }


def test_two_workers_send_each_message_once(people: People, services: Chats) -> None:
    for service in ("slack", "wecom"):
        services.add(people.vision, people.tom, service)
    for name in ("a", "b", "c"):
        tell(people, name)
    run_concurrently(*[send_all] * 4)
    send_all()
    assert len(services.cloud.requests) == 6
    assert states() == ["sent"] * 6
    assert sum(NotificationTarget.objects.values_list("delivered_count", flat=True)) == 6


def but_no_release(rows: Any, **values: Any) -> int:
    """A killed process does not release its lease."""
    return 0 if values.get("lease_holder") == "" else UPDATE(rows, **values)


def test_a_worker_that_dies_while_it_sends_leaves_the_message_to_another_one_later(
    people: People, services: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add(people.vision, people.tom)
    tell(people)
    with monkeypatch.context() as killed:
        killed.setattr(delivery, "_deliver", lambda *_: (_ for _ in ()).throw(SystemExit))
        killed.setattr(QuerySet, "update", but_no_release)
        with pytest.raises(SystemExit):
            delivery.send_due("slack")
    target = only_target()
    assert target.lease_holder
    assert target.run_after > timezone.now()
    assert send_all() == 0
    later()
    assert send_all() == 1


def test_a_worker_that_is_told_to_stop_begins_no_other_message(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    for name in ("a", "b", "c"):
        tell(people, name)
    may_go_on = iter([True, False])
    assert delivery.send_due("slack", lambda: next(may_go_on)) == 1
    assert states() == ["sent", "waiting", "waiting"]


def test_a_paused_or_removed_chat_gets_nothing(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    NotificationTarget.objects.update(is_paused=True)
    tell(people)
    NotificationTarget.objects.update(is_paused=False, removed_at=timezone.now())
    tell(people)
    assert Message.objects.count() == 0


@pytest.mark.parametrize(
    "answer",
    [
        {"errcode": TOKEN, "errmsg": "no robot"},
        {"errcode": 1, "errmsg": TOKEN[:12]},
        {"errcode": 1, "errmsg": f"robot {TOKEN[4:16]} is unknown"},
        {"errcode": 1, "errmsg": "\u200b".join(TOKEN)},
        {"errcode": 1, "errmsg": " ".join(SECRET).upper()},
        {"errcode": 1, "errmsg": "".join(f"%{ord(each):02x}" for each in SECRET)},
        {"errcode": 1, "errmsg": [TOKEN]},
    ],
)
def test_g22_no_part_of_an_address_that_a_service_repeats_is_kept(
    answer: dict[str, Any], people: People, services: Chats
) -> None:
    services.add(people.vision, people.tom, "dingtalk", secret=SECRET)
    tell(people)
    services.cloud.script = saying(200, json.dumps(answer).encode())
    send_all()
    assert (only_target().failure, only_target().failure_detail) == ("rejected", "")


def test_g22_a_service_that_repeats_the_address_writes_it_nowhere(
    people: People, services: Chats, caplog: pytest.LogCaptureFixture
) -> None:
    services.add(people.vision, people.tom, "dingtalk", secret=SECRET)
    tell(people)
    words = f"no robot {TOKEN} {SECRET}".encode()
    services.cloud.script = saying(200, b'{"errcode":1,"errmsg":"%s"}' % words)
    assert send_all() == 0
    target = only_target()
    everything = f"{vars(target)} {caplog.text} {list(Event.objects.values())}"
    assert TOKEN not in everything
    assert SECRET not in everything


def test_the_metrics_count_what_arrived_failed_and_waits(people: People, services: Chats) -> None:
    services.add(people.vision, people.tom)
    tell(people, "one")
    send_all()
    tell(people, "two")
    services.cloud.script = saying(500)
    send_all()
    lines = exposition().decode().splitlines()
    for line in (
        'hyperclusters_messages_delivered_total{service="slack"} 1.0',
        'hyperclusters_messages_failed_total{service="slack"} 1.0',
        'hyperclusters_messages_waiting{service="slack"} 1.0',
        'hyperclusters_messages_unreachable_chats{service="slack"} 0.0',
        'hyperclusters_messages_waiting{service="wecom"} 0.0',
    ):
        assert line in lines


def test_hostile_names_reach_no_chat_as_more_than_text(people: People, services: Chats) -> None:
    for service in Service.values:
        services.add(people.vision, people.tom, service)
    tell(people, "<!channel> @all", reason='<at user_id="all"></at> https://evil.example')
    assert send_all() == 4
    for live in ("<!", "@all", "<at", "https://evil", "evil.example"):
        assert live not in services.text


def test_the_services_hosts_are_the_only_ones_by_default(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    official = settings.MESSAGE_HOSTS
    assert sorted(host for hosts in official.values() for host in hosts) == [
        "hooks.slack.com",
        "oapi.dingtalk.com",
        "open.feishu.cn",
        "open.larksuite.com",
        "qyapi.weixin.qq.com",
    ]
    with chats(tmp_path, monkeypatch, settings) as here:
        settings.MESSAGE_HOSTS = official
        with pytest.raises(Exception, match="host_not_allowed"):
            here.add(people.vision, people.tom)
