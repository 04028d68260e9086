"""Pages about access stay as quick with hundreds of people as with a few: the queries of a page do not grow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hyperclusters.access.access_reviews import cancel, open_review
from hyperclusters.access.models import AccessRequest, AccessReview, Grant, Role, Team, User
from tests.conftest import People
from tests.web.pages import SignIn

PAGES = (
    ("tom", "/teams/vision/"),
    ("tom", "/teams/vision/?show=unused"),
    ("tom", "/teams/vision/?can=create&q=a"),
    ("tom", "/teams/vision/review/"),
    ("tom", "/teams/"),
    ("tom", "/access/"),
    ("tom", "/"),
    ("tom", "/teams/vision/who.csv"),
    ("root", "/people/"),
    ("nina", "/access/"),
)


def queries(as_: SignIn) -> dict[tuple[str, str], int]:
    """How many each page takes."""
    counted = {}
    for name, path in PAGES:
        browser = as_(name)
        browser.get(path)
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(path).status_code == 200
        counted[name, path] = len(captured)
    return counted


@pytest.fixture
def few(people: People, as_: SignIn) -> dict[tuple[str, str], int]:
    grow(people, members=2, history=1, teams=1)
    return queries(as_)


def grow(people: People, *, members: int, history: int, teams: int) -> None:
    """More members, ended grants, requests, and teams that Tom leads."""
    now, mark = timezone.now(), Team.objects.count()
    made = User.objects.bulk_create(
        User(username=f"p{mark}-{n}", email=f"p{mark}-{n}@example.com") for n in range(members)
    )
    rows = [
        Grant(person=person, team=people.vision, role=Role.CREATOR, reason="many", granted_by=people.tom)
        for person in made
    ]
    old = now - timedelta(days=60)
    rows += [
        Grant(
            person=person,
            team=people.vision,
            role=Role.VIEWER,
            reason="before",
            since=old,
            ended_at=old,
            ended_by=people.tom,
        )
        for person in made
        for _ in range(history)
    ]
    led = Team.objects.bulk_create(Team(slug=f"t{mark}-{n}", name=f"T{mark}-{n}") for n in range(teams))
    rows += [Grant(person=people.tom, team=team, role=Role.ADMIN, reason="leads") for team in led]
    Grant.objects.bulk_create(rows)
    for review in AccessReview.objects.open():
        cancel(review, by=people.tom, reason="another begins")
    open_review(people.vision, due_on=now.date(), by=people.tom)
    AccessRequest.objects.bulk_create(
        AccessRequest(person=person, team=people.vision, role=Role.ADMIN, days=7, reason="more")
        for person in made[:40]
    )


def test_pages_take_as_many_queries_with_500_members_5000_grants_and_50_teams(
    few: dict[tuple[str, str], int], people: People, as_: SignIn
) -> None:
    grow(people, members=500, history=9, teams=50)
    assert Grant.objects.filter(team=people.vision).count() > 5000
    assert queries(as_) == few
    assert max(few.values()) <= 28, few
