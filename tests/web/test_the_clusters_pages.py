"""Everybody finds the clusters of their teams, how old the list is, and one cluster's page."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from operator import attrgetter
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from hyperclusters.audit.models import DenialWindow
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Deletion
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation
from tests.web.pages import HTMX, NEW, PAYLOADS, SignIn, body, holds_markup, main, submit, words

pytestmark = pytest.mark.any_database

LIST = "/clusters/"
SUBNET = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"


@pytest.fixture
def fleet(people: People, projects: Projects, cloud: Cloud) -> dict[str, Cluster]:
    """Two made here, one with a node in it outside, one gone, and one of another team."""
    vision = projects.vision.project_id
    submit_creation(people.ada, projects.vision, "ada-hps")
    submit_creation(people.tom, projects.vision, "tom-ecs", type="ECS", subnet_id=SUBNET)
    submit_creation(people.mallory, projects.speech, "secret-of-speech")
    outside = cloud.simulator.add_cluster(vision, "outside-hps")
    cloud.simulator.add_hyperinstance(vision, "=node-1", outside.id)
    cloud.simulator.add_cluster(vision, "gone-hps")
    run_worker()
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    Cluster.objects.filter(name="gone-hps").update(gone_at=timezone.now())
    return {cluster.name: cluster for cluster in Cluster.objects.all()}


def main_markup(answer: Any) -> str:
    return body(answer).partition("<main")[2]


def names(text: str) -> list[str]:
    """The clusters of a list, in its order."""
    return re.findall(r'<a class="name" href="/clusters/[0-9a-f-]+/">([^<]+)</a>', text)


def test_everything_of_one_s_teams_is_listed_with_all_that_is_known(
    fleet: dict[str, Cluster], as_: SignIn
) -> None:
    answer = as_("vera").get(LIST)
    page, text = body(answer), words(answer)
    assert sorted(names(page)) == ["ada-hps", "outside-hps", "tom-ecs"]
    for cluster in fleet.values():
        if cluster.name in names(page):
            assert cluster.cluster_id in text
            assert all(network.subnet_id in text for network in cluster.networks.all())
    assert "3 clusters in Vision · vision-cn-southwest-2" in text
    for word in ("Created elsewhere", "default", "ada", "tom", "1 inside"):
        assert word in text


SEARCHES = [
    ("q=ADA-H", ["ada-hps"]),
    ("q=hps", ["ada-hps", "outside-hps"]),
    (f"q={SUBNET}", ["tom-ecs"]),
    (f"q={SUBNET[4:14].upper()}", ["tom-ecs"]),
    ("q=%20ada-h%20", ["ada-hps"]),
    ("q=no-such", []),
    ("q=%25", []),
    ("q=_", []),
    ("q=secret", []),
    ("type=ECS", ["tom-ecs"]),
    ("by=ada", ["ada-hps"]),
    ("owner=ada", ["ada-hps"]),
    ("mine=1", ["ada-hps"]),
    ("mine=1&type=ECS", []),
    ("origin=outside", ["outside-hps"]),
    ("origin=here&type=HPS", ["ada-hps"]),
    ("gone=1", ["gone-hps"]),
    ("empty=yes", ["ada-hps"]),
    ("empty=no", ["outside-hps"]),
    ("project=vision-cn-southwest-2&sort=", ["ada-hps", "outside-hps", "tom-ecs"]),
    ("team=vision", ["ada-hps", "outside-hps", "tom-ecs"]),
]


def test_searching_and_filtering_live_in_the_address(fleet: dict[str, Cluster], as_: SignIn) -> None:
    ada = as_("ada")
    pages = {query: body(ada.get(f"{LIST}?{query}")) for query, _ in SEARCHES}
    assert {query: sorted(names(page)) for query, page in pages.items()} == dict(SEARCHES)
    for page in pages.values():
        assert "secret-of-speech" not in page
        assert "mallory" not in page


# Each of them, and how the page names it. Foreign values look like those that do not exist.
UNKNOWN = [
    ("foo=1", "Unknown filter: foo"),
    ("Type=HPS", "Unknown filter: Type"),
    ("state=gone", "Unknown filter: state"),
    ("owner=mallory", "Unknown value of the filter owner: mallory"),
    ("by=mallory", "Unknown value of the filter by: mallory"),
    ("team=speech", "Unknown value of the filter team: speech"),
    ("team=nowhere", "Unknown value of the filter team: nowhere"),
    ("empty=perhaps", "Unknown value of the filter empty: perhaps"),
    ("type=HPS&type=hps", "Unknown value of the filter type: hps"),
    ("sort=-password", "Unknown value of the filter sort: -password"),
    ("mine=2&gone=2", "Unknown value of the filter gone: 2"),
    ("team=%00", "Unknown value of the filter team: \N{REPLACEMENT CHARACTER}"),
]


@pytest.mark.parametrize("path", ["", "clusters.csv", "clusters.json"])
def test_an_unknown_filter_or_value_is_refused_and_named(
    path: str, fleet: dict[str, Cluster], as_: SignIn
) -> None:
    ada = as_("ada")
    for query, sentence in UNKNOWN if not path else UNKNOWN[:3]:
        answer = ada.get(f"{LIST}{path}?{query}")
        assert (answer.status_code, names(body(answer))) == (400, []), query
        assert sentence in words(answer)
        assert f'href="{LIST}"' in body(answer)
    assert events(action="cluster:list:exported") == []


def test_the_views_count_and_mine_is_what_one_owns_or_created(fleet: dict[str, Cluster], as_: SignIn) -> None:
    handed_over, taken_over = fleet["ada-hps"], fleet["outside-hps"]
    Cluster.objects.filter(pk=handed_over.pk).update(owner=taken_over.owner)
    Cluster.objects.filter(pk=taken_over.pk).update(owner=fleet["ada-hps"].owner)
    page = as_("ada").get(LIST)
    assert "All 3 Mine 2 Created elsewhere 1 Empty 1" in words(page)
    assert sorted(names(body(as_("ada").get(f"{LIST}?mine=1")))) == ["ada-hps", "outside-hps"]
    assert re.findall(r'<a href="([^"]+)" aria-current="true">Mine', body(as_("ada").get(f"{LIST}?mine=1")))


SORTED = ["name", "id", "network", "inside", "owner", "project", "newest"]


def test_every_column_sorts_both_ways_and_says_so(fleet: dict[str, Cluster], as_: SignIn) -> None:
    olga = as_("olga")
    for name in SORTED:
        other = "oldest" if name == "newest" else f"-{name}"
        first, second = (body(olga.get(f"{LIST}?sort={sort}")) for sort in (name, other))
        assert sorted(names(first)) == sorted(names(second))
        assert (first.count("aria-sort"), second.count("aria-sort")) == (1, 1), name
    for name, key in (("id", "cluster_id"), ("project", "project.name")):
        values = [attrgetter(key)(fleet[each]) for each in names(body(olga.get(f"{LIST}?sort={name}")))]
        assert values == sorted(values)
    assert names(body(olga.get(f"{LIST}?sort=-inside&type=HPS&team=vision"))) == ["outside-hps", "ada-hps"]
    for name, count in (("ada-hps", 900), ("outside-hps", None)):  # one has only the first of many in its row
        inside = (fleet["outside-hps"].inside or []) * 200
        Cluster.objects.filter(name=name).update(inside=inside, inside_count=count)
    assert names(body(olga.get(f"{LIST}?sort=-inside&type=HPS&team=vision"))) == ["ada-hps", "outside-hps"]


def test_creations_under_way_stand_above_the_clusters_until_they_are_settled(
    fleet: dict[str, Cluster], people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.tom, projects.vision, "just-now")
    submit_creation(people.mallory, projects.speech, "theirs")
    vera = as_("vera")
    page = body(vera.get(LIST))
    (row,) = re.findall(r'<tr class="under-way".*?</tr>', page, flags=re.DOTALL)
    assert f'href="{creation.get_absolute_url()}"' in row
    assert "Waiting Not sent yet" in words(vera.get(LIST))
    assert page.index("just-now") < page.index("ada-hps")
    assert 'hx-select="#rows"' in page  # asks again by itself
    for query, is_there in (
        ("q=just", True), ("mine=1", False), ("owner=tom", True), ("by=tom", True), ("type=ECS", False),
        ("gone=1", False), ("empty=yes", False), ("origin=outside", False), ("origin=here", True), ("page=2", True),
    ):  # fmt: skip
        assert ("just-now" in body(vera.get(f"{LIST}?{query}"))) is is_there, query
    run_worker_again(creation)
    page = body(vera.get(LIST))
    assert 'class="under-way"' not in page
    assert "just-now" in names(page)


def test_many_creations_under_way_leave_room_for_the_clusters(
    fleet: dict[str, Cluster], people: People, projects: Projects, as_: SignIn
) -> None:
    Creation.objects.bulk_create(
        Creation(
            project=projects.vision, name=f"many-{n}", type="HPS", requested_by=people.tom, token=uuid4()
        )
        for n in range(25)
    )
    page = as_("vera").get(LIST)
    assert body(page).count('<tr class="under-way" data-state') == 20
    assert "All creations under way" in words(page)
    assert "ada-hps" in names(body(page))


def selection(*clusters: Cluster) -> str:
    return "selected=1" + "".join(f"&cluster={cluster.pk}" for cluster in clusters)


def test_exactly_the_selected_clusters_are_exported(fleet: dict[str, Cluster], as_: SignIn) -> None:
    ada = as_("ada")
    both = selection(fleet["ada-hps"], fleet["gone-hps"])
    found = ada.get(f"{LIST}clusters.json?{both}&q=tom&sort=name").json()["clusters"]
    assert [each["name"] for each in found] == ["ada-hps", "gone-hps"]
    assert "ada-hps" in ada.get(f"{LIST}clusters.csv?{both}").content.decode()
    every = ada.get(f"{LIST}clusters.json?{both}&all=1&type=HPS").json()["clusters"]
    assert sorted(each["name"] for each in every) == ["ada-hps", "outside-hps"]
    noted: Any = events(action="cluster:list:exported")[0].after
    assert noted["count"] == 2
    assert fleet["gone-hps"].cluster_id in noted["filters"]["cluster"]


def test_the_list_of_the_selected_counts_them_alone(fleet: dict[str, Cluster], as_: SignIn) -> None:
    assert "1 cluster in Vision" in words(as_("vera").get(f"{LIST}?{selection(fleet['ada-hps'])}"))


def test_nothing_selected_exports_nothing_and_a_foreign_cluster_looks_absent(
    fleet: dict[str, Cluster], as_: SignIn
) -> None:
    ada = as_("ada")
    for path in ("clusters.csv", "clusters.json", "owners/"):
        assert ada.get(f"{LIST}{path}?selected=1")["Location"] == LIST
        filtered = ada.get(f"{LIST}{path}?selected=1&type=HPS&sort=-name")
        assert filtered["Location"] == f"{LIST}?type=HPS&sort=-name"
        assert "Select at least one cluster first." in words(ada.get(LIST))
        foreign = f"{selection(fleet['ada-hps'], fleet['secret-of-speech'])}"
        assert ada.get(f"{LIST}{path}?{foreign}").status_code == 404
        assert ada.get(f"{LIST}{path}?selected=1&cluster=x").status_code == 404
    assert events(action="cluster:list:exported") == []


def test_too_many_selected_leads_back_to_the_same_list(
    fleet: dict[str, Cluster], as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperclusters.web.clusters.views.owners.MOST", 1)
    tom = as_("tom")
    assert tom.get(f"{LIST}owners/?selected=1&all=1&type=HPS")["Location"] == f"{LIST}?type=HPS"
    assert "Select at most 1 clusters at once." in words(tom.get(f"{LIST}?type=HPS"))


def post_owners(browser: Browser, clusters: list[Cluster], **typed: str) -> Any:
    return browser.post(f"{LIST}owners/", typed | {"cluster": [str(cluster.pk) for cluster in clusters]})


def test_an_admin_sets_the_owner_of_several_clusters_with_an_event_each(
    fleet: dict[str, Cluster], as_: SignIn
) -> None:
    tom, both = as_("tom"), [fleet["ada-hps"], fleet["outside-hps"]]
    form = tom.get(f"{LIST}owners/?{selection(*both)}")
    assert body(form).count('name="cluster"') == 2
    assert post_owners(tom, both, person="vera", reason="moves").status_code == 302
    assert "vera owns 2 more clusters now." in words(tom.get(LIST))
    assert {event.object_id for event in events(action="cluster:owner:changed")} == {
        str(cluster.pk) for cluster in both
    }
    assert Cluster.objects.filter(owner__username="vera").count() == 2


def test_refused_hand_overs_are_named_and_the_others_are_done(fleet: dict[str, Cluster], as_: SignIn) -> None:
    ada, hers, toms = as_("ada"), fleet["ada-hps"], fleet["tom-ecs"]
    form = ada.get(f"{LIST}owners/?{selection(hers, toms)}")
    assert "You can't hand over 1 of them" in words(form)
    answer = post_owners(ada, [hers, toms], person="vera", reason="moves")
    assert answer.status_code == 422
    assert "tom-ecs : Only its owner or an admin of its team may hand it over." in words(answer)
    assert "vera owns 1 more cluster now." in words(answer)
    assert [event.object_name for event in events(action="cluster:owner:changed")] == ["ada-hps"]
    assert len(events(action="cluster:owner:refused")) == 1
    nobody = post_owners(as_("tom"), [toms], person="mallory", reason="")
    assert "tom-ecs : Enter a reason" in words(nobody)
    assert Cluster.objects.get(pk=toms.pk).owner.username == "tom"  # type: ignore[union-attr]
    assert post_owners(ada, [fleet["secret-of-speech"]], person="ada", reason="x").status_code == 404


def test_the_form_for_many_clusters_needs_no_query_for_each(
    people: People, projects: Projects, as_: SignIn
) -> None:
    ada, now = as_("ada"), timezone.now()
    facts: dict[str, Any] = {"project": projects.vision, "type": "HPS", "found_at": now, "seen_at": now}
    clusters = [
        Cluster.objects.create(cluster_id=str(uuid4()), name=f"many-{number}", owner=people.ada, **facts)
        for number in range(9)
    ]

    def queries(some: list[Cluster]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(f"{LIST}owners/?{selection(*some)}").status_code == 200
        return len(captured)

    queries(clusters)  # what is read once only
    assert queries(clusters) == queries(clusters[:2])


def test_ids_are_whole_in_the_text_of_a_list(fleet: dict[str, Cluster], as_: SignIn) -> None:
    text = re.sub(r"<[^>]+>", "", body(as_("vera").get(LIST)))
    for cluster in fleet.values():
        assert (cluster.cluster_id in text) is (cluster.name in text)
    assert SUBNET in text


def test_the_column_of_the_project_is_drawn_for_several_projects_alone(
    fleet: dict[str, Cluster], as_: SignIn
) -> None:
    assert "sort=project" not in body(as_("vera").get(LIST))
    page = as_("olga").get(LIST)
    assert "sort=project" in body(page)
    assert "4 clusters in 2 teams" in words(page)


def test_a_cluster_is_found_by_its_id_and_the_auditor_finds_every_team_s(
    fleet: dict[str, Cluster], as_: SignIn
) -> None:
    theirs = fleet["secret-of-speech"].cluster_id
    assert names(body(as_("ada").get(f"{LIST}?q={theirs}"))) == []
    olga = as_("olga")
    assert names(body(olga.get(f"{LIST}?q={theirs[:13]}"))) == ["secret-of-speech"]
    assert len(names(body(olga.get(LIST)))) == 4
    assert names(body(olga.get(f"{LIST}?team=speech"))) == ["secret-of-speech"]


def test_the_list_sorts_by_name(fleet: dict[str, Cluster], as_: SignIn) -> None:
    ada = as_("ada")
    up, down = (names(body(ada.get(f"{LIST}?sort={sort}"))) for sort in ("name", "-name"))
    assert up == down[::-1] == ["ada-hps", "outside-hps", "tom-ecs"]


def test_the_list_sorts_by_age(fleet: dict[str, Cluster], as_: SignIn) -> None:
    ada = as_("ada")
    newest, oldest = (names(body(ada.get(f"{LIST}?sort={sort}"))) for sort in ("newest", "oldest"))
    assert newest == oldest[::-1] == names(body(ada.get(LIST)))


def test_a_file_holds_exactly_what_the_list_shows(
    fleet: dict[str, Cluster], as_: SignIn, settings: Settings
) -> None:
    settings.EXPORTS_PER_MINUTE = settings.SEARCHES_PER_MINUTE = 0
    ada = as_("ada")
    for query, expected in SEARCHES:
        told = ada.get(f"{LIST}clusters.json?{query}").json()["clusters"]
        assert sorted(each["name"] for each in told) == expected, query
        sheet = list(
            csv.DictReader(io.StringIO(ada.get(f"{LIST}clusters.csv?{query}").content.decode("utf-8-sig")))
        )
        assert [each["cluster_id"] for each in sheet] == [each["cluster_id"] for each in told], query


def test_a_file_says_all_that_is_known_of_a_cluster(fleet: dict[str, Cluster], as_: SignIn) -> None:
    cluster = fleet["tom-ecs"]
    (told,) = as_("vera").get(f"{LIST}clusters.json?q=tom-ecs").json()["clusters"]
    assert cluster.creation is not None
    assert told == {
        "name": "tom-ecs",
        "cluster_id": cluster.cluster_id,
        "type": "ECS",
        "types": ["ECS"],
        "networks": [{"hyper_cluster_subnet_id": SUBNET, "is_default": False}],
        "team": "Vision",
        "project": "vision-cn-southwest-2",
        "made_by": "tom",
        "claimed_for": "",
        "claimed_by": "",
        "claimed_at": None,
        "owner": "tom",
        "locked_at": None,
        "locked_by": "",
        "lock_reason": "",
        "since": cluster.creation.requested_at.isoformat(),
        "gone_since": None,
        "inside": None,
        "inside_count": None,
        "inside_checked_at": None,
        "empty_since": None,
    }


def test_a_file_says_what_is_inside(fleet: dict[str, Cluster], as_: SignIn) -> None:
    vera = as_("vera")
    told = {each["name"]: each for each in vera.get(f"{LIST}clusters.json?type=HPS").json()["clusters"]}
    (node,) = told["outside-hps"]["inside"]
    assert (node["kind"], node["name"], node["status"]) == ("supernode", "=node-1", "ACTIVE")
    assert told["outside-hps"]["empty_since"] is None
    empty = told["ada-hps"]
    assert (empty["inside"], empty["empty_since"]) == ([], fleet["ada-hps"].empty_since.isoformat())  # type: ignore[union-attr]
    assert empty["inside_checked_at"] == told["outside-hps"]["inside_checked_at"] >= empty["empty_since"]
    text = vera.get(f"{LIST}clusters.csv?type=HPS").content.decode("utf-8-sig")
    sheet = {each["name"]: each["inside"] for each in csv.DictReader(io.StringIO(text))}
    assert sheet == {"outside-hps": "'=node-1", "ada-hps": "nothing"}


def test_a_spreadsheet_takes_no_name_for_a_formula(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "-2")
    run_worker()
    text = as_("ada").get(f"{LIST}clusters.csv").content.decode("utf-8-sig")
    assert text.splitlines()[1].startswith('"\'-2",')
    assert as_("ada").get(f"{LIST}clusters.json").json()["clusters"][0]["name"] == "-2"


def test_g19_taking_the_list_out_is_one_event(fleet: dict[str, Cluster], as_: SignIn) -> None:
    as_("vera").get(f"{LIST}clusters.csv?type=ECS&sort=name&q=")
    (event,) = events(action="cluster:list:exported")
    assert event.person_name == "vera"
    assert event.after == {"format": "csv", "filters": {"type": "ECS"}, "count": 1}


ODD = [
    "page=zzz",
    "page=0",
    "page=-1",
    "page=99999999999999999999",
    "page=",
    "q=%00",
    "q=a%00b",
    "q=%ff%fe",
    "q=" + "a" * 3000,
    "q=%F0%9F%9A%80&q=twice",
]
# The lists of clusters and creations refuse these; the audit leaves them out.
MISTYPED = [
    "before=x&after=y",
    "before=0",
    "after=99999999999999999999",
    "sort=project__sealed_credentials",
    "sort=pk;drop",
    "type=<script>",
    "team=zzz&by=&origin=x&gone=maybe&state=zzz&outcome=zzz&action=zzz",
    "q=a%00b&person=%00&team=%00&by=%00",
    "page__in=1&name__regex=(a%2B)%2B$&project__team=2",
]


@pytest.mark.parametrize("path", [LIST, "/creations/", "/audit/"])
def test_an_odd_address_gives_a_page(path: str, people: People, projects: Projects, as_: SignIn) -> None:
    tom = as_("tom")
    for query in ODD + MISTYPED:
        answer = tom.get(f"{path}?{query}")
        is_refused = query in MISTYPED and path != "/audit/"
        assert answer.status_code == (400 if is_refused else 200), query
        assert "<script>" not in body(answer).partition("<main")[2]


def test_paging_shows_every_cluster_exactly_once(people: People, projects: Projects, as_: SignIn) -> None:
    now = timezone.now()
    Cluster.objects.bulk_create(
        Cluster(
            project=projects.vision, cluster_id=f"c-{n}", name="same", type="HPS", found_at=now, seen_at=now
        )
        for n in range(120)
    )
    ada = as_("ada")
    seen = [re.findall(r'class="id">(c-\d+)<', body(ada.get(f"{LIST}?page={page}"))) for page in (1, 2, 3)]
    assert [len(rows) for rows in seen] == [50, 50, 20]
    assert len({row for rows in seen for row in rows}) == 120


def test_htmx_gets_the_list_alone_and_a_page_out_of_the_history_is_whole(
    fleet: dict[str, Cluster], as_: SignIn
) -> None:
    ada = as_("ada")
    fragment = ada.get(f"{LIST}?q=ada-h", headers=HTMX)
    assert body(fragment).lstrip().startswith('<div id="list"')
    assert names(body(fragment)) == ["ada-hps"]
    assert "HX-Request" in fragment["Vary"]
    whole = ada.get(LIST, headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert "<!DOCTYPE html>" in body(whole)
    assert "HX-Request" in ada.get(LIST)["Vary"]


def test_a_refresh_asks_the_worker_and_calls_nobody_itself(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    run_worker()
    before = len(cloud.simulator.journal())
    cluster = cloud.simulator.add_cluster(projects.vision.project_id, "brand-new")
    vera = as_("vera")
    assert vera.post("/clusters/refresh/")["Location"] == LIST
    fragment = vera.post("/clusters/refresh/?q=new", headers=HTMX)
    assert 'hx-get="/clusters/' in body(fragment)  # asks again by itself until the lists are there
    assert len(cloud.simulator.journal()) == before
    assert cluster.id not in words(vera.get(LIST))
    run_worker()
    assert cluster.id in words(vera.get(LIST))
    assert len(events(action="cluster:list:refresh-asked", person_name="vera")) == 2


def test_a_refresh_is_a_post_and_somebody_without_projects_is_told(people: People, as_: SignIn) -> None:
    assert as_("ada").get("/clusters/refresh/")["Location"] == "/clusters/"
    nina = as_("nina")
    nina.post("/clusters/refresh/")
    assert "There is no project to refresh." in words(nina.get(LIST))
    assert events(action="cluster:list:refresh-asked") == []


def test_g17_a_cloud_that_does_not_answer_leaves_the_last_known_list_and_says_so(
    fleet: dict[str, Cluster], cloud: Cloud, as_: SignIn
) -> None:
    ada = as_("ada")
    with cloud.simulator.refuse_connections():
        ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        run_worker()
        answer = ada.get(LIST)
    assert sorted(names(body(answer))) == ["ada-hps", "outside-hps", "tom-ecs"]
    text = words(answer)
    assert "2 of 2 lists failing" in text
    assert "HPS list unavailable: data from" in text
    assert "The lists of vision-cn-southwest-2 can't be read The cloud could not be reached" in text
    assert "1 inside as of just now" in text
    page = words(ada.get(Cluster.objects.get(name="ada-hps").get_absolute_url()))
    assert "The HPS list of vision-cn-southwest-2 can't be read" in page
    assert "This cluster is shown as it was" in page


def test_an_empty_list_says_what_would_be_here_and_how_to_get_it(
    people: People, projects: Projects, as_: SignIn
) -> None:
    assert "Clusters of your teams appear here" in words(as_("ada").get(LIST))
    assert "You have no access to a team yet" in words(as_("nina").get(LIST))
    assert "Your role shows no clusters" in words(as_("root").get(LIST))
    assert "No matching clusters" in words(as_("ada").get(f"{LIST}?q=x"))
    for name in ("ada", "nina", "root"):
        assert main_markup(as_(name).get(LIST)).count("btn primary") == 1


def test_before_the_first_project_the_list_leads_a_platform_admin_to_the_steps_of_setting_up(
    people: People, as_: SignIn
) -> None:
    answer = as_("root").get(LIST)
    assert "The steps are on Home" in words(answer)
    assert "0 clusters" not in words(answer)


# One cluster.


def test_a_cluster_s_page_shows_where_it_came_from(fleet: dict[str, Cluster], as_: SignIn) -> None:
    vera = as_("vera")
    here, outside = (main(vera.get(fleet[name].get_absolute_url())) for name in ("tom-ecs", "outside-hps"))
    assert SUBNET in here
    assert "Created by tom" in here
    assert "Created elsewhere" in outside
    assert "we don't know who created it" in outside
    assert "Gone" in main(vera.get(fleet["gone-hps"].get_absolute_url()))


def test_a_cluster_s_audit_is_shown_to_who_may_read_the_audit(fleet: dict[str, Cluster], as_: SignIn) -> None:
    url = fleet["ada-hps"].get_absolute_url()
    for name, shown in (("tom", True), ("olga", True), ("ada", False), ("vera", False)):
        assert ("All events in the audit" in body(as_(name).get(url))) is shown


def test_an_odd_id_is_flagged(people: People, projects: Projects, cloud: Cloud, as_: SignIn) -> None:
    cloud.simulator.set(ids="odd")
    creation = submit_creation(people.ada, projects.vision)
    creation = run_worker_again(creation)
    page = main(as_("ada").get(creation.cluster.get_absolute_url()))
    assert "does not look as the vendor documents it" in page


# Deleting one.


def test_a_cluster_is_deleted_after_its_name_was_typed(
    fleet: dict[str, Cluster], cloud: Cloud, as_: SignIn
) -> None:
    ada, shown = as_("ada"), fleet["ada-hps"]
    answer = ada.post(f"{shown.get_absolute_url()}delete/", {"name": "ada-hps", "reason": "done with it"})
    assert answer["Location"] == shown.get_absolute_url()
    assert "DELETE" not in {
        entry.method for entry in cloud.simulator.journal()
    }  # nothing upstream in a request
    assert "Waiting to be deleted" in main(ada.get(shown.get_absolute_url()))
    run_worker()
    answer = ada.get(shown.get_absolute_url())
    assert "The cloud does not have this cluster any more." in main(answer)
    assert '<span class="state idle">Gone' in body(answer)  # as was wanted, so it is no alarm
    assert "ada-hps" not in names(body(ada.get(LIST)))
    assert shown.cluster_id not in {cluster.id for cluster in cloud.simulator.clusters()}
    lines = [event.action.rpartition(":")[2] for event in events(object_kind="deletion")]
    assert lines == ["requested", "sending", "succeeded"]
    assert events(action="cluster:delete:requested")[0].reason == "done with it"


def test_a_wrong_name_deletes_nothing(fleet: dict[str, Cluster], cloud: Cloud, as_: SignIn) -> None:
    ada, wrong = as_("ada"), ("", "ADA-HPS", "ada-hps ", "tom-ecs", "ada-hps\x00")
    for typed in wrong:
        answer = ada.post(f"{fleet['ada-hps'].get_absolute_url()}delete/", {"name": typed})
        assert answer.status_code == 422, ascii(typed)
        assert "Nothing was sent" in words(answer)
    run_worker()
    assert not Deletion.objects.exists()
    (event,) = events(action="cluster:delete:refused")
    assert event.evidence == "wrong_name_typed"
    assert DenialWindow.objects.get().count == len(wrong) - 1


def test_a_cluster_is_deleted_by_creators_of_its_team_alone(fleet: dict[str, Cluster], as_: SignIn) -> None:
    url = f"{fleet['ada-hps'].get_absolute_url()}delete/"
    for name, status in (("vera", 403), ("olga", 403), ("mallory", 404), ("root", 404), ("nina", 404)):
        assert as_(name).post(url, {"name": "ada-hps"}).status_code == status, name
        assert len(events(outcome="denied", person_name=name)) == (status == 403), name
    assert not Deletion.objects.exists()


def test_looking_at_a_cluster_s_page_with_a_get_deletes_nothing(
    fleet: dict[str, Cluster], as_: SignIn
) -> None:
    url = fleet["ada-hps"].get_absolute_url()
    assert as_("ada").get(f"{url}delete/?name=ada-hps").status_code == 200
    assert not Deletion.objects.exists()


# The form's live preview.


def test_the_preview_shows_the_very_bytes_and_only_the_fragment(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    query = {
        "project": projects.vision.name,
        "name": "to-be",
        "type": "ECS",
        "hyper_cluster_subnet_id": SUBNET,
    }
    answer = as_("ada").get(NEW, query, headers=HTMX)
    text = words(answer)
    assert "<!DOCTYPE" not in body(answer)
    assert f'{{"name": "to-be", "hyper_cluster_subnet_id": "{SUBNET}", "type": "ECS"}}' in text
    assert f"POST /v1/{projects.vision.project_id}/dev-servers/hyper-clusters" in text
    assert "Available (checked" in text or "Not checked" in text
    assert "HX-Request" in answer["Vary"]
    assert cloud.simulator.journal() == []
    assert events(outcome="refused") == []  # typing is no attempt


WAYS = [
    ({"name": "a b"}, "Remove the space (position 2)."),
    ({"name": "ada-hps"}, "Already exists in this project"),
    ({"name": "waiting"}, "A creation of this name is not settled yet"),
    ({"name": "ok", "hyper_cluster_subnet_id": "X"}, "A subnet ID has no capital letters."),
    ({"name": ""}, "Shown once name and subnet are valid: exactly what will be sent."),
    ({"name": "a\x00b"}, "Remove U+0000 (position 2)."),
    ({"name": "ok", "project": "a\x00b"}, "Available (checked"),
    ({"name": "ok", "project": "speech-cn-north-9"}, "You can create in Vision"),
    ({"name": "ok", "type": "<b>"}, "Available (checked"),
]


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["while typing", "prefilled by the address"])
def test_the_preview_says_what_stands_in_the_way(
    headers: dict[str, str], fleet: dict[str, Cluster], people: People, projects: Projects, as_: SignIn
) -> None:
    submit_creation(people.tom, projects.vision, "waiting")
    ada = as_("ada")
    for query, text in WAYS:
        answer = ada.get(NEW, query, headers=headers)
        assert answer.status_code == 200, query
        assert text in words(answer), query
        assert "speech" not in words(answer).lower().replace("speech-cn-north-9", "")


def test_the_preview_knows_only_one_s_own_projects(
    fleet: dict[str, Cluster], projects: Projects, as_: SignIn
) -> None:
    answer = as_("ada").get(NEW, {"project": projects.speech.name, "name": "secret-of-speech"}, headers=HTMX)
    assert projects.speech.project_id not in body(answer)
    assert fleet["secret-of-speech"].get_absolute_url() not in body(answer)
    assert "Available (checked" in words(answer)


def test_a_right_that_ends_is_said_before_the_click(people: People, projects: Projects, as_: SignIn) -> None:
    people.ada.grants.update(until=timezone.now() + timedelta(days=3))
    assert "You can create in Vision Creator, access ends" in words(as_("ada").get(NEW))


def test_g31_what_is_typed_comes_back_as_text(people: People, projects: Projects, as_: SignIn) -> None:
    ada = as_("ada")
    for payload in PAYLOADS:
        fields = dict.fromkeys(("name", "reason", "hyper_cluster_subnet_id", "again_of", "project"), payload)
        answers = [
            ada.get(NEW, fields),
            ada.get(NEW, fields, headers=HTMX),
            submit(ada, **fields),
            ada.get(LIST, {"q": payload, payload: payload}),
            ada.get(f"/{payload}/"),
        ]
        for answer in answers:
            assert not holds_markup(body(answer)), payload
