"""G45: of several first sign-ins of one person each ends in that person's one account."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connections
from django.test import Client as Browser

from hyperclusters.access.models import User
from hyperclusters.access.services import add_person
from hyperclusters.accounts import company
from hyperclusters.accounts.models import CompanyAccount
from tests.accounts.bent_provider import CALLBACK, START, BentProvider
from tests.conftest import events


def test_of_six_browsers_at_once_each_is_signed_in_as_one_person(
    bendable: BentProvider, database: None
) -> None:
    bendable.claims["preferred_username"] = "racer"
    browsers = [Browser() for _ in range(6)]
    asked = [parse_qs(urlsplit(each.get(START)["Location"]).query) for each in browsers]
    nonces = {f"c{n}": each["nonce"][0] for n, each in enumerate(asked)}
    bendable.nonce_of = nonces.get
    everybody_is_there = threading.Barrier(6)

    def come_back(n: int) -> str:
        try:
            everybody_is_there.wait(60)
            answer = browsers[n].get(CALLBACK, {"code": f"c{n}", "state": asked[n]["state"][0]})
            return str(answer["Location"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(come_back, range(6))) == ["/"] * 6
    assert CompanyAccount.objects.get().person.username == "racer"
    assert User.objects.count() == 1
    assert len(events(action="session:sign-in:succeeded")) == 6


def test_an_account_that_another_sign_in_links_between_two_reads_is_the_person_s_own(
    bendable: BentProvider, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bendable.visit()
    account = CompanyAccount.objects.get()
    reads = iter([None])
    read = company._account_of
    monkeypatch.setattr(company, "_account_of", lambda claims: next(reads, account) and read(claims))
    assert bendable.visit()[1]["Location"] == "/"
    assert CompanyAccount.objects.get() == account


def test_a_name_that_another_sign_in_takes_between_two_reads_is_no_refusal(
    bendable: BentProvider, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bendable.claims["preferred_username"] = "racer"
    add = add_person

    def too_late(**fields: Any) -> User:
        monkeypatch.setattr(company, "add_person", add)
        add(username="racer", email="other@example.com")
        return add(**fields)

    monkeypatch.setattr(company, "add_person", too_late)
    assert bendable.visit()[1]["Location"] == "/"
    assert CompanyAccount.objects.get().person.username == "racer"  # the other one went with the transaction
