"""G46: a client address is an address, and links in mails come from SITE_URL alone."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core import mail
from django.test import Client as Browser
from django.test import RequestFactory

from hyperclusters.web.shared.middleware import client_ip
from tests.conftest import People, denied, events

pytestmark = pytest.mark.any_database

PROXY = "192.0.2.7"
ENTRIES = {
    "203.0.113.8": "203.0.113.8",
    " 203.0.113.8 ": "203.0.113.8",
    "203.0.113.8:50000": "203.0.113.8",
    "203.0.113.8:": "203.0.113.8",
    "2001:db8::1": "2001:db8::1",
    "2001:DB8:0:0::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    "fe80::1%eth0": "fe80::1",
    "[fe80::1%25eth0]:443": "fe80::1",
    "::ffff:203.0.113.8": "203.0.113.8",
    "[::ffff:203.0.113.8]:1": "203.0.113.8",
    "": PROXY,
    "unknown": PROXY,
    "_hidden": PROXY,
    "203.0.113.8:port": PROXY,
    "203.0.113.8:1:2": PROXY,
    "203.0.113": PROXY,
    "203.0.113.08": PROXY,
    "0x7f000001": PROXY,
    "2130706433": PROXY,
    "203.0.113.8/24": PROXY,
    "[203.0.113.8": PROXY,
    "2001:db8::1::": PROXY,
    "٢٠٣.0.113.8": PROXY,
    "example.com": PROXY,
    "<script>": PROXY,
    "203.0.113.8\x00": PROXY,
    "9" * 5000: PROXY,
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[:30] or "empty")
def test_g46_an_entry_of_x_forwarded_for_is_an_address_or_the_proxy_s(entry: str, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    for header in (entry, f"198.51.100.1, {entry}", f"198.51.100.1:9,,{entry}"):
        request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=header, REMOTE_ADDR=PROXY)
        assert client_ip(request) == ENTRIES[entry]


@pytest.mark.parametrize(("peer", "text"), [("::ffff:192.0.2.7", PROXY), ("", ""), ("192.0.2.7", PROXY)])
def test_g46_without_a_proxy_the_header_is_not_read(peer: str, text: str, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 0
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.8", REMOTE_ADDR=peer)
    assert client_ip(request) == text


def test_g46_an_empty_entry_of_the_proxy_never_brings_the_caller_s_own_up(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.8,", REMOTE_ADDR=PROXY)
    assert client_ip(request) == PROXY


def test_g46_g30_a_port_gives_nobody_more_attempts(people: People, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    guess = {"username": "ada", "password": "wrong"}
    for port in range(50_000, 50_008):
        Browser().post("/accounts/login/", guess, headers={"X-Forwarded-For": f"203.0.113.8:{port}"})
    assert {event.ip for event in events()} >= {"203.0.113.8"}
    assert all(":" not in event.ip for event in events())
    assert denied(action="session:sign-in:failed") == 5


@pytest.mark.parametrize("host", ["127.0.0.1:6666", "evil.localhost", "localhost:1"])
def test_g46_a_link_in_a_mail_comes_from_site_url_alone(host: str, people: People, settings: Any) -> None:
    settings.SENDS_MAIL, settings.ALLOWED_HOSTS = True, ["*"]
    settings.SITE_URL = "https://clusters.example.com"
    Browser().post("/accounts/reset/", {"email": "ada@example.com"}, headers={"Host": host})
    for thread in threading.enumerate():
        if thread.name == "mail":
            thread.join()
    body = str(mail.outbox[0].body)
    assert "https://clusters.example.com/accounts/reset/" in body
    assert host not in body
