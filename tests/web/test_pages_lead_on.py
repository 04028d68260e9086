"""A page that cannot show or do what one came for says why, as it is now, and who or what helps."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from hyperclusters.access.models import Grant, Team
from hyperclusters.audit import clock
from hyperclusters.clusters import breaker, heartbeat
from hyperclusters.clusters.connections import ask_test
from hyperclusters.clusters.models import Creation, Heartbeat, Project
from hyperclusters.modelarts.errors import Unavailable
from hyperclusters.web.pages.views import home
from hyperclusters.web.texts.grants import day
from tests.conftest import Cloud, People, Projects, confirm, run_worker, submit_creation
from tests.web.pages import NEW, SignIn, body, main

pytestmark = pytest.mark.any_database


def test_a_new_installation_has_no_dead_end(as_: SignIn, people: People) -> None:
    Grant.objects.filter(team__isnull=False).delete()
    Team.objects.all().delete()
    root = as_("root")
    teams = root.get("/teams/")
    assert "No teams yet" in main(teams)
    assert 'href="/people/teams/"' in body(teams)
    assert "Request access" not in main(teams)
    assert 'placeholder="Name"' not in body(teams)
    assert "Go to Home" in main(root.get("/clusters/new/"))
    home = main(root.get("/"))
    assert "Start a worker" in home
    assert home.count("manage.py worker") == 1, "no card beside the step"


def outage(project: Project) -> None:
    """The cloud answers 503 until calls are paused."""
    for _ in range(breaker.OUTAGE_AFTER):
        breaker.record_failure(project, Unavailable("away", cause="status_503", code="ModelArts.5030000"))


def test_a_project_in_an_outage_says_first_what_is_now(
    as_: SignIn, people: People, projects: Projects
) -> None:
    ask_test(by=people.root, project=projects.vision)
    run_worker()
    outage(projects.vision)
    root = as_("root")
    page = main(root.get(projects.vision.get_absolute_url()))
    assert page.index("Paused since") < page.index("Last test just now : Connected"), page
    assert "UTC The cloud answered HTTP 503" in page
    assert "Next try in " in page
    listing = main(root.get("/projects/"))
    assert "Paused Next try" in listing


def test_an_unknown_creation_in_an_outage_promises_no_time(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    cloud.simulator.fault("lost_answer", "create")
    run_worker()
    ada = as_("ada")
    assert "at the latest" in main(ada.get(creation.get_absolute_url()))
    assert "can't be read" not in main(ada.get("/"))
    projects.vision.sources.update(
        failed_at=clock.now(), failure_cause="status_503", failure_code="ModelArts.5030000"
    )
    page = main(ada.get(creation.get_absolute_url()))
    assert "lists can't be read now" in page
    assert "at the latest" not in page
    assert "The lists of vision-cn-southwest-2 can't be read" in main(ada.get("/"))


def test_a_request_that_waits_for_a_worker_says_so_before_and_after_the_click(
    as_: SignIn, people: People, projects: Projects
) -> None:
    ada = as_("ada")
    run_worker()
    heartbeat.beat("busy")
    form = main(ada.get(NEW, {"name": "waits"}))
    assert "The cloud answers" in form
    assert "Ready" in form
    Heartbeat.objects.all().delete()
    heartbeat.forget_beats()
    form = main(ada.get(NEW, {"name": "waits"}))
    assert "No worker is running: the request waits until one is back" in form
    assert "The cloud answers" not in form
    assert "Ready" not in form
    page = main(ada.get(submit_creation(people.ada, projects.vision).get_absolute_url()))
    assert "No worker is running. The request is sent as soon as one is back." in page
    assert "Details for Huawei support" not in page


def test_a_verdict_offers_what_can_help_and_shows_the_check_that_failed(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    cloud.simulator.set(quota=0)
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    page = body(ada.get(creation.get_absolute_url()))
    assert re.search(r'<a class="btn" href="[^"]+">Edit and retry</a>', page)
    assert "Try again" not in page
    cloud.simulator.fault("error", "list", status=403)
    creation = submit_creation(people.ada, projects.vision, "unlisted")
    run_worker()
    assert "Checked the cloud HTTP 403" in main(ada.get(creation.get_absolute_url()))
    Creation.objects.filter(pk=creation.pk).update(state="sending", settled_at=None)
    assert "Waiting for the answer" in main(ada.get(creation.get_absolute_url()))


def test_a_token_form_ticks_reading_alone_and_offers_what_its_owner_can_use(
    as_: SignIn, people: People
) -> None:
    ada = confirm(as_("ada"))
    page = body(ada.get("/access/tokens/new/"))
    boxes = {
        value: box for box, value in re.findall(r'(<input type="checkbox"[^>]*value="([a-z:]+)"[^>]*>)', page)
    }
    assert [scope for scope, box in boxes.items() if "checked" in box] == ["clusters:read"]
    assert [scope for scope, box in boxes.items() if "disabled" in box] == ["audit:read", "access:write"]
    assert "Read and export the audit (needs a higher role)" in html.unescape(page)
    assert f"90 days end on {day(clock.now() + timedelta(days=90))}." in page
    form = {"owner": "ada", "name": "nightly", "scopes": "clusters:read", "days": "90"}
    created = body(ada.post("/access/tokens/new/", form))
    assert re.search(r'class="btn primary needs-script"\s+data-copy-from="token"', created)


def test_a_project_that_cannot_be_retired_yet_says_who_can_help(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision)
    run_worker()
    page = main(confirm(as_("root")).get(f"{projects.vision.get_absolute_url()}retire/"))
    assert "1 cluster to delete. Who can delete it: tom, admin of Vision." in page
    assert "Delete it first" not in page
    assert "no outcome yet" not in page
    Creation.objects.update(state="needs_attention", settled_at=None)
    page = main(confirm(as_("root")).get(f"{projects.vision.get_absolute_url()}retire/"))
    assert "1 creation to decide. Who can decide it: tom, admin of Vision." in page
    assert "Wait for it" not in page  # it would never end


def test_too_many_requests_say_when_to_try_again_in_the_usual_frame(
    as_: SignIn, people: People, settings: Any
) -> None:
    settings.SEARCHES_PER_MINUTE = 1
    tom = as_("tom")
    tom.get("/audit/", {"q": "a"})
    page = tom.get("/audit/", {"q": "a"})
    assert page.status_code == 429
    assert 'class="side' in body(page)
    assert f'href="/audit/?q=a">Try again in {page["Retry-After"]} s' in body(page)
    assert "Nothing was sent" not in main(page)


def test_a_failure_of_ours_leads_back_and_to_the_creations(
    as_: SignIn, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(home, "_platform", fail)
    root = as_("root")
    root.raise_request_exception = False
    page = root.get("/?a=b")
    assert page.status_code == 500
    assert 'href="/?a=b">Try again' in body(page)
    assert 'href="/creations/"' in body(page)
    assert "creating a cluster" not in main(page)
