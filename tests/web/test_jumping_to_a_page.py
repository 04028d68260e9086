"""A part of a name, or an ID, leads to the page of what it belongs to; and to nothing that one may not open."""

from __future__ import annotations

import re

import pytest

from hyperclusters.access.models import Grant
from hyperclusters.clusters.models import Cluster, Creation, Project
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation
from tests.web.pages import HTMX, SignIn, body, words

JUMP = "/jump/"


@pytest.fixture
def creations(people: People, projects: Projects, cloud: Cloud) -> dict[str, Creation]:
    """A cluster in each team, and a creation that the cloud refused."""
    names = {people.ada: "train-1", people.mallory: "secret-of-speech"}
    for person, name in names.items():
        submit_creation(person, projects.vision if person == people.ada else projects.speech, name)
    run_worker()
    cloud.simulator.set(quota=0)
    submit_creation(people.ada, projects.vision, "train-refused")
    run_worker()
    return {creation.name: creation for creation in Creation.objects.all()}


def found(as_: SignIn, who: str, text: str, headers: dict[str, str] | None = None) -> dict[str, str]:
    """The places that somebody is offered for this text: their addresses by what is said of them."""
    page = body(as_(who).get(JUMP, {"q": text}, headers=headers))
    places = page[page.index('class="found"') :]
    links = re.findall(r'<a href="([^"]+)"><svg.*?</svg>(.*?)</a>', places, re.DOTALL)
    return {re.sub(r"<[^>]+>", "", said).strip(): address for address, said in links}


def test_a_cluster_is_found_by_a_part_of_its_name_its_id_or_a_subnet_s(
    creations: dict[str, Creation], as_: SignIn
) -> None:
    cluster = Cluster.objects.get(name="train-1")
    place = {"train-1 HPS · Vision": cluster.get_absolute_url()}
    for text in ("RAIN-1", cluster.cluster_id, cluster.networks.all()[0].subnet_id[:13]):
        assert found(as_, "vera", text) == place, text


def test_a_creation_is_found_by_its_name_if_it_made_no_cluster_and_by_an_id_in_any_case(
    creations: dict[str, Creation], as_: SignIn
) -> None:
    refused, created = creations["train-refused"], creations["train-1"]
    place = {"train-refused Creation · Failed · Vision": refused.get_absolute_url()}
    assert found(as_, "ada", "refused") == place
    assert found(as_, "ada", refused.upstream_request_id) == place
    there = {"train-1 Creation · Created · Vision": created.get_absolute_url()}
    assert found(as_, "ada", str(created.pk)) == there
    assert found(as_, "ada", created.upstream_request_id) == there


def test_of_another_team_nothing_is_found_by_any_name_or_id(
    creations: dict[str, Creation], as_: SignIn
) -> None:
    foreign, project = creations["secret-of-speech"], Project.objects.get(team__slug="speech")
    cluster = Cluster.objects.get(name="secret-of-speech")
    texts = ["secret", "Speech", cluster.cluster_id, foreign.upstream_request_id, str(foreign.pk)]
    texts += [cluster.networks.all()[0].subnet_id, project.name, project.project_id]
    for who in ("ada", "vera", "nina"):
        for text in texts:
            assert found(as_, who, text) == {}, (who, text)
        nothing = words(as_(who).get(JUMP, {"q": "never-made"}))
        assert words(as_(who).get(JUMP, {"q": "secret"})) == nothing.replace("never-made", "secret")
    assert len(found(as_, "mallory", "secret")) == 1


def test_pages_teams_projects_and_the_audit_are_offered_to_whom_they_are_open(
    creations: dict[str, Creation], as_: SignIn
) -> None:
    assert "New cluster" in found(as_, "ada", "")
    assert found(as_, "ada", "projects") == {}
    assert found(as_, "vera", "new clus") == {}
    assert found(as_, "vera", "vision") == {"Vision Team": "/teams/vision/"}
    assert found(as_, "tom", "secret") == {"Search the audit for “secret”": "/audit/?q=secret"}
    assert found(as_, "root", "projects") == {"Projects": "/projects/"}
    project = Project.objects.get(team__slug="vision")
    assert found(as_, "root", project.project_id) == {f"{project.name} Project": f"/projects/{project.pk}/"}
    assert found(as_, "olga", "export") == {
        "Export Audit": "/audit/export/",
        "Search the audit for “export”": "/audit/?q=export",
    }
    assert "Alerts Audit" in found(as_, "olga", "alert")
    assert "Alerts Audit" not in found(as_, "tom", "alert")
    assert found(as_, "ada", "export") == {}
    assert found(as_, "olga", "a&b") == {"Search the audit for “a&amp;b”": "/audit/?q=a%26b"}


def test_a_person_is_found_by_who_gives_them_access_or_appoints(people: People, as_: SignIn) -> None:
    grant = Grant.objects.get(person=people.vera, team=people.vision)
    assert found(as_, "tom", "vera") == {
        "vera Viewer · Vision": f"/teams/vision/grants/{grant.pk}/",
        "Search the audit for “vera”": "/audit/?q=vera",
    }
    assert found(as_, "tom", "mallory") == {"Search the audit for “mallory”": "/audit/?q=mallory"}
    assert found(as_, "root", "vera") == {"vera Person": "/people/?q=vera"}
    assert found(as_, "ada", "vera") == {}


def test_without_scripts_it_is_a_page_and_for_htmx_the_part_that_changes(
    creations: dict[str, Creation], as_: SignIn
) -> None:
    assert found(as_, "ada", "train") == found(as_, "ada", "train", HTMX)
    part, page = as_("ada").get(JUMP, {"q": "train"}, headers=HTMX), as_("ada").get(JUMP, {"q": "train"})
    assert "<html" not in body(part)
    assert 'value="train"' in body(page)
    assert "HX-Request" in part.headers["Vary"]
    assert "HX-Request" in page.headers["Vary"]
    assert "Nothing that you may open has “nowhere”" in words(as_("ada").get(JUMP, {"q": "nowhere\0"}))
