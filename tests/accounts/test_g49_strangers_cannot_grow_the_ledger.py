"""G49: whatever strangers try at the doors of signing in, the ledger grows by a bounded number of events."""

from __future__ import annotations

import pytest
from django.db.models import F
from django.test import Client as Browser

from hyperclusters.audit import denials
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import DenialWindow, Event
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.accounts.bent_provider import CALLBACK, START, BentProvider
from tests.conftest import People, events
from tests.web.pages import words

CAFE = "198.51.100.9"
TRIES = 25


def of_strangers() -> list[Event]:
    """The events of signing in, without those of the people that a test begins with."""
    return events(
        action__in=[EventType.SIGN_IN_FAILED, EventType.SIGN_IN_LOCKED, EventType.PASSWORD_RESET_ASKED]
    )


def counted() -> int:
    """How many times something was tried, by events of their own, summaries, and windows that are open."""
    tries = [(event.after or {})["count"] if event.evidence == "repeated" else 1 for event in of_strangers()]
    return sum(tries) + sum(DenialWindow.objects.values_list("count", flat=True))


def close_windows() -> None:
    DenialWindow.objects.update(opened_at=F("opened_at") - denials.WINDOW)
    denials.close_windows()


# Where, and what is sent ({n} differs each time): by POST where there is something to post.
DOORS: dict[str, tuple[str, dict[str, str]]] = {
    "callback": (CALLBACK, {}),
    "callback with an error": (f"{CALLBACK}?error=e{{n}}&state=s{{n}}", {}),
    "callback with a code": (f"{CALLBACK}?code=c{{n}}&state=s{{n}}", {}),
    "start without a provider": (f"{START}?next=/p{{n}}", {}),
    "passkey": ("/accounts/login/passkey/", {"credential": "{{}}"}),
    "password": ("/accounts/login/", {"username": "n{n}", "password": "wrong"}),
    "new password": ("/accounts/reset/", {"email": "n{n}@example.com"}),
}


@pytest.fixture
def provider(bendable: BentProvider, database: None) -> BentProvider:
    bendable.answers["/discovery"] = (500, b"")
    return bendable


@pytest.mark.parametrize("ip", ["198.51.100.9", "2001:db8:1:2::{n:x}"], ids=["IPv4", "IPv6 /64"])
@pytest.mark.parametrize("door", DOORS)
def test_g49_a_stranger_s_tries_at_each_door_are_a_handful_of_events(
    door: str, ip: str, provider: BentProvider
) -> None:
    path, fields = DOORS[door]
    for n in range(TRIES):
        posted = {name: text.format(n=n) for name, text in fields.items()}
        send = Browser().post if fields else Browser().get
        send(path.format(n=n), posted, REMOTE_ADDR=ip.format(n=n))
    kinds = 2 if door == "password" else 1  # failed, then locked
    tried = counted()
    assert tried == TRIES if door not in {"passkey", "new password"} else 0 < tried <= TRIES  # 429 after some
    close_windows()
    assert counted() == tried
    assert 0 < len(of_strangers()) <= kinds * (denials.FIRST + 1)
    assert not DenialWindow.objects.exists()


@pytest.mark.parametrize(
    "action", [EventType.SIGN_IN_FAILED, EventType.SIGN_IN_LOCKED, EventType.PASSWORD_RESET_ASKED]
)
@pytest.mark.parametrize("ip", ["192.0.2.{n}", "2001:db8:{n:x}::1"], ids=["IPv4", "IPv6"])
def test_g49_strangers_in_many_networks_share_a_window(
    action: EventType, ip: str, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denials, "NETWORKS", 10)
    victims = [None, people.ada, people.tom]
    for n in range(60):
        with request_context(RequestContext("page", ip.format(n=n), "")):
            person = victims[n % 3] if action == EventType.PASSWORD_RESET_ASKED else None
            record(action, Outcome.ACCEPTED if person else Outcome.DENIED, by=person, person_name=f"x{n}")
    assert DenialWindow.objects.count() <= 13
    assert counted() == 60
    close_windows()
    assert counted() == 60
    assert len(of_strangers()) <= 13 + 2 * denials.FIRST
    shared = [event for event in events(evidence="repeated") if not event.ip]
    assert sum((event.after or {})["count"] for event in shared) >= 30


def test_g45_g49_who_fails_to_sign_in_during_a_flood_reads_so_and_is_counted(provider: BentProvider) -> None:
    for n in range(10):
        Browser().get(CALLBACK, {"error": f"e{n}"}, REMOTE_ADDR=CAFE)
    browser, answer = provider.visit()
    assert "did not work, so you are not signed in" in words(browser.get(answer["Location"]))
    assert counted() == 11
    assert events(action=EventType.SIGN_IN_FAILED)[-1].ip == "127.0.0.1"
