"""A subnet is chosen by what it is: which clusters use it, of which types, default or not. No script is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hyperclusters.audit import clock
from hyperclusters.clusters.models import Cluster, Creation, Network, Project
from hyperclusters.clusters.subnets import known_subnets
from tests.conftest import Cloud, People, Projects, events, run_worker
from tests.web.pages import NEW, VISION, SignIn, body, fresh_token, holds_markup, main, value_of, words

pytestmark = pytest.mark.any_database

A, B, C = (f"{n}f1f6e1c-1d2c-4a5b-8c9d-0123456789ab" for n in "abc")


def add(project: Project, name: str, *subnets: str | tuple[str, bool | None], **fields: Any) -> Cluster:
    now = clock.now()
    values = {"cluster_id": f"id-{name}"[:64], "type": "HPS", "found_at": now, "seen_at": now} | fields
    cluster = Cluster.objects.create(project=project, name=name, **values)
    for subnet in subnets:
        subnet_id, is_default = subnet if isinstance(subnet, tuple) else (subnet, None)
        Network.objects.create(cluster=cluster, subnet_id=subnet_id, is_default=is_default)
    return cluster


def rows(page: Any) -> list[str]:
    """The rows of the list of subnets, as words."""
    found = re.search(r'id="subnets".*?(</details>|</p>\s*</div>)', body(page), re.DOTALL)
    items = re.findall(r"<li>(.*?)</li>", found[0], re.DOTALL) if found else []
    return [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in items]


def typed(token: str, **values: str) -> dict[str, str]:
    """The form with every field filled in."""
    return {
        "project": VISION, "name": "half-typed", "type": "ECS", "reason": "为什么 <b>", "token": token,
        "hyper_cluster_subnet_id": "",
    } | values  # fmt: skip


def test_each_subnet_says_which_clusters_use_it_their_types_and_whether_it_is_a_default(
    people: People, projects: Projects, as_: SignIn
) -> None:
    add(projects.vision, "train-a3", (A, True), B)
    add(projects.vision, "infer", (A, False), type="ECS")
    add(projects.vision, "old", C, gone_at=clock.now())
    add(projects.speech, "foreign", "d" + A[1:])
    page = as_("ada").get(NEW)
    first, a, b, c = rows(page)
    assert "Leave empty for the default network." in words(page)
    assert first == "Default network No subnet ID is sent"
    assert a == f"{A} infer, train-a3 HPS ECS default"
    assert b == f"{B} train-a3 HPS"
    assert re.fullmatch(rf"{C} no cluster now, last seen .*20\d\d.*", c)


def test_all_of_them_are_listed_and_a_search_reaches_what_a_page_leaves_out(
    people: People, projects: Projects, as_: SignIn
) -> None:
    ids = [f"{n:08x}-1d2c-4a5b-8c9d-0123456789ab" for n in range(510)]
    for start in (0, 300):
        add(projects.vision, f"many-{start}", *ids[start : start + 300])
    page = as_("ada").get(NEW)
    assert len(rows(page)) == 501
    assert "510 known subnets in this project" in words(page)
    assert "500 of 510 shown" in words(page)
    for subnet_id in (ids[0], ids[509]):
        assert rows(as_("ada").get(f"{NEW}?hyper_cluster_subnet_id={subnet_id[:12]}"))[0].startswith(
            subnet_id
        )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("train", [A]), ("TRAIN", [A]), (A[:9], [A]), (A[:9].upper(), [A]), (" infer ", [B]), ("6789ab", [A, B]), ("nothing", []),
        ("100%", []), ("_", []), ("<script>", []), ("é", []),
    ],
)  # fmt: skip
def test_a_part_of_an_id_or_of_a_cluster_s_name_finds_it(
    text: str, found: list[str], people: People, projects: Projects, as_: SignIn
) -> None:
    add(projects.vision, "train-a3", A)
    add(projects.vision, "infer", B, type="ECS")
    page = as_("ada").get(NEW, {"hyper_cluster_subnet_id": text})
    assert sorted(row[:36] for row in rows(page)) == found
    assert ("known subnets match" in words(page)) or len(found) == 1
    assert value_of(page, "hyper_cluster_subnet_id") == text
    assert not holds_markup(body(page))


def test_without_scripts_a_search_and_a_choice_keep_everything_that_was_typed(
    people: People, projects: Projects, as_: SignIn
) -> None:
    add(projects.vision, "train-a3", A)
    add(projects.vision, "infer", B)
    ada = as_("ada")
    token = fresh_token(ada)
    page = ada.post(NEW, typed(token, hyper_cluster_subnet_id="train", find="1"))
    assert (page.status_code, [row[:36] for row in rows(page)]) == (200, [A])
    assert value_of(page, "token") == token
    page = ada.post(NEW, typed(token, hyper_cluster_subnet_id="train", pick=A))
    assert value_of(page, "hyper_cluster_subnet_id") == A
    for name, value in typed(token).items():
        if name in ("name", "token"):
            assert value_of(page, name) == value
    assert "Used by train-a3 HPS" in words(page)
    assert "errors" not in main(page)
    assert not Creation.objects.exists()
    assert not [event for event in events() if event.action.startswith("cluster:create")]
    again = ada.get(NEW)  # after a language switch, say
    assert value_of(again, "hyper_cluster_subnet_id") in ("train", A)
    assert (
        value_of(ada.post(NEW, typed(token, hyper_cluster_subnet_id=A, pick="")), "hyper_cluster_subnet_id")
        == ""
    )
    assert ada.post(NEW, typed(token, hyper_cluster_subnet_id=A)).status_code == 302
    assert Creation.objects.get().subnet_id == A


def test_an_id_that_is_not_listed_can_be_typed(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    add(projects.vision, "train-a3", A)
    ada = as_("ada")
    page = ada.get(NEW, {"hyper_cluster_subnet_id": C})
    assert "No cluster of this project uses it, as far as we know." in words(page)
    assert [row[:36] for row in rows(page)][1:] == [A]
    assert ada.post(NEW, typed(fresh_token(ada), hyper_cluster_subnet_id=C)).status_code == 302
    assert Creation.objects.get().subnet_id == C


ODD: dict[str, tuple[str, bool]] = {
    "a name": ("by.name", False),
    "capitals": (A.upper(), True),
    "a UUID of another version": ("0190b2f4-7c1e-7abc-8def-0123456789ab", False),
    "dashes": ("--help", False),
    "64 characters": ("x" * 64, False),
}


@pytest.mark.parametrize("case", ODD)
def test_an_id_that_a_request_cannot_carry_is_listed_and_cannot_be_chosen(
    case: str, people: People, projects: Projects, as_: SignIn
) -> None:
    subnet_id, may_be_chosen = ODD[case]
    add(projects.vision, "odd", subnet_id)
    page = body(as_("ada").get(NEW))
    canonical = A if case == "capitals" else subnet_id
    assert canonical in page
    assert (f'name="pick" value="{canonical}"' in page) is may_be_chosen
    assert ("Not an ID that a request may carry." in page) is not may_be_chosen


def test_the_live_answer_has_the_list_only_when_it_is_another(
    people: People, projects: Projects, as_: SignIn
) -> None:
    add(projects.vision, "train-a3", A)
    ada = as_("ada")
    key = value_of(ada.get(NEW), "subnets_of")

    def live(**values: str) -> str:
        return body(
            ada.get(NEW, {"project": VISION, "subnets_of": key} | values, headers={"HX-Request": "true"})
        )

    assert 'id="subnets"' not in live(name="abc")
    assert 'id="subnets"' in live(hyper_cluster_subnet_id="tr")
    assert 'id="subnets"' in live(hyper_cluster_subnet_id=A)


@pytest.mark.parametrize("who", ["nina", "vera", "olga", "root", "mallory"])
def test_g24_nobody_else_learns_of_a_project_s_subnets(
    who: str, people: People, projects: Projects, as_: SignIn
) -> None:
    add(projects.vision, "train-a3", A)
    browser = as_(who)
    for values in (
        {"find": "1"},
        {"pick": A},
        {"project": VISION, "hyper_cluster_subnet_id": "train", "find": "1"},
    ):
        page = browser.post(NEW, typed("x") | values)
        assert "train-a3" not in body(page)
        assert "known subnet" not in body(page)
    assert not Creation.objects.exists()


def test_a_cluster_s_page_names_the_clusters_that_share_its_subnet(
    people: People, projects: Projects, as_: SignIn
) -> None:
    mine = add(projects.vision, "mine", (A, True), B)
    for n in range(5):
        add(projects.vision, f"other-{n}", A)
    add(projects.vision, "gone", A, gone_at=clock.now())
    add(projects.speech, "foreign", A)
    page = words(as_("ada").get(mine.get_absolute_url()))
    assert re.search(r"Also used by other-4 other-3 other-2 and 2 more", page)
    assert page.count("Also used by") == 1
    assert "foreign" not in page
    assert len(known_subnets(projects.vision)) == 2
    run_worker()
