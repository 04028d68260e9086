"""HEAD is GET without a body: the same status and headers, and nothing is used up, recorded or changed (P23)."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.db import connection
from django.test import Client as Browser

from hyperclusters.access import invitations
from hyperclusters.access.models import Role
from hyperclusters.accounts import passwords
from hyperclusters.clusters.models import Cluster
from tests.conftest import Cloud, People, Projects, confirm, run_worker, submit_creation
from tests.permissions import table as access_table
from tests.test_architecture import address_of
from tests.web.pages import SignIn

pytestmark = pytest.mark.any_database

EXPORTS = {
    "clusters:csv",
    "clusters:json",
    "audit:export",
    "teams:who",
}  # what they record is tested beside them
PAGES = sorted({entry.route for entry in access_table() if entry.method == "get"} - EXPORTS - {"api:openapi"})
ALIKE = {
    "Set-Cookie",
    "X-Request-Id",
    "Content-Length",
    "Expires",
    "Server-Timing",
}  # a token is masked anew in each
OWN_NOTES = {"accounts_session", "audit_duty"}


def contents() -> dict[str, list[Any]]:
    """Every row there is, but for when a session was last used."""
    rows = {}
    with connection.cursor() as cursor:  # the ORM's own work is most of this test's time
        for table in {model._meta.db_table for model in apps.get_models()} - OWN_NOTES:
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
            rows[table] = cursor.fetchall()
    return rows


def plain(answer: Any) -> tuple[int, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in ALIKE}
    return answer.status_code, headers


@pytest.mark.parametrize("route", PAGES)
def test_head_is_get_without_a_body_and_changes_nothing(
    route: str, people: People, projects: Projects, as_: SignIn
) -> None:
    path = address_of(route)
    for browser in (Browser(), confirm(as_("root")), as_("ada")):
        seen = plain(browser.get(path))
        before, cookies = contents(), {name: each.value for name, each in browser.cookies.items()}
        answer = browser.head(path)
        assert plain(answer) == seen
        assert answer.content == b""
        if answer.status_code != 403:  # a denial is recorded or counted, whichever method it is of
            assert contents() == before
        assert {name: each.value for name, each in browser.cookies.items()} | cookies == {
            name: each.value for name, each in browser.cookies.items()
        }


@pytest.mark.parametrize("route", sorted(EXPORTS))
def test_t34_head_of_an_export_takes_nothing_out_and_changes_nothing(
    route: str, people: People, projects: Projects, as_: SignIn
) -> None:
    path = address_of(route)
    for name in ("root", "tom", "olga", "ada"):
        browser = confirm(as_(name))
        browser.get("/")  # where the session is used from is noted once
        before = contents()
        answer = browser.head(path)
        assert answer.content == b""
        if answer.status_code != 403:
            assert contents() == before
            assert browser.get(path).status_code == answer.status_code
    assert contents() != before, "GET of an export is recorded"


@pytest.mark.parametrize("route", sorted({entry.route for entry in access_table()} - EXPORTS))
def test_options_is_answered_or_refused_and_changes_nothing(
    route: str, people: People, projects: Projects, as_: SignIn
) -> None:
    for browser in (Browser(), as_("ada")):
        before = contents()
        answer = browser.options(address_of(route))
        assert answer.status_code in {200, 302, 401, 403, 404, 405}
        if answer.status_code != 403:
            assert contents() == before


def test_a_scanner_that_follows_an_invitation_or_a_reset_link_by_head_uses_nothing_up(people: People) -> None:
    invitations.invite(
        email="new@example.com", team=people.vision, role=Role.VIEWER, reason="r", by=people.tom
    )
    passwords.ask_for_reset(email="ada@example.com")
    run_worker()
    links = [
        word.removeprefix("http://testserver").removeprefix("http://localhost").rstrip(".")
        for message in mail.outbox
        for word in str(message.body).split()
        if word.startswith("http") and ("invitations" in word or "reset" in word)
    ]
    assert len(links) == 2
    for link in links:
        for _ in range(3):
            answer = Browser().head(link)
            assert answer.status_code == 200
            assert answer.content == b""
        assert Browser().get(link).status_code == 200


def test_a_cluster_s_page_is_alike_by_head(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "there")
    creation = submit_creation(people.ada, projects.vision, "waits")
    run_worker()
    ada = as_("ada")
    for path in (Cluster.objects.get(name="there").get_absolute_url(), creation.get_absolute_url()):
        seen, before = plain(ada.get(path)), contents()
        assert plain(ada.head(path)) == seen
        assert contents() == before
