"""Small promises of pages: where one is, what comes first, what is not drawn, and numbers and words that can be relied on."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from hyperclusters.access.services import add_team, set_rules
from hyperclusters.accounts.models import Scope
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock
from hyperclusters.clusters.creations import withdraw
from hyperclusters.clusters.models import Creation, State
from hyperclusters.web.clusters.views import creation_list
from hyperclusters.web.shared import listing
from tests.conftest import Cloud, People, Projects, confirm, run_worker, submit_creation
from tests.web.pages import SignIn, body, main

pytestmark = pytest.mark.any_database
CREATIONS = "/creations/"


def marked(page: str) -> list[str]:
    """The entries of the side bar that say that one is there."""
    bar = page[page.index('id="nav"') : page.index("</ul>", page.index('id="nav"'))]
    return [
        re.sub("<[^>]+>", "", each).split()[0]
        for each in re.findall(r'aria-current="page">(.*?)</a>', bar, re.DOTALL)
    ]


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/", "Home"),
        ("/audit/", "Audit"),
        ("/audit/chain/", "Audit"),
        ("/audit/review/", "Review"),
        ("/audit/reports/", "Review"),
        ("/audit/messages/", "Review"),
        ("/audit/messages/new/", "Review"),
        ("/teams/vision/", "Teams"),
    ],
)
def test_the_side_bar_marks_one_entry_also_on_pages_below_another_s_address(
    path: str, entry: str, people: People, as_: SignIn
) -> None:
    assert marked(body(confirm(as_("olga")).get(path))) == [entry]


def test_who_has_no_access_finds_the_form_that_requests_it_first(people: People, as_: SignIn) -> None:
    nina, ada = (body(as_(name).get("/access/")) for name in ("nina", "ada"))
    assert nina.index('id="ask"') < nina.index("Your access")
    assert ada.index("Your access") < ada.index('id="ask"')


def test_a_list_that_one_page_shows_has_no_pager(
    people: People, projects: Projects, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        submit_creation(people.ada, projects.vision, name)
    ada = as_("ada")
    assert 'class="pager"' not in body(ada.get(CREATIONS))
    assert 'class="pager"' not in body(as_("olga").get("/audit/"))
    monkeypatch.setattr(creation_list, "PAGE_SIZE", 1)
    page = body(ada.get(CREATIONS))
    assert 'class="pager"' in page
    assert 'rel="next"' in page


def test_a_creation_says_whom_it_waits_for_wherever_it_is_listed(
    people: People, projects: Projects, as_: SignIn
) -> None:
    set_rules(people.vision, by=people.tom, approval_types=["ECS"])
    creation = submit_creation(people.ada, projects.vision, "waits", type="ECS", reason="A test")
    for path in ("/", CREATIONS, "/clusters/", creation.get_absolute_url()):
        assert "Waiting for approval" in main(as_("ada").get(path)), path
    withdraw(creation, by=people.ada)
    assert "Waiting for approval" not in main(as_("ada").get(CREATIONS))


def test_a_timeline_names_the_day_once_for_each_day(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    with monkeypatch.context() as earlier:
        earlier.setattr(clock, "now", lambda: now - timedelta(days=2))
        creation = submit_creation(people.ada, projects.vision)
    run_worker()
    page = body(as_("ada").get(creation.get_absolute_url()))
    times = re.findall(r'<time class="clock"[^>]*>(.*?)</time>', page)
    days = [time for time in times if not re.fullmatch(r"\d\d:\d\d:\d\d( UTC)?", time)]
    assert len(days) == 2 < len(times)
    assert all(re.fullmatch(r"\d{1,2} \w{3} \d{4}, \d\d:\d\d:\d\d( UTC)?", day) for day in days)


def test_a_platform_admin_sees_who_administers_each_team_and_no_empty_column(
    people: People, as_: SignIn
) -> None:
    add_team(slug="robotics", name="Robotics")
    shown, theirs = main(as_("root").get("/teams/")), main(as_("tom").get("/teams/"))
    assert "Team Admins Members" in shown
    assert "Vision tom" in shown
    assert "Robotics no admin –" in shown
    assert "Team Admins Your role Members" in theirs


def test_views_of_creations_say_how_many_rows_they_have_up_to_a_bound(
    people: People, projects: Projects, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = (
        submit_creation(each, projects.vision, each.username) for each in (people.ada, people.tom)
    )
    withdraw(mine, by=people.ada)
    Creation.objects.filter(pk=others.pk).update(state=State.FAILED, settled_at=clock.now())
    ada = as_("ada")
    assert "All 2 Mine 1 Under way 0 Unsuccessful 1" in main(ada.get(CREATIONS))
    submit_creation(people.ada, projects.vision, "another")
    monkeypatch.setattr(listing, "MOST_COUNTED", 2)
    assert "All 3 Mine 1+ Under way 1 Unsuccessful 1" in main(ada.get(CREATIONS))


@pytest.mark.parametrize(("quota", "tight", "full"), [(12, 9, 10.8), (4, 3, 3.6)])
def test_the_bar_of_a_quota_is_good_only_while_there_is_room(
    quota: int, tight: float, full: float, people: People, projects: Projects, as_: SignIn
) -> None:
    projects.vision.quota = quota
    projects.vision.save(update_fields=["quota"])
    bar = re.search(r"<meter[^>]*>", body(as_("ada").get("/")))
    assert bar
    marks = {name: float(value) for name, value in re.findall(r'(low|high|optimum)="([^"]+)"', bar[0])}
    assert marks == {"low": tight, "high": full, "optimum": 0}


def test_a_token_s_scopes_are_said_in_words(people: People, as_: SignIn) -> None:
    create_token(
        owner=people.ada,
        name="nightly",
        scopes=[Scope.CLUSTERS_READ, Scope.AUDIT_READ],
        team=None,
        expires_at=clock.now() + timedelta(days=7),
        by=people.ada,
    )
    page = body(as_("ada").get("/access/"))
    assert '<div title="clusters:read">See clusters, creations and projects</div>' in page
    assert '<div title="audit:read">Read and export the audit</div>' in page


def test_the_chart_of_the_audit_says_what_it_draws(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision)
    run_worker()
    assert "<h2>Creations over time</h2>" in body(as_("olga").get("/audit/summary/"))


@pytest.mark.parametrize(
    ("path", "name"), [("/clusters/", "clusters"), ("/creations/", "creations"), ("/audit/", "audit")]
)
def test_a_list_is_seen_again_as_it_was_saved_by_its_person_alone(
    path: str, name: str, people: People, projects: Projects, as_: SignIn
) -> None:
    tom, query = as_("tom"), "?q=train"
    page = body(tom.get(f"{path}{query}&page=1"))
    assert f'name="page" value="{name}"><input type="hidden" name="query" value="{query}"' in page
    answer = tom.post("/views/", {"page": name, "name": "Training", "query": query}, follow=True)
    assert re.search(
        rf'<a class="own" href="\{query}" aria-current="true">.*?Training</a>', body(answer), re.DOTALL
    )
    assert "Training" not in body(as_("olga").get(path))
