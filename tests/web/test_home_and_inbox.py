"""Home says what needs whom and lets them decide there; the inbox says what happened; both forget what is over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from hyperclusters.access.access_requests import approve, ask, decline
from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.mail import send_due
from hyperclusters.access.models import AccessRequest, Grant, Role
from hyperclusters.access.services import add_person, add_team, extend_grant, grant
from hyperclusters.accounts.models import Session
from hyperclusters.audit import clock
from hyperclusters.clusters import breaker, heartbeat
from hyperclusters.clusters.models import Cluster, Creation, Heartbeat, Project
from hyperclusters.clusters.ownership import hand_over
from hyperclusters.clusters.retirement import retire_project
from hyperclusters.modelarts.errors import Throttled
from hyperclusters.web.texts import notices
from tests.conftest import Cloud, People, Projects, confirm, events, run_worker, submit_creation
from tests.web.badges import badge
from tests.web.pages import HTMX, SignIn, body, words

pytestmark = pytest.mark.any_database
HOME, INBOX = "/", "/inbox/"


def main(browser: Browser, path: str = HOME) -> str:
    """What the page says between its frame's parts."""
    page = body(browser.get(path))
    return " ".join(
        re.sub(r"<[^>]+>", " ", page[page.index('<main id="main"') : page.index("</main>")]).split()
    )


def asked(people: People, role: Role = Role.CREATOR) -> AccessRequest:
    return ask(person=people.vera, team=people.vision, role=role, days=7, reason="The evaluation run")


def request_url(request: AccessRequest) -> str:
    return f"/teams/vision/requests/{request.pk}/"


def failed(people: People, projects: Projects, cloud: Cloud, name: str) -> Creation:
    cloud.simulator.set(quota=0)
    creation = submit_creation(people.ada, projects.vision, name)
    run_worker()
    cloud.simulator.set(quota=None)
    creation.refresh_from_db()
    assert creation.state == "failed"
    return creation


@pytest.mark.parametrize("headers", [None, HTMX])
def test_a_request_is_approved_on_home_which_stays_open(
    as_: SignIn, people: People, headers: dict[str, str] | None
) -> None:
    tom, request = as_("tom"), asked(people)
    assert "vera requests Creator for 1 week" in main(tom)
    answer = tom.post(
        request_url(request), {"do": "approve", "approve-days": "7", "back": HOME}, headers=headers
    )
    assert (answer.status_code, answer["Location"]) == (302, HOME)
    page = main(tom)
    assert "vera is Creator until" in page
    assert "vera requests" not in page
    assert Grant.objects.active().filter(person=people.vera, role=Role.CREATOR).count() == 1


def test_a_request_is_declined_on_home_with_a_reason_that_is_required(as_: SignIn, people: People) -> None:
    tom, request = as_("tom"), asked(people)
    form = {"do": "decline", "back": HOME}
    assert tom.post(request_url(request), form | {"decline-reason": " "})["Location"] == HOME
    assert "Enter a reason." in main(tom)
    tom.post(request_url(request), form | {"decline-reason": "Not this week"})
    assert "Declined. vera can read your reason." in main(tom)
    request.refresh_from_db()
    assert (request.state, request.note) == ("declined", "Not this week")


def test_a_request_that_was_decided_meanwhile_is_said_to_be(as_: SignIn, people: People) -> None:
    tom, request = as_("tom"), asked(people)
    decline(request, by=people.tom, note="no")
    tom.post(request_url(request), {"do": "approve", "approve-days": "7", "back": HOME})
    assert "decided or withdrawn meanwhile" in main(tom)


def test_a_failure_leaves_home_when_it_is_dismissed(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation, ada = failed(people, projects, cloud, "once"), as_("ada")
    assert "Dismiss once" in main(ada)
    for other in ("tom", "mallory"):
        assert as_(other).post(f"/home/dismiss/{creation.pk}/").status_code == 404
    assert ada.post(f"/home/dismiss/{creation.pk}/")["Location"] == HOME
    assert "Dismiss" not in main(ada)
    assert "Dismiss" not in main(as_("ada")), "also after signing in again"
    assert "once" in words(ada.get("/creations/"))


def test_a_failure_leaves_home_when_its_name_is_created_later(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    failed(people, projects, cloud, "twice")
    other = failed(people, projects, cloud, "other")
    submit_creation(people.ada, projects.vision, "twice")
    run_worker()
    page = main(as_("ada"))
    assert "Dismiss twice" not in page
    assert f"Dismiss {other.name}" in page


def test_a_later_success_in_another_project_excuses_no_failure(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    failed(people, projects, cloud, "same")
    submit_creation(people.mallory, projects.speech, "same")
    run_worker()
    assert "Dismiss same" in main(as_("ada"))


def test_home_shows_ones_own_clusters_and_their_number_not_those_created_elsewhere(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    for name in ("mine-1", "mine-2"):
        submit_creation(people.ada, projects.vision, name)
    submit_creation(people.tom, projects.vision, "toms")
    run_worker()
    for number in range(8):
        cloud.simulator.add_cluster(projects.vision.project_id, f"elsewhere-{number}")
    Project.objects.filter(pk=projects.vision.pk).update(quota=20)
    projects.vision.sources.update(run_after=clock.now())
    run_worker()
    page = main(as_("ada"))
    assert "Your clusters 2" in page
    assert "mine-1" in page
    assert "elsewhere" not in page
    assert "11 of 20 used" in page
    viewer = main(as_("vera"))
    assert "Newest clusters" in viewer
    assert "elsewhere" not in viewer


def test_home_counts_quotas_at_once_however_many_projects_there_are(
    as_: SignIn, people: People, projects: Projects
) -> None:
    ada, numbers = as_("ada"), []
    Project.objects.filter(pk=projects.vision.pk).update(quota=3)
    for name in ("second", "third"):
        ada.get(HOME)
        with CaptureQueriesContext(connection) as queries:
            assert "0 of 3 used" in main(ada)
        numbers.append(len(queries))
        Project.objects.create(
            name=name, team=people.vision, endpoint="http://127.0.0.1:1", project_id=name, quota=3
        )
    assert numbers[0] == numbers[1]


def test_a_withdrawn_creation_takes_no_place_in_the_inbox(
    as_: SignIn, people: People, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MOST", 1)
    now = clock.now()
    for name, state, at in (("older", "failed", now - timedelta(hours=1)), ("newer", "cancelled", now)):
        creation = submit_creation(people.ada, projects.vision, name)
        Creation.objects.filter(pk=creation.pk).update(state=state, settled_at=at)
    assert "older · Failed" in main(as_("ada"), INBOX)


@pytest.mark.parametrize(
    ("values", "title"),
    [
        (
            {"state": "failed", "cause": "unreachable", "attempts": 9},
            "Failed: the cloud could not be reached",
        ),
        ({"state": "failed", "code": "ModelArts.4100"}, "Failed: the cloud refused the request"),
        ({"state": "refused", "cause": "quota"}, "Refused: nothing was sent"),
        ({"state": "refused", "cause": "quota", "attempts": 2}, "Refused: nothing was created"),
        ({"state": "not_created", "conflict_at": datetime.now(UTC)}, "It may exist after all"),
    ],
)
def test_the_inbox_says_of_a_creation_what_its_page_says(
    as_: SignIn, people: People, projects: Projects, values: dict[str, Any], title: str
) -> None:
    creation = submit_creation(people.ada, projects.vision, "settled")
    Creation.objects.filter(pk=creation.pk).update(settled_at=clock.now(), **values)
    assert f"settled · {title}" in main(as_("ada"), INBOX)
    assert title in main(as_("ada"), creation.get_absolute_url())


def test_the_inbox_says_that_a_created_cluster_is_contradicted(
    as_: SignIn, people: People, projects: Projects
) -> None:
    creation = submit_creation(people.ada, projects.vision, "settled")
    now = clock.now()
    Creation.objects.filter(pk=creation.pk).update(state="created", settled_at=now, conflict_at=now)
    assert "settled was created, but later evidence contradicts it" in main(as_("ada"), INBOX)


def test_access_that_ends_within_a_week_is_said_on_home_and_in_the_inbox(as_: SignIn, people: People) -> None:
    held = Grant.objects.active().get(person=people.vera, team=people.vision)
    vera = as_("vera")
    extend_grant(held, until=clock.now() + timedelta(days=8), reason="Review", by=people.tom)
    assert "Your access as" not in main(vera)
    extend_grant(held, until=clock.now() + timedelta(days=6), reason="Review", by=people.tom)
    assert "Your access as" not in main(vera), "given for two weeks or less: not before the last day"
    Grant.objects.filter(pk=held.pk).update(since=clock.now() - timedelta(days=30))
    assert "Your access as Viewer in Vision ends" in main(vera)
    assert main(vera, INBOX).count("Your access as Viewer in Vision ends") == 1
    Grant.objects.filter(pk=held.pk).update(
        since=clock.now() - timedelta(days=6), until=clock.now() + timedelta(hours=20)
    )
    assert "Your access as Viewer in Vision ends" in main(vera)


def test_the_inbox_counts_what_is_new_until_it_is_marked_as_read(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "new-one")
    run_worker()
    cluster = Cluster.objects.get(name="new-one")
    hand_over(by=people.tom, cluster=cluster, to="tom", reason="Tom runs it")
    hand_over(by=people.tom, cluster=cluster, to="ada", reason="Ada again")
    ada = as_("ada")
    page = main(ada, INBOX)
    assert "new-one was created" in page
    assert "tom made you the owner of new-one" in page
    assert page.count(" New ") == 2
    assert re.search(r'class="n">2<span class="visually-hidden"> unread', body(ada.get(HOME)))
    assert main(ada, INBOX).count(" New ") == 2, "looking reads nothing"
    with CaptureQueriesContext(connection) as queries:
        assert badge(people.ada) == 2
    assert len([query for query in queries if "UNION" in query["sql"]]) == 1
    assert ada.post("/inbox/read/")["Location"] == INBOX
    assert " New " not in main(ada, INBOX)
    assert "unread" not in body(ada.get(HOME))
    assert "new-one was created" not in main(as_("tom"), INBOX)


def test_the_inbox_begins_with_what_waits_and_says_nothing_twice(as_: SignIn, people: People) -> None:
    asked(people)
    open_review(people.vision, due_on=(clock.now() + timedelta(days=5)).date(), by=people.olga)
    send_due()
    page = main(as_("tom"), INBOX)
    assert "Inbox Mark all as read Needs you VE vera requests Creator" in page
    assert page.count("Review the access to Vision") == 1
    assert "The last two weeks" not in page


def test_a_decision_reaches_the_inbox_of_who_asked(as_: SignIn, people: People) -> None:
    decline(asked(people, Role.ADMIN), by=people.tom, note="Ada stands in")
    approve(asked(people), by=people.tom, days=7)
    page = main(as_("vera"), INBOX)
    assert "tom declined your request: Admin in Vision" in page
    assert "Ada stands in" in page
    assert "tom approved your request: Creator in Vision" in page


def test_notices_are_bounded_in_time(as_: SignIn, people: People, projects: Projects, cloud: Cloud) -> None:
    creation = submit_creation(people.ada, projects.vision, "long-ago")
    run_worker()
    Creation.objects.filter(pk=creation.pk).update(settled_at=clock.now() - timedelta(days=15))
    assert "long-ago" not in main(as_("ada"), INBOX)


def test_a_page_asks_for_news_only_while_a_creation_of_ones_own_is_under_way(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud, django_assert_max_num_queries: Any
) -> None:
    ada = as_("ada")
    assert 'id="news"' not in body(ada.get("/access/"))
    submit_creation(people.ada, projects.vision, "waiting")
    page = body(ada.get("/access/"))
    (url,) = re.findall(r'hx-get="(/inbox/news/[^"]+)"', page)
    assert 'id="news"' not in body(as_("tom").get("/access/"))
    waiting = ada.get(url, headers=HTMX | {"X-Poll": "1"})
    assert waiting.status_code == 204, "it goes on asking as it does"
    run_worker()
    with django_assert_max_num_queries(8):
        settled = body(ada.get(url, headers=HTMX | {"X-Poll": "1"}))
    assert "waiting was created" in settled
    assert 'data-title="waiting was created"' in settled
    assert "hx-get" not in settled, "nothing more is under way"


@pytest.mark.parametrize(
    "since", ["", "x", "2026-13-45T00:00:00Z", "2020-01-01", "1970-01-01T00:00:00+00:00"]
)
def test_news_since_a_wrong_time_are_none(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud, since: str
) -> None:
    submit_creation(people.ada, projects.vision, "settled")
    run_worker()
    answer = as_("ada").get("/inbox/news/", {"since": since}, headers=HTMX)
    assert (answer.status_code, "settled" in body(answer)) == (200, False)


def test_root_is_told_that_everything_runs_only_while_it_does(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    root, sentence = as_("root"), "Everything is working"
    heartbeat.beat("worker")
    assert sentence not in main(root), "no list was read yet"
    run_worker()
    assert sentence in main(root)
    breaker.record_failure(projects.vision, Throttled("slow down"))
    assert sentence not in main(root)
    breaker.record_success(projects.vision)
    assert sentence in main(root)
    heartbeat.remove("worker")
    heartbeat.forget_beats()
    assert sentence not in main(root)


def test_root_sees_which_workers_report_and_no_web_servers(people: People, as_: SignIn) -> None:
    heartbeat.beat("silent")
    Heartbeat.objects.update(at=clock.now() - timedelta(minutes=5))
    heartbeat.beat("busy")
    heartbeat.beat("site", Heartbeat.WEB)
    page = main(as_("root"))
    assert "busy Running" in page
    assert "silent Not reporting" in page
    assert "site" not in page.partition("Workers")[2]


def test_a_new_installation_shows_root_what_it_lacks_until_it_lacks_nothing(
    as_: SignIn, people: People
) -> None:
    Grant.objects.filter(team__isnull=False).update(ended_at=clock.now())
    auditors = Grant.objects.filter(role=Role.AUDITOR)
    auditors.update(ended_at=clock.now())
    root = as_("root")
    page = main(root)
    assert "Set up this installation" in page
    assert page.count("· done") == 1
    assert "Appoint an auditor" in page
    team = add_team(slug="first", name="First", by=people.root)
    lead, member = add_person(username="lead"), add_person(username="member")
    grant(person=lead, role=Role.ADMIN, team=team, reason="leads", by=people.root)
    assert main(root).count("· done") == 2
    Project.objects.create(name="p", team=team, endpoint="http://127.0.0.1:1", project_id="p")
    assert main(root).count("· done") == 3
    grant(person=member, role=Role.VIEWER, team=team, reason="looks", by=lead)
    assert main(root).count("· done") == 4
    auditors.update(ended_at=None)
    assert "Set up this installation" not in main(root)
    assert "Set up this installation" not in main(as_("ada"))


@pytest.mark.parametrize(("seconds", "said"), [(1800, "30 minutes"), (3600, "1 hour"), (5400, "90 minutes")])
def test_who_was_signed_out_for_doing_nothing_is_told_after_how_long(
    as_: SignIn, people: People, settings: Any, seconds: int, said: str
) -> None:
    settings.SESSION_IDLE = seconds
    ada = as_("ada")
    ada.get(HOME)
    past = clock.now() - timedelta(seconds=seconds + 1)
    Session.objects.update(seen_at=past, expire_date=past + timedelta(seconds=seconds), started_at=past)
    page = words(ada.get("/clusters/", follow=True))
    assert f"You were signed out after {said} without activity." in page


def test_who_signed_out_or_came_for_the_first_time_is_told_nothing_of_it(as_: SignIn, people: People) -> None:
    assert "without activity" not in words(Browser().get("/clusters/", follow=True))
    ada = as_("ada")
    ada.post("/accounts/logout/")
    assert "without activity" not in words(ada.get("/clusters/", follow=True))


def test_acts_are_found_by_control_k_and_work_without_scripts(as_: SignIn, people: People) -> None:
    ada = as_("ada")
    page = body(ada.get("/jump/", {"q": "dark"}))
    assert 'action="/theme/"' in page
    assert 'name="theme" value="dark"' in page
    assert 'action="/accounts/logout/"' in body(ada.get("/jump/", {"q": "sign out"}))
    assert 'name="language" value="zh-hans"' in body(ada.get("/jump/", {"q": "language"}))
    assert 'href="/access/"' in body(ada.get("/jump/", {"q": "ask for"}))
    here = body(ada.get("/jump/", headers=HTMX | {"HX-Current-URL": "http://testserver/clusters/?q=a"}))
    assert 'name="next" value="/clusters/?q=a"' in here


def test_a_project_is_retired_once_nothing_is_in_it_and_can_be_restored(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    root, page = confirm(as_("root")), projects.vision.get_absolute_url()
    submit_creation(people.ada, projects.vision, "last-one")
    assert "1 creation or deletion has no outcome yet" in words(root.get(f"{page}retire/"))
    run_worker()
    refused = root.post(f"{page}retire/", {"reason": "Not needed"})
    assert (refused.status_code, "1 cluster to delete." in words(refused)) == (422, True)
    assert events(action="project:retire:refused")[-1].reason == "Not needed"
    Cluster.objects.update(gone_at=clock.now())
    assert root.post(f"{page}retire/", {"reason": ""}).status_code == 422
    assert root.post(f"{page}retire/", {"reason": "Not needed"})["Location"] == page
    assert "Nobody can create clusters here" in words(root.get(page))
    assert events(action="project:retired")[-1].reason == "Not needed"
    assert projects.vision.sources.count() == 0
    assert as_("ada").get("/clusters/new/").status_code == 403, "there is no other project"
    answer = as_("ada").post("/clusters/new/", {"project": projects.vision.name, "name": "x", "type": "HPS"})
    assert answer.status_code in {403, 422}
    assert root.post(f"{page}restore/")["Location"] == page
    assert projects.vision.sources.count() == 2
    assert as_("ada").get("/clusters/new/").status_code == 200


def test_what_is_requested_in_the_moment_of_retiring_is_not_sent(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, "too-late")
    Project.objects.filter(pk=projects.vision.pk).update(retired_at=clock.now())
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.cause, cloud.posts) == ("refused", "project_retired", [])


def test_what_was_in_a_retired_project_is_still_found(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "last-one")
    run_worker()
    Cluster.objects.update(gone_at=clock.now())
    retire_project(by=people.root, project=projects.vision, reason="Not needed")
    ada, pk = as_("ada"), Cluster.objects.get().pk
    page = ada.get("/clusters/", {"gone": "1", "team": "vision", "q": "last"})
    assert "last-one" in words(page)
    for query in ({"gone": "1"}, {"selected": "1", "cluster": str(pk)}):
        (row,) = ada.get("/clusters/clusters.json", query).json()["clusters"]
        assert (row["name"], row["project"]) == ("last-one", projects.vision.name)


def test_only_platform_admins_retire_projects(as_: SignIn, people: People, projects: Projects) -> None:
    for who in ("ada", "tom", "vera", "olga", "nina", "mallory"):
        assert as_(who).get(f"{projects.vision.get_absolute_url()}retire/").status_code == 403


def test_root_sees_projects_with_a_problem_before_others_and_only_the_first(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    run_worker()
    breaker.record_failure(projects.vision, Throttled("slow down"))
    page = body(as_("root").get(HOME))
    speech, vision = (page.index(each.get_absolute_url()) for each in (projects.speech, projects.vision))
    assert vision < speech
    for number in range(12):
        Project.objects.create(
            name=f"a-{number:02}", team=people.vision, endpoint="http://127.0.0.1:1", project_id=f"p{number}"
        )
    page = body(as_("root").get(HOME))
    assert page.count("http://127.0.0.1:1<") <= 10
    assert f"{Project.objects.count()}</span></h2>" in page
