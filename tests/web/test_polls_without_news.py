"""A page that asks by itself is answered by nothing while there is nothing new, in few statements; and always by news."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from hyperclusters.access.services import revoke
from hyperclusters.audit import clock
from hyperclusters.clusters.inventory import ask_refresh
from hyperclusters.clusters.models import ClusterListing, Creation, Project
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation
from tests.web.pages import HTMX, SignIn, body

pytestmark = pytest.mark.any_database

LIST = "/clusters/"


def poll_of(page: str, name: str) -> tuple[str, str]:
    """The address that the region asks, and the version it has."""
    match = re.search(rf'id="{name}"[^>]*hx-get="([^"]+)"[^>]*"X-Poll": "([^"]+)"', page)
    assert match, f"{name} does not ask again"
    return unescape(match[1]), match[2]


@pytest.fixture
def waiting(people: People, projects: Projects, cloud: Cloud) -> Creation:
    run_worker()
    return submit_creation(people.ada, projects.vision, "waits")


def test_the_list_is_not_drawn_again_while_nothing_changes(
    as_: SignIn, waiting: Creation, django_assert_max_num_queries: Any
) -> None:
    ada = as_("ada")
    url, version = poll_of(body(ada.get(LIST)), "rows")
    for _ in range(3):
        with django_assert_max_num_queries(4):
            answer = ada.get(url, headers=HTMX | {"X-Poll": version})
        assert (answer.status_code, answer.content) == (204, b"")
    assert ada.get(url, headers={"X-Poll": version}).status_code == 200, "a page is always a page"
    assert ada.get(url, headers=HTMX | {"X-Poll": "1"}).status_code == 200


def created(creation: Creation, people: People) -> None:
    run_worker()


def another(creation: Creation, people: People) -> None:
    submit_creation(people.ada, creation.project, "one-more")


def asked_to_refresh(creation: Creation, people: People) -> None:
    ask_refresh(person=people.ada)


def listed_again(creation: Creation, people: People) -> None:
    ClusterListing.objects.filter(project=creation.project).update(listed_at=clock.now())


def being_listed(creation: Creation, people: People) -> None:
    listing = ClusterListing.objects.filter(project=creation.project)[:1].get()
    ClusterListing.objects.filter(pk=listing.pk).update(lease_expires_at=clock.now() + timedelta(minutes=1))


def failed(creation: Creation, people: People) -> None:
    ClusterListing.objects.filter(project=creation.project).update(failed_at=clock.now())


def paused(creation: Creation, people: People) -> None:
    Project.objects.filter(pk=creation.project_id).update(blocked_until=clock.now() + timedelta(minutes=1))


def looked_for(creation: Creation, people: People) -> None:
    Creation.objects.filter(pk=creation.pk).update(polls=1)


@pytest.mark.parametrize(
    "change", [created, another, asked_to_refresh, listed_again, being_listed, failed, paused, looked_for]
)
def test_the_list_comes_with_any_news(change: Any, as_: SignIn, waiting: Creation, people: People) -> None:
    ada = as_("ada")
    url, version = poll_of(body(ada.get(LIST)), "rows")
    change(waiting, people)
    answer = ada.get(url, headers=HTMX | {"X-Poll": version})
    assert answer.status_code == 200
    assert 'id="rows"' in body(answer)


def test_who_lost_the_role_gets_no_answer_of_before(as_: SignIn, waiting: Creation, people: People) -> None:
    ada = as_("ada")
    url, version = poll_of(body(ada.get(LIST)), "rows")
    for grant in people.ada.grants.all():
        revoke(grant, by=people.tom, reason="left")
    answer = ada.get(url, headers=HTMX | {"X-Poll": version})
    assert answer.status_code == 200
    assert "waits" not in body(answer)


def test_a_creation_is_not_drawn_again_while_nothing_changes(
    as_: SignIn, waiting: Creation, django_assert_max_num_queries: Any
) -> None:
    ada, mallory = as_("ada"), as_("mallory")
    url, _ = poll_of(body(ada.get(waiting.get_absolute_url())), "creation")
    with django_assert_max_num_queries(2):
        assert ada.get(url, headers=HTMX).status_code == 204
    assert mallory.get(url, headers=HTMX).status_code == 404
    for field in ("version", "polls"):
        Creation.objects.filter(pk=waiting.pk).update(**{field: 7})
        assert ada.get(url, headers=HTMX).status_code == 200
        Creation.objects.filter(pk=waiting.pk).update(**{field: getattr(waiting, field)})
        assert ada.get(url, headers=HTMX).status_code == 204


@pytest.mark.parametrize(("age", "pace"), [(0, 50), (5, 250), (20, 1000), (300, 5000)])
def test_a_page_asks_the_less_often_the_longer_it_takes(
    age: int, pace: int, as_: SignIn, waiting: Creation
) -> None:
    ada = as_("ada")
    young, _ = poll_of(body(ada.get(waiting.get_absolute_url())), "creation")
    Creation.objects.filter(pk=waiting.pk).update(requested_at=clock.now() - timedelta(seconds=age))
    page = body(ada.get(waiting.get_absolute_url()))
    assert f'hx-trigger="every {pace}ms"' in page
    url, _ = poll_of(page, "creation")
    assert ada.get(url, headers=HTMX).status_code == 204
    assert ada.get(young, headers=HTMX).status_code == (204 if not age else 200), "the next pace is news"


def test_many_under_way_ask_less_often_each(as_: SignIn, waiting: Creation, people: People) -> None:
    for number in range(7):
        submit_creation(people.ada, waiting.project, f"more-{number}")
    assert 'hx-trigger="every 150ms"' in body(as_("ada").get(waiting.get_absolute_url()))


@pytest.mark.parametrize(
    "seen", ["", "0", "0.0", "x.0.50", "0.0.50.1", "9" * 10 + ".0.50", "-1.0.50", "٣.0.50"]
)
def test_a_made_up_version_is_answered_by_the_page(seen: str, as_: SignIn, waiting: Creation) -> None:
    url = f"{waiting.get_absolute_url()}?seen={seen}"
    assert as_("ada").get(url, headers=HTMX).status_code == 200
