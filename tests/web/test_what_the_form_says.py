"""The form of a creation says before the click what stands in the way, and never shows what will be refused without saying so."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from hyperclusters.access.models import Team
from hyperclusters.clusters import heartbeat
from hyperclusters.clusters.models import ClusterListing, Creation, Project
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation
from tests.web.pages import HTMX, NEW, SignIn, body, submit, words

pytestmark = pytest.mark.any_database


def part(page: str, element_id: str) -> str:
    """From this element on."""
    return page[page.index(f'id="{element_id}"') :]


def chosen(page: str) -> str:
    """The project that is selected, as the menu calls it."""
    match = re.search(r"<option value=\"[^\"]+\" selected>([^<]+)</option>", page)
    assert match
    return match[1]


def test_a_type_that_is_not_stated_is_not_sent_and_the_page_says_so(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    ada = as_("ada")
    assert submit(ada, name="left-to-the-cloud", type="").status_code == 302
    creation = Creation.objects.get()
    assert creation.type == ""
    run_worker()
    page = ada.get(creation.get_absolute_url())
    assert "Not stated: the cloud decides" in words(page)
    again = re.search(r'href="(/clusters/new/[^"]+)"', body(page))
    assert again
    assert 'value="" id="id_type_2"' in body(ada.get(again[1].replace("&amp;", "&")))
    assert re.search(r'name="type" value=""[^>]* checked', body(ada.get(again[1].replace("&amp;", "&"))))


def test_the_preview_of_a_type_that_is_not_stated_has_none(
    people: People, projects: Projects, as_: SignIn
) -> None:
    live = as_("ada").get(NEW, {"name": "a", "type": ""}, headers=HTMX)
    assert "&quot;type&quot;" not in part(body(live), "sent-json")


def test_the_project_that_a_person_used_last_is_chosen(
    people: People, projects: Projects, as_: SignIn
) -> None:
    second = Project.objects.create(
        name="a-first-one", team=people.vision, endpoint=projects.vision.endpoint, project_id="f" * 32
    )
    ada = as_("ada")
    assert chosen(body(ada.get(NEW))) == "a-first-one · Vision"
    submit_creation(people.ada, projects.vision)
    assert chosen(body(ada.get(NEW))) == "vision-cn-southwest-2 · Vision · last used"
    submit_creation(people.ada, second, "another")
    assert chosen(body(ada.get(NEW))) == "a-first-one · Vision · last used"


@pytest.mark.parametrize(
    ("trouble", "words_of_it"), [("list", "lists unavailable"), ("calls", "calls paused")]
)
def test_a_project_that_works_comes_before_one_that_does_not_and_that_one_is_marked(
    people: People, projects: Projects, as_: SignIn, trouble: str, words_of_it: str
) -> None:
    broken = Project.objects.create(
        name="a-broken-one", team=people.vision, endpoint=projects.vision.endpoint, project_id="f" * 32
    )
    now = timezone.now()
    if trouble == "list":
        ClusterListing.objects.create(project=broken, type="HPS", failed_at=now)
    else:
        Project.objects.filter(pk=broken.pk).update(blocked_until=now + timedelta(minutes=4))
    page = body(as_("ada").get(NEW))
    assert chosen(page) == "vision-cn-southwest-2 · Vision"
    assert f"a-broken-one · Vision · {words_of_it}" in page


def test_the_rules_of_names_stand_there_before_anything_is_typed(
    people: People, projects: Projects, as_: SignIn
) -> None:
    Team.objects.filter(pk=people.vision.pk).update(name_pattern="train-*")
    page = words(as_("ada").get(NEW))
    assert "1–64 letters (A–Z, a–z), digits, “-”, “_” or “.” · Vision's names look like train-*" in page


def test_problems_come_first_and_the_preview_names_the_first(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    run_worker()
    Project.objects.filter(pk=projects.vision.pk).update(quota=1)
    live = as_("ada").get(NEW, {"name": "taken", "type": "HPS"}, headers=HTMX)
    text = words(live)
    order = (
        "2 things to fix",
        "taken already exists",
        "Project quota: 1 of 1 used",
        "You can create in Vision",
    )
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    assert "Would not be sent now." in text
    free = words(as_("ada").get(NEW, {"name": "free", "type": "HPS"}, headers=HTMX))
    assert "Would not be sent now." in free
    assert "Delete a cluster, or ask a platform admin for more." in free


def test_each_check_has_its_proof(people: People, projects: Projects, cloud: Cloud, as_: SignIn) -> None:
    run_worker()
    heartbeat.beat("busy")
    text = words(as_("ada").get(NEW, {"name": "free", "type": "HPS"}, headers=HTMX))
    for sentence in (
        "Ready",
        "You can create in Vision Creator, no end date",
        "free is available Checked just now",
        "The cloud answers Lists read just now",
        "Available (checked just now",
    ):
        assert sentence in text


def test_a_missing_reason_is_something_to_fix_only_where_the_team_asks_for_one(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    ada = as_("ada")
    assert "asks for a reason" not in words(ada.get(NEW, {"name": "a"}))
    Team.objects.filter(pk=people.vision.pk).update(reason_required=True)
    assert "Would not be sent now." in words(ada.get(NEW, {"name": "a"}))
    assert "Would not be sent" not in words(ada.get(NEW, {"name": "a", "reason": "x"}))


def test_the_page_has_the_vendor_s_words_and_pages_in_both_languages(
    people: People, projects: Projects, as_: SignIn
) -> None:
    ada = as_("ada")
    english = body(ada.get(NEW))
    assert "https://support.huaweicloud.com/intl/en-us/api-modelarts/CreateHyperCluster.html" in english
    assert "if something is missing in the cloud" in english
    chinese = body(ada.get(NEW, headers={"Accept-Language": "zh-hans"}))
    assert "https://support.huaweicloud.com/api-modelarts/CreateHyperCluster.html" in chinese
