"""Chats on pages: who manages them, what is shown of them, that a test's outcome is seen, and that no address ever is."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client as Browser
from pytest_django import Settings

from hyperclusters.access.models import Message, MessageKind, NotificationTarget
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.audit.models import Event
from hyperclusters.clusters.worker import run_due
from hyperclusters.encryption import UnreadableSecret, key_ids, unseal
from hyperclusters.notifications import targets
from hyperclusters.notifications.happenings import notify
from hyperclusters.web.access.views import messages
from tests.conftest import People, confirm, events
from tests.faults.concurrency import run_concurrently
from tests.notifications.chats import SECRET, TOKEN, Chats, saying, send_all, states
from tests.web.pages import HTMX, PAYLOADS, SignIn, body, holds_markup, words

LIST, NEW = "/teams/vision/messages/", "/teams/vision/messages/new/"


def form(services: Chats, service: str = "dingtalk", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "service": service,
        "name": "on call",
        "url": services.url(service),
        "secret": SECRET,
    }
    return fields | {"kinds": ["settled", "unresolved"], "language": "zh-hans"} | more


def add(browser: Browser, services: Chats, **more: Any) -> NotificationTarget:
    answer = confirm(browser).post(NEW, form(services, **more))
    assert (answer.status_code, answer["Location"]) == (302, LIST), words(answer)
    return NotificationTarget.objects.present().get()


def act(browser: Browser, target: NotificationTarget, what: str) -> Any:
    return browser.post(f"{target.get_absolute_url()}act/", {"do": what})


def test_an_admin_adds_a_chat_changes_it_and_removes_it(as_: SignIn, people: People, services: Chats) -> None:
    tom = as_("tom")
    target = add(tom, services)
    assert unseal(target.sealed_address, bound_to=target.bound_to) == {
        "url": services.url("dingtalk"),
        "secret": SECRET,
    }
    assert (target.kinds, target.language, target.address_set_by) == (
        ["settled", "unresolved"],
        "zh-hans",
        people.tom,
    )
    page = words(tom.get(LIST))
    for text in ("on call", "DingTalk", "URL set by tom", "Creation settled", "Nothing sent yet"):
        assert text in page
    sealed = target.sealed_address
    tom.post(
        target.get_absolute_url(), {"name": "on duty", "kinds": ["follow-up"], "language": "en", "url": ""}
    )
    target.refresh_from_db()
    assert (target.name, target.kinds, target.language) == ("on duty", ["follow-up"], "en")
    assert target.sealed_address == sealed, "an empty URL keeps the present one"
    tom.post(target.get_absolute_url(), form(services, url=services.url("dingtalk") + "-2", secret=""))
    target.refresh_from_db()
    assert unseal(target.sealed_address, bound_to=target.bound_to)["url"].endswith("-2")
    assert act(tom, target, "remove")["Location"] == LIST
    assert "on call" not in words(tom.get(LIST)).replace("“on call” is removed.", "")
    target.refresh_from_db()
    assert target.sealed_address == ""
    assert [event.action.rpartition(":")[2] for event in events(object_kind="message-target")] == [
        "added",
        "changed",
        "changed",
        "removed",
    ]
    assert tom.get(target.get_absolute_url()).status_code == 404


@pytest.mark.parametrize("what", ["test", "pause", "remove", "save"])
def test_a_chat_that_somebody_removes_at_the_same_time_is_absent(
    what: str, as_: SignIn, people: People, services: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    tom = as_("tom")
    target = add(tom, services)
    find = targets.targets_of

    def remove_meanwhile(team: Any) -> Any:
        found = list(find(team))
        targets.remove_target(found[0], by=people.tom)
        monkeypatch.setattr(messages, "get_object_or_404", lambda *_, **__: found[0])
        return NotificationTarget.objects.all()

    monkeypatch.setattr(targets, "targets_of", remove_meanwhile)
    page, fields = target.get_absolute_url(), {"name": "x", "kinds": ["settled"], "language": "en"}
    answer = tom.post(page, fields) if what == "save" else act(tom, target, what)
    assert answer.status_code == 404


def test_a_test_goes_by_the_worker_and_its_outcome_appears(
    as_: SignIn, people: People, services: Chats
) -> None:
    tom = as_("tom")
    target = add(tom, services, service="slack", secret="")
    act(tom, target, "test")
    act(tom, target, "test")
    assert Message.objects.count() == 1, "one at a time"
    fragment = body(tom.get(LIST, headers=HTMX))
    assert "Sending the test…" in fragment
    assert 'hx-trigger="every 1s"' in fragment
    assert "<html" not in fragment
    run_due()
    fragment = body(tom.get(LIST, headers=HTMX))
    assert "Test delivered" in fragment
    assert "hx-trigger" not in fragment
    assert "Active" in fragment
    assert len(events(action="access:message-target:tested")) == 1
    services.cloud.script = saying(404, b"no_service")
    act(tom, target, "test")
    run_due()
    page = words(tom.get(LIST))
    assert "Test not delivered" in page
    assert "no longer accepts this URL" in page
    assert events(action="access:message:given-up") == [], "a test that fails is seen by who asked for it"


def test_a_chat_that_messages_do_not_reach_is_on_home_of_those_who_manage_it(
    as_: SignIn, people: People, services: Chats
) -> None:
    services.add(people.vision, people.tom)
    services.add(None, people.olga)
    NotificationTarget.objects.update(given_up_at=people.vision.created_at, failure="revoked", failures=3)
    for name, count in (("tom", 1), ("olga", 1), ("ada", 0), ("mallory", 0), ("root", 0)):
        assert words(as_(name).get("/")).count("don't arrive") == count, name
    page = words(as_("tom").get(LIST))
    assert "Not arriving" in page
    assert "Create another webhook there and replace the URL" in page
    target = NotificationTarget.objects.get(team=people.vision)
    act(as_("tom"), target, "pause")
    assert "don't arrive" not in words(as_("tom").get("/"))


def test_pausing_drops_what_waits_and_resuming_goes_on(as_: SignIn, people: People, services: Chats) -> None:
    tom, target = as_("tom"), services.add(people.vision, people.tom)
    notify(MessageKind.SETTLED, people.vision, text="created", key="k", path="/", facts={"name": "x"})
    assert "1 message waits" in words(tom.get(LIST))
    act(tom, target, "pause")
    assert states() == ["given-up"]
    assert "Paused" in words(tom.get(LIST))
    assert events(object_kind="message-target")[-1].after["dropped"] == 1  # type: ignore[index]
    act(tom, target, "test")
    assert len(states()) == 1
    act(tom, target, "resume")
    notify(MessageKind.SETTLED, people.vision, text="created", key="k2", path="/", facts={"name": "x"})
    assert send_all() == 1


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"url": "http://127.0.0.1/x"}, "It begins with https://"),
        ({"url": "https://evil.example/robot/send?access_token=canary"}, "may go to 127.0.0.1"),
        ({"url": ""}, "This field is required"),
        ({"service": "email"}, "Select a valid choice"),
        ({"kinds": ["integrity"]}, "Select a valid choice"),
        ({"kinds": ["test"]}, "Select a valid choice"),
        ({"kinds": []}, "This field is required"),
        ({"language": "xx"}, "Select a valid choice"),
    ],
)
def test_a_form_that_is_wrong_says_what_to_do_and_repeats_no_secret(
    wrong: dict[str, Any], problem: str, as_: SignIn, people: People, services: Chats
) -> None:
    answer = confirm(as_("tom")).post(NEW, form(services) | wrong)
    assert answer.status_code == 422
    assert problem in words(answer)
    for secret in (TOKEN, SECRET, wrong.get("url") or TOKEN):
        assert secret not in body(answer)
    assert NotificationTarget.objects.count() == 0


def test_a_secret_for_a_service_without_signing_is_refused(
    as_: SignIn, people: People, services: Chats
) -> None:
    answer = confirm(as_("tom")).post(NEW, form(services, "slack"))
    assert "This service has no signing secret" in words(answer)


def test_another_path_of_the_host_is_refused(as_: SignIn, people: People, services: Chats) -> None:
    answer = confirm(as_("tom")).post(
        NEW, form(services, url=f"https://{services.host}/robot/other?access_token=1")
    )
    assert "https://oapi.dingtalk.com/robot/send?access_token=…" in words(answer)


def test_g22_no_page_event_row_or_export_has_a_chats_address(
    as_: SignIn, people: People, services: Chats
) -> None:
    tom, olga = as_("tom"), confirm(as_("olga"))
    target = add(tom, services)
    notify(MessageKind.SETTLED, people.vision, text="created", key="k", path="/", facts={"name": "x"})
    services.cloud.script = saying(500, f"{TOKEN} {SECRET}".encode())
    act(tom, target, "test")
    run_due()
    pages = [LIST, target.get_absolute_url(), "/", "/teams/vision/?tab=history", "/teams/vision/who.csv"]
    answers = [tom.get(page) for page in pages]
    answers += [olga.get(event.get_absolute_url()) for event in Event.objects.all()]
    answers += [olga.get("/audit/?q=call"), olga.post("/audit/export/", {"format": "csv", "reason": "x"})]
    everything = "".join(body(answer) + repr(answer.headers) for answer in answers if not answer.streaming)
    everything += "".join(b"".join(answer).decode() for answer in answers if answer.streaming)
    everything += repr(list(Event.objects.values())) + repr(list(Message.objects.values()))
    everything += repr(list(NotificationTarget.objects.values()))
    for secret in (TOKEN, SECRET, services.host):
        assert secret not in everything


@pytest.mark.parametrize("name", ["ada", "vera", "olga", "mallory", "root", "nina"])
def test_g23_nobody_but_a_teams_admin_manages_its_chats(name: str, people: People, services: Chats) -> None:
    target, by = services.add(people.vision, people.tom), getattr(people, name)
    fields: dict[str, Any] = {"name": "x", "kinds": [], "language": "en"}
    before = NotificationTarget.objects.values().get()
    for change in (
        lambda: services.add(people.vision, by),
        lambda: targets.change_target(target, by=by, **fields),
        lambda: targets.pause_target(target, is_paused=True, by=by),
        lambda: targets.test_target(target, by=by),
        lambda: targets.remove_target(target, by=by),
    ):
        with pytest.raises(NotPermitted):
            change()
    assert NotificationTarget.objects.values().get() == before


@pytest.mark.parametrize("name", ["ada", "tom", "vera", "mallory", "root", "nina"])
def test_g23_nobody_but_an_auditor_manages_the_auditors_chats(
    name: str, people: People, services: Chats
) -> None:
    target, by = services.add(None, people.olga), getattr(people, name)
    with pytest.raises(NotPermitted):
        services.add(None, by)
    with pytest.raises(NotPermitted):
        targets.remove_target(target, by=by)


def test_g24_a_chat_of_another_team_looks_absent(as_: SignIn, people: People, services: Chats) -> None:
    tom = confirm(as_("tom"))
    target = services.add(None, people.olga)
    assert tom.get(f"{LIST}{target.pk}/").status_code == 404
    assert tom.post(f"{LIST}{target.pk}/act/", {"do": "remove"}).status_code == 404
    assert target.name not in words(tom.get(LIST))
    assert confirm(as_("olga")).get(f"/audit/messages/{target.pk}/").status_code == 200


def test_hostile_names_of_chats_come_out_as_text(as_: SignIn, people: People, services: Chats) -> None:
    for payload in PAYLOADS:
        services.add(people.vision, people.tom, name=payload[:64])
    tom = confirm(as_("tom"))
    assert not holds_markup(body(tom.get(LIST)))
    for target in targets.targets_of(people.vision):
        assert not holds_markup(body(tom.get(target.get_absolute_url())))


def test_where_messages_are_turned_off_the_page_says_so(
    as_: SignIn, people: People, services: Chats, settings: Settings
) -> None:
    services.add(people.vision, people.tom)
    settings.MESSAGE_HOSTS = {}
    assert "Messages to chats are turned off here" in words(as_("tom").get(LIST))
    assert notify(MessageKind.SETTLED, people.vision, text="created", key="k", path="/", facts={}) == 0


def test_other_keys_open_addresses_after_a_rotation(
    people: People, services: Chats, settings: Settings
) -> None:
    target = services.add(people.vision, people.tom)
    old, new = settings.CREDENTIAL_KEYS, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    settings.CREDENTIAL_KEYS = [new, *old]
    call_command("rotate_credentials")
    settings.CREDENTIAL_KEYS = [new]
    target.refresh_from_db()
    assert target.sealed_with == key_ids()[0]
    assert unseal(target.sealed_address, bound_to=target.bound_to)["url"] == services.url("slack")
    settings.CREDENTIAL_KEYS = old
    with pytest.raises(CommandError):
        call_command("rotate_credentials")
    notify(MessageKind.SETTLED, people.vision, text="created", key="k", path="/", facts={"name": "x"})
    assert send_all() == 0
    target.refresh_from_db()
    assert target.failure == "unreadable"


def test_an_address_copied_into_another_row_does_not_open(people: People, services: Chats) -> None:
    mine, other = services.add(people.vision, people.tom), services.add(None, people.olga)
    with pytest.raises(UnreadableSecret):
        unseal(mine.sealed_address, bound_to=other.bound_to)


def test_two_who_change_a_chat_at_once_leave_one_of_the_two(people: People, services: Chats) -> None:
    target = services.add(people.vision, people.tom)
    fields: dict[str, Any] = {"kinds": ["settled"], "language": "en", "by": people.tom}
    results = run_concurrently(
        *(lambda name=name: targets.change_target(target, name=name, **fields) for name in ("a", "b")),
        lambda: targets.test_target(target, by=people.tom),
        lambda: targets.test_target(target, by=people.tom),
    )
    assert results == [None] * 4
    assert NotificationTarget.objects.get().name in {"a", "b"}
    assert Message.objects.count() == 1
