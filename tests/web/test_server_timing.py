"""Where the time of an answer goes is told to who runs the site, and to nobody else."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from tests.conftest import People, Projects
from tests.web.pages import SignIn, failing_database

pytestmark = pytest.mark.any_database

PARTS = re.compile(r'total;dur=(\d+\.\d), database;dur=(\d+\.\d);desc="(\d+) statements"')


def test_a_platform_admin_sees_the_parts(people: People, projects: Projects, as_: SignIn) -> None:
    root = as_("root")
    root.get("/teams/")
    with CaptureQueriesContext(connection) as asked:
        told = PARTS.fullmatch(root.get("/teams/").headers["Server-Timing"])
    assert told
    total, database, statements = map(float, told.groups())
    assert total >= database
    assert 0 < statements < len(asked)  # all but those that say who asks


@pytest.mark.parametrize("name", ["ada", "tom", "vera", "olga"])
def test_nobody_else_sees_them(name: str, people: People, projects: Projects, as_: SignIn) -> None:
    browser = as_(name)
    for address in ("/", "/clusters/", "/teams/", "/nothing-here"):
        assert "Server-Timing" not in browser.get(address).headers


def test_a_stranger_does_not(people: People) -> None:
    for address in ("/", "/accounts/login/", "/healthz", "/api/v1/me"):
        assert "Server-Timing" not in Browser().get(address).headers


def test_errors_are_timed_too_and_leave_nothing_behind(people: People, as_: SignIn) -> None:
    root = as_("root")
    assert PARTS.fullmatch(root.get("/nothing-here").headers["Server-Timing"])
    assert connection.execute_wrappers == []


def test_no_probe_asks_the_database_who_asks(people: People, as_: SignIn) -> None:
    root = as_("root")
    with failing_database():
        assert root.get("/healthz").status_code == 200
