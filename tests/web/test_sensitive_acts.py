"""What could harm everybody is done by who has shown within five minutes who they are, not by who finds an open browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser

from hyperclusters.access.models import Grant, User
from hyperclusters.audit import clock
from hyperclusters.clusters.models import Project
from tests.conftest import KEY, PASSWORD, Cloud, People, Projects, confirm, events
from tests.web.pages import HTMX, SignIn, body, main, words

pytestmark = pytest.mark.any_database

ASKED = "/accounts/confirm/"


@pytest.fixture
def acts(people: People, cloud: Cloud, projects: Projects) -> dict[str, dict[str, Any]]:
    """What is posted to each sensitive address, so that it would be done."""
    vision = projects.vision.get_absolute_url()
    key = {"access_key": KEY.access_key, "secret_key": KEY.secret_key}
    project = {"name": "another", "team": people.vision.pk, "region": "", "quota": ""}
    cloud_s = {"endpoint": cloud.simulator.endpoint, "project_id": "e" * 32}
    role = {"who": "nina", "role": "auditor", "until": "open"}
    return {
        "/projects/new/": project | cloud_s | key,
        f"{vision}change/": project | {"name": "renamed"},
        f"{vision}key/": key,
        "/people/appoint/": role | {"reason": "audits"},
        f"/people/roles/{Grant.objects.get(person=people.olga).pk}/end/": {"reason": "left"},
        f"/people/{people.nina.pk}/activity/": {"reason": "left"},
    }


def done() -> list[str]:
    return [event.action for event in events() if event.action.startswith(("project:", "access:", "person:"))]


def test_a_sensitive_act_asks_again_who_is_there_and_does_nothing_before(
    acts: dict[str, dict[str, Any]], as_: SignIn
) -> None:
    root, before = as_("root"), done()
    for address, values in acts.items():
        for answer in (root.get(address), root.post(address, values)):
            assert answer["Location"].startswith(ASKED), address
            assert parse_qs(urlsplit(answer["Location"]).query) == {"next": [address]}
        assert root.post(address, values, headers=HTMX)["HX-Redirect"].startswith(ASKED), address
    assert done() == before
    confirm(root)
    for number, (address, values) in enumerate(acts.items(), 1):
        assert root.post(address, values).status_code == 302, address
        assert len(done()) > len(before) + number - 1, address
    assert Project.objects.count() == 3


def test_five_minutes_later_it_is_asked_again(
    acts: dict[str, dict[str, Any]], as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, now = confirm(as_("root")), clock.now()
    for later, status in ((299, 200), (301, 302)):
        monkeypatch.setattr(
            "hyperclusters.audit.clock.now", lambda later=later: now + timedelta(seconds=later)
        )
        assert root.get("/people/appoint/").status_code == status


def test_who_may_not_do_it_is_told_so_and_not_asked_for_a_password(
    acts: dict[str, dict[str, Any]], as_: SignIn
) -> None:
    for name in ("ada", "tom", "olga", "nina"):
        browser = as_(name)
        for address, values in acts.items():
            assert browser.get(address).status_code == browser.post(address, values).status_code == 403


def test_root_signed_in_a_while_ago_confirms_and_goes_on_where_the_forms_are(
    as_: SignIn, projects: Projects
) -> None:
    root, page = as_("root"), projects.vision.get_absolute_url()
    response = root.get(page)
    assert 'name="secret_key"' not in body(response)
    assert "Change settings or key" in main(response)
    answer = root.get(f"{page}change/", follow=True)
    assert "Confirm who you are" in words(answer)
    answer = root.post(ASKED, {"next": f"{page}change/", "proof": PASSWORD}, follow=True)
    assert answer.request["PATH_INFO"] == page
    assert 'name="secret_key"' in body(answer)


def test_everyday_acts_ask_for_no_password(as_: SignIn, projects: Projects) -> None:
    assert as_("ada").get("/clusters/new/").status_code == 200
    assert as_("tom").get("/teams/vision/give/").status_code == 200
    assert as_("root").get("/projects/").status_code == 200


def test_a_form_sent_after_the_session_ended_leads_to_its_page_after_signing_in(
    people: People, projects: Projects
) -> None:
    browser, page = Browser(), projects.vision.get_absolute_url()
    answer = browser.post(f"{page}test/")
    assert answer["Location"].startswith("/accounts/login/?next=")
    signed_in = {"username": "root", "login": "root", "password": PASSWORD, "next": f"{page}test/"}
    answer = browser.post("/accounts/login/", signed_in, follow=True)
    assert (answer.request["PATH_INFO"], answer.status_code) == (page, 200)
    assert User.objects.get(pk=people.root.pk).last_login is not None
