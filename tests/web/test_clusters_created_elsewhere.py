"""Clusters created elsewhere: found, chosen together, and given an owner whom their team has."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.utils import timezone

from hyperclusters.access.models import Role
from hyperclusters.access.services import add_person, grant
from hyperclusters.clusters.models import Cluster, Network, Project, Review
from hyperclusters.clusters.suggestions import Ground, stem, suggest_owners
from hyperclusters.web.audit import elsewhere
from hyperclusters.web.audit.views import review
from tests.conftest import People, Projects, events
from tests.web.pages import SignIn, body, main, words

QUEUE, ALL = "/audit/review/?show=outside", "/audit/review/elsewhere/?show=outside"
Make = Callable[..., Cluster]


@pytest.fixture
def make(projects: Projects, people: People) -> Make:
    """Adds a cluster; with an owner it needs no other."""

    def cluster(name: str, project: Project = projects.vision, owner: str = "", subnet: str = "") -> Cluster:
        now = timezone.now()
        row = Cluster.objects.create(
            project=project, cluster_id=f"id-{name}", name=name, type="HPS", found_at=now, seen_at=now
        )
        if owner:
            row.owner = getattr(people, owner)
            row.save()
            Review.objects.create(
                cluster=row, judgement="claimed", claimed_for=row.owner, by=people.olga, at=now
            )
        if subnet:
            Network.objects.create(cluster=row, subnet_id=subnet)
        return row

    return cluster


def test_one_owner_and_one_reason_for_all_that_are_chosen(make: Make, people: People, as_: SignIn) -> None:
    chosen = [make(f"lab-{n}") for n in range(3)]
    rest, olga = make("another"), as_("olga")
    form = {"cluster": [str(each.pk) for each in chosen], "person": "ada", "reason": "hers", "act": "owner"}
    answer = olga.post(ALL, form, follow=True)
    assert "ada owns 3 clusters more." in words(answer)
    assert {each.owner for each in Cluster.objects.filter(name__startswith="lab")} == {people.ada}
    assert [event.reason for event in events(action="cluster:outside:claimed")] == ["hers"] * 3
    assert "another" in main(answer)
    kept = {"cluster": [str(rest.pk)], "person": "ada", "reason": "shared by all", "act": "keep"}
    assert "1 cluster stays without an owner." in words(olga.post(ALL, kept, follow=True))
    assert Cluster.objects.get(pk=rest.pk).owner is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"person": "nobody"}, "There is no person called nobody. Nothing was saved."),
        ({"person": "mallory"}, "mallory has no access to Vision. Nothing was saved."),
        ({"person": "", "reason": ""}, "Choose an owner, or enter a reason"),
        ({"act": "keep", "reason": ""}, "Choose an owner, or enter a reason"),
    ],
)
def test_all_or_none_and_what_was_chosen_and_typed_stays(
    changes: dict[str, str], text: str, make: Make, projects: Projects, people: People, as_: SignIn
) -> None:
    """Mallory belongs to the team of one of the two clusters."""
    chosen = [make("lab-1"), make("lab-2", projects.speech)]
    form = {"cluster": [str(each.pk) for each in chosen], "person": "ada", "reason": "why", "act": "owner"}
    answer = as_("olga").post(ALL, form | changes)
    assert answer.status_code == 422
    assert text in words(answer)
    assert len(re.findall(r'name="cluster" value="[^"]+" checked', body(answer))) == 2
    assert not Review.objects.exists()
    assert not events(action="cluster:outside:claimed")


def test_nothing_chosen_is_said_and_garbage_chooses_nothing(make: Make, as_: SignIn) -> None:
    make("lab-1")
    for chosen in ([], ["x", "' OR 1=1", "\x00"]):
        answer = as_("olga").post(ALL, {"cluster": chosen, "person": "ada"}, follow=True)
        assert "Choose at least one cluster. Nothing was saved." in words(answer)


def test_all_that_match_the_search_are_chosen_across_pages(
    make: Make, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "PAGE_SIZE", 2)
    for n in range(5):
        make(f"lab-{n}")
    make("another")
    page = as_("olga").get(f"{QUEUE}&q=lab")
    assert "All 5" in words(page)
    assert "another" not in main(page)
    answer = as_("olga").post(f"{ALL}&q=lab", {"all": "1", "person": "ada", "act": "owner"}, follow=True)
    assert "ada owns 5 clusters more." in words(answer)
    assert not Cluster.objects.get(name="another").owner


@pytest.mark.parametrize("changes", [{"person": "nobody"}, {"person": "ada", "act": "keep"}])
def test_all_stays_chosen_and_the_owner_typed_when_nothing_was_saved(
    changes: dict[str, str], make: Make, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "PAGE_SIZE", 2)
    for n in range(5):
        make(f"lab-{n}")
    answer = as_("olga").post(ALL, {"all": "1", "reason": "", "act": "owner"} | changes)
    assert answer.status_code == 422
    assert 'name="all" value="1" checked' in body(answer)
    assert f'value="{changes["person"]}" placeholder="Owner"' in body(answer)


@pytest.mark.parametrize("text", ["lab-1", "id-lab", "subnet-of-lab"])
def test_the_list_is_searched_by_name_id_and_subnet_and_filtered(
    text: str, make: Make, projects: Projects, as_: SignIn
) -> None:
    make("lab-1", subnet="the-subnet-of-lab-1")
    make("other", projects.speech)
    olga = as_("olga")
    assert (
        "lab-1" in main(olga.get(f"{QUEUE}&q={text}")),
        "other" in main(olga.get(f"{QUEUE}&q={text}")),
    ) == (
        True,
        False,
    )
    assert "lab-1" not in main(olga.get(f"{QUEUE}&team=speech"))
    assert "No matching clusters" in words(olga.get(f"{QUEUE}&q=nothing-like-this"))


def test_an_owner_is_suggested_by_subnet_before_name_from_the_own_team_and_with_access(
    make: Make, projects: Projects, people: People, as_: SignIn
) -> None:
    make("tts-gateway-1", owner="ada", subnet="s-1")
    make("tts-gateway-2", owner="tom", subnet="s-2")
    make("tts-gateway-3", owner="tom", subnet="s-3")
    make("elsewhere-1", projects.speech, owner="mallory", subnet="s-1")
    make("gone-1", owner="nina", subnet="s-4")  # has no access
    same_subnet = make("unlike", subnet="s-1")
    same_name = make("tts-gateway-106", subnet="s-9")
    none = [make("gone-2", subnet="s-4"), make("plain"), make("tts-gateway-7", projects.speech)]
    clusters = Cluster.objects.filter(pk__in=[each.pk for each in (same_subnet, same_name, *none)])
    got = suggest_owners(list(clusters.select_related("project").prefetch_related("networks")))
    assert got == {same_subnet.pk: ("ada", Ground.SUBNET), same_name.pk: ("tom", Ground.NAME)}
    page = body(as_("olga").get(QUEUE))
    assert "same subnet" in page
    as_("olga").post(
        f"/audit/review/{same_subnet.pk}/?show=outside", {"suggested": "ada", "person": "", "act": ""}
    )
    assert Cluster.objects.get(pk=same_subnet.pk).owner == people.ada


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tts-gateway-106", "tts-gateway"),
        ("pretrain.v4_046", "pretrain.v4"),
        ("lab", ""),
        ("a1", ""),
        ("7", ""),
    ],
)
def test_the_stem_of_a_series(name: str, expected: str) -> None:
    assert stem(name) == expected


def test_the_picker_offers_people_of_the_teams_on_the_page_and_not_too_many(
    make: Make, people: People, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("lab-1")
    page = body(as_("olga").get(QUEUE))
    assert '<option value="ada">Creator · Vision</option>' in page
    assert 'value="mallory"' not in page
    for n in range(6):
        person = add_person(username=f"many-{n}")
        grant(person=person, role=Role.VIEWER, team=people.vision, reason="x")
    monkeypatch.setattr(elsewhere, "PEOPLE", 4)
    assert len(elsewhere.people_for(Cluster.objects.select_related("project"))) == 4


def test_the_badge_of_the_review_counts_clusters_created_elsewhere(make: Make, as_: SignIn) -> None:
    make("lab-1")
    make("lab-2")
    assert 'class="n"' in body(as_("olga").get("/audit/"))
    make_count = words(as_("olga").get("/audit/")).partition("Review")[2].split()
    assert make_count[0] == "2"


def test_a_claim_is_changed_afterwards_on_the_page_of_the_cluster(
    make: Make, people: People, as_: SignIn
) -> None:
    cluster, olga = make("lab-1", owner="ada"), as_("olga")
    url = f"{cluster.get_absolute_url()}claim/"
    page = olga.get(cluster.get_absolute_url())
    assert "Change the claim" in main(page)
    assert set(re.findall(r'<option value="([^"]+)"', body(page))) == {"tom", "vera"}
    assert olga.post(url, {"person": "TOM", "reason": "his now"}).status_code == 302
    assert Cluster.objects.get().owner == people.tom
    assert "his now" in main(olga.get(cluster.get_absolute_url()))
    olga.post(url, {"person": "ada", "reason": "shared", "act": "keep"})
    assert (Cluster.objects.get().owner, Review.objects.get().judgement) == (None, "accepted")
    assert [event.reason for event in events() if event.action.startswith("cluster:outside:")] == [
        "his now",
        "shared",
    ]


@pytest.mark.parametrize("person", ["mallory", "nobody", "' OR 1=1", ""])
def test_a_claim_for_who_is_not_in_the_team_is_refused_and_stays_on_the_page(
    person: str, make: Make, people: People, as_: SignIn
) -> None:
    cluster = make("lab-1", owner="ada")
    answer = as_("olga").post(f"{cluster.get_absolute_url()}claim/", {"person": person})
    assert (answer.status_code, Cluster.objects.get().owner) == (422, people.ada)
    assert "Nothing was changed" in main(answer)


def test_only_auditors_change_a_claim_and_only_of_a_cluster_created_elsewhere(
    make: Make, people: People, as_: SignIn
) -> None:
    cluster = make("lab-1", owner="ada")
    for name, status in (("ada", 403), ("tom", 403), ("vera", 403), ("root", 404), ("mallory", 404)):
        browser = as_(name)
        assert browser.post(f"{cluster.get_absolute_url()}claim/", {"person": "tom"}).status_code == status
        assert "Change the claim" not in body(browser.get(cluster.get_absolute_url()))
    assert Cluster.objects.get().owner == people.ada
