"""No page breaks a rule of accessibility or scrolls sideways, wide or narrow, light or dark."""

from __future__ import annotations

import pytest
from django.db import DatabaseError
from playwright.sync_api import Page, expect

from hyperclusters.access.access_requests import ask as ask_for_access
from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.invitations import invite
from hyperclusters.access.models import Grant, Role
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.clusters import creations
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import Cluster
from hyperclusters.web.clusters.views import cluster_list
from tests.browser.conftest import Watch, Window
from tests.browser.doings import create
from tests.browser.inspection import Inspector
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation

pytestmark = pytest.mark.browser
LONG = "a-name-as-long-as-the-cloud-allows-it-to-be-with-64-characters-x"


@pytest.fixture
def past(people: People, projects: Projects, cloud: Cloud) -> None:
    """Some clusters, made here and outside, one of them with the longest of names."""
    submit_creation(people.ada, projects.vision, "test-hps--1107", reason="Baseline run")
    submit_creation(people.ada, projects.vision, LONG, type="ECS")
    cloud.simulator.add_cluster(projects.vision.project_id, "outside", "ECS")
    run_worker()


def visit(page: Page, path: str, heading: str) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_the_pages_of_who_is_not_signed_in_are_for_everybody(
    window: Window, people: People, watch: Watch
) -> None:
    watch.expect(403, 404, 422)
    inspector, page = Inspector(), window()
    visit(page, "/accounts/login/", "Sign in")
    inspector.look(page, "sign in")
    page.get_by_label("User").fill("ada")
    page.get_by_label("Password").fill("not it")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".errors")).to_be_visible()
    inspector.look(page, "sign in, refused")
    page.context.clear_cookies(name="csrf")
    page.get_by_label("Password").fill("not it")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This form has expired")
    inspector.look(page, "403 of an old form")
    visit(page, "/nothing/", "Page not found")
    inspector.look(page, "404 signed out")
    inspector.judge()


def test_the_front_page_and_the_list_are_for_everybody(past: None, window: Window) -> None:
    inspector, page = Inspector(), window("ada")
    visit(page, "/", "Home")
    inspector.look(page, "home")
    page.locator(".topmenu summary, .account summary").last.click()
    inspector.look(page, "home, account menu open")
    visit(page, "/clusters/", "Clusters")
    expect(page.locator("a.name")).to_have_count(3)
    inspector.look(page, "clusters")
    page.get_by_text("Type", exact=True).first.click()
    inspector.look(page, "clusters, filter open")
    page.get_by_text("Type", exact=True).first.click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    inspector.look(page, "the list of keys")
    visit(page, "/clusters/", "Clusters")
    page.keyboard.press("Control+k")
    page.keyboard.type("long")
    expect(page.get_by_role("dialog").get_by_role("link").first).to_be_visible()
    inspector.look(page, "jumping")
    visit(page, "/jump/?q=nothing-like-this", "Jump to")
    inspector.look(page, "jumping, none fits")
    visit(page, "/clusters/?q=nothing-like-this", "Clusters")
    inspector.look(page, "clusters, none fits")
    visit(page, "/creations/", "Creations")
    inspector.look(page, "creations")
    inspector.judge()


def test_the_form_is_for_everybody_empty_checked_and_with_errors(
    past: None, window: Window, watch: Watch
) -> None:
    watch.expect(422)
    inspector, page = Inspector(), window("tom")
    visit(page, "/clusters/new/", "New hyper cluster")
    inspector.look(page, "new, empty")
    visit(page, "/clusters/new/", "New hyper cluster")
    page.get_by_label("Name", exact=True).fill("fine")
    expect(page.locator(".tabs > .panel pre:visible")).to_contain_text("fine")
    inspector.look(page, "new, checked while typing")
    visit(page, "/clusters/new/?as=curl&name=test-hps--1107", "New hyper cluster")
    inspector.look(page, "new, taken")
    page.get_by_label("Name", exact=True).fill("n o t" * 20)
    page.get_by_label("Subnet ID").fill("not a subnet")
    create(page)
    expect(page.locator(".errors")).to_be_visible()
    inspector.look(page, "new, with errors")
    inspector.judge()


def test_a_cluster_s_page_is_for_everybody_there_outside_being_deleted_and_gone(
    past: None, window: Window, people: People
) -> None:
    inspector, page = Inspector(), window("tom")
    outside = Cluster.objects.get(name="outside")
    visit(page, outside.get_absolute_url(), "outside")
    inspector.look(page, "cluster made outside")
    cluster = Cluster.objects.get(name=LONG)
    visit(page, cluster.get_absolute_url(), LONG)
    inspector.look(page, "cluster made here")
    request_deletion(
        person=people.ada, cluster=cluster, typed_name=cluster.name, reason="Not needed any more"
    )
    page.reload()
    expect(page.get_by_role("heading", name="Waiting to be deleted")).to_be_visible()
    inspector.look(page, "cluster being deleted")
    run_worker()
    page.reload()
    expect(page.get_by_text("Gone", exact=True)).to_be_visible()
    inspector.look(page, "cluster gone")
    inspector.judge()


def test_the_audit_is_for_everybody(past: None, window: Window) -> None:
    inspector, page = Inspector(), window("olga")
    visit(page, "/", "Home")
    inspector.look(page, "home of an auditor")
    visit(page, "/audit/", "Audit")
    inspector.look(page, "audit")
    visit(page, "/audit/?q=nothing-like-this", "Audit")
    inspector.look(page, "audit, none fits")
    answered = Event.objects.filter(action="cluster:create:succeeded", object_name=LONG).get()
    page.goto(answered.get_absolute_url())
    expect(page.get_by_role("heading", name="Response")).to_be_visible()
    inspector.look(page, "event")
    inspector.judge()


def test_the_pages_of_who_runs_the_platform_and_of_who_is_new_are_for_everybody(
    past: None, window: Window, watch: Watch
) -> None:
    watch.expect(403, 404)
    inspector, root, nina = Inspector(), window("root"), window("nina")
    visit(root, "/", "Home")
    inspector.look(root, "home of a platform admin")
    for path, heading in (
        ("/", "Home"),
        ("/clusters/", "Clusters"),
        ("/creations/", "Creations"),
        ("/clusters/new/", "New hyper cluster"),
        ("/audit/", "Not permitted"),
        ("/nothing/", "Page not found"),
    ):
        visit(nina, path, heading)
        inspector.look(nina, f"{path} of somebody new")
    inspector.judge()


def test_the_pages_of_failures_are_for_everybody(
    projects: Projects, window: Window, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.expect(409, 500, 503)
    inspector, page = Inspector(), window("ada")

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("the database is away")

    page.goto("/clusters/new/")
    token = page.locator("input[name=token]").input_value()
    page.get_by_label("Name", exact=True).fill("first")
    create(page)
    page.goto("/clusters/new/?name=second")
    page.locator("input[name=token]").evaluate("(field, token) => { field.value = token }", token)
    create(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("This form was already used")
    inspector.look(page, "409")
    page.goto("/clusters/new/?name=third")
    with monkeypatch.context() as patch:
        patch.setattr(creations, "request_creation", fail)
        patch.setattr(cluster_list, "_context", fail)
        create(page)
        expect(page.get_by_role("heading", level=1)).to_have_text(
            "Nothing was recorded, and nothing was sent"
        )
        inspector.look(page, "503")
        visit(page, "/clusters/", "The dashboard failed")
        inspector.look(page, "500")
    inspector.judge()


def test_the_pages_of_teams_of_access_and_of_the_platform_are_for_everybody(
    past: None, people: People, projects: Projects, window: Window
) -> None:
    grant = Grant.objects.active().get(person=people.ada)
    access_request = ask_for_access(
        person=people.vera, team=people.vision, role=Role.CREATOR, days=7, reason="A run " * 30
    )
    invite(
        by=people.tom,
        team=people.vision,
        email="new@example.com",
        role=Role.VIEWER,
        until=None,
        reason="To look",
    )
    auditor = Grant.objects.active().get(person=people.olga)
    access_review = open_review(people.vision, due_on=clock.today(), by=people.tom)
    vision, project = "/teams/vision/", projects.vision.get_absolute_url()
    inspector = Inspector()
    for person, paths in {
        "tom": ("/", "/teams/", vision, f"{vision}?q=nobody", f"{vision}?tab=services", f"{vision}?tab=history", f"{vision}give/", f"{vision}review/", f"{vision}review/open/",
                f"{vision}review/cancel/", access_review.get_absolute_url(), f"{vision}rules/",
                f"{vision}services/new/", "/access/tokens/new/", "/api/",
                f"{vision}grants/{grant.pk}/", f"{vision}grants/{grant.pk}/revoke/", f"{vision}requests/{access_request.pk}/"),
        "vera": ("/access/", vision),
        "nina": ("/access/", "/access/?team=vision&role=admin"),
        "root": (f"{vision}quota/", "/people/", "/people/invite/", f"{vision}name/", f"{vision}?tab=rules", "/people/?q=nobody", "/people/appoint/", "/people/teams/",
                 f"/people/roles/{auditor.pk}/end/", f"/people/{people.ada.pk}/activity/", "/projects/", "/projects/new/",
                 project),
    }.items():  # fmt: skip
        page = window(person, confirmed=True)
        for path in paths:
            answer = page.goto(path)
            assert answer
            assert (answer.status, page.url.endswith(path)) == (200, True), path
            inspector.look(page, f"{path} for {person}", every=False)
    inspector.judge()
