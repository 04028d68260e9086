"""Tom asks for approval by a second person, Ada requests a cluster, Vera, another admin, approves: nothing is sent before that."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.test import Client
from playwright.sync_api import expect

from hyperclusters.access.models import Role
from hyperclusters.access.services import grant
from tests.browser.conftest import Watch, Window
from tests.browser.inspection import Inspector
from tests.conftest import Cloud, People, Projects, run_worker

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("scripts", "width"), [(True, 1280), (False, 390)])
def test_from_the_rule_to_the_cluster(
    scripts: bool,
    width: int,
    people: People,
    projects: Projects,
    cloud: Cloud,
    window: Window,
    watch: Watch,
) -> None:
    grant(person=people.vera, role=Role.ADMIN, team=people.vision, reason="Stands in for tom", by=people.root)
    browser = {"java_script_enabled": scripts, "viewport": {"width": width, "height": 900}}
    inspector = Inspector()

    tom = window("tom", **browser)
    tom.goto("/teams/vision/rules/")
    tom.get_by_role("group", name="Types that need approval").get_by_label("ECS").check()
    tom.get_by_role("button", name="Save").click()
    expect(tom.get_by_text("another admin of the team approves")).to_be_visible()

    ada = window("ada", **browser)
    ada.goto("/clusters/new/?type=ECS&name=gateway")
    expect(ada.get_by_text("Needs approval by an admin of Vision other than you")).to_be_visible()
    ada.get_by_label("Reason").fill("For the demo on Friday")
    ada.get_by_role("button", name="Create cluster").click()
    expect(ada.locator("#creation")).to_have_attribute("data-state", "queued")
    expect(ada.get_by_text("Waiting for approval").first).to_be_visible()
    expect(ada.get_by_role("button", name="Approve")).to_have_count(0)
    creation = ada.url
    run_worker()
    assert not cloud.posts, "nothing left before the approval"

    vera = window("vera", **browser)
    vera.goto("/")
    vera.get_by_role("link", name="Decide gateway").click()
    expect(vera).to_have_url(creation)
    expect(vera.get_by_text("For the demo on Friday").first).to_be_visible()
    if scripts:
        inspector.look(vera, "the creation that waits")
    vera.get_by_label("Reason").fill("Agreed with Tom")
    vera.get_by_role("button", name="Approve").click()
    expect(vera.get_by_role("button", name="Approve")).to_have_count(0)
    run_worker()
    ada.reload()
    assert len(cloud.posts) == 1
    expect(ada.locator("#creation")).to_have_attribute("data-state", "created")
    expect(ada.get_by_text("Agreed with Tom").first).to_be_visible()

    mallory = Client()
    mallory.force_login(people.mallory)
    assert mallory.get(urlsplit(creation).path).status_code == 404
    if scripts:
        inspector.look(ada, "the creation that was approved")
        inspector.judge()
