"""What pages, API and delete form say of what is inside a cluster."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from hyperclusters.clusters.models import Cluster, ClusterListing, Deletion, Project
from tests.api.client import Api, issue
from tests.conftest import VISION_ID, Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import HTMX, SignIn, body, words

pytestmark = pytest.mark.any_database


def created(people: People, projects: Projects, name: str, kind: str = "HPS") -> Cluster:
    creation = submit_creation(people.ada, projects.vision, name, type=kind)
    run_worker()
    return Cluster.objects.get(creation=creation)


def refresh() -> None:
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    Project.objects.update(blocked_until=None)
    run_worker()


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """An HPS cluster with a supernode and a group inside."""
    cluster = created(people, projects, "doomed")
    cloud.simulator.add_hyperinstance(VISION_ID, "<b>node</b>", cluster.cluster_id, status="REIMAGING")
    cloud.simulator.add_group(VISION_ID, "pool-1", cluster.cluster_id)
    refresh()
    return cluster


def deletes(cloud: Cloud) -> int:
    return len([entry for entry in cloud.simulator.journal() if entry.call == "delete"])


def test_a_cluster_s_page_lists_what_is_inside(cluster: Cluster, as_: SignIn) -> None:
    page = as_("vera").get(cluster.get_absolute_url())
    for word in (
        "Inside",
        "<b>node</b>",
        "Supernode",
        "Being reinstalled",
        "pool-1",
        "Group",
        "Listed just now",
    ):
        assert word in words(page)
    assert "<b>node</b>" not in body(page)
    assert "Delete anyway" not in words(page)


def test_an_empty_cluster_says_since_when(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cluster = created(people, projects, "empty")
    refresh()
    Cluster.objects.update(empty_since=timezone.now() - timedelta(days=3, hours=1))
    ada = as_("ada")
    text = words(ada.get(cluster.get_absolute_url()))
    assert "ModelArts lists nothing inside. First seen empty 3 days ago" in text
    text = words(ada.get(f"{cluster.get_absolute_url()}delete/"))
    assert "Empty at the last check" in text
    assert "We check again right before sending. If the list can't be read, nothing is deleted." in text
    assert "Empty for 3 days" in words(ada.get("/clusters/"))


def test_what_was_never_listed_and_what_cannot_be_is_said(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("error", "groups", status=403)
    cluster = created(people, projects, "unknown")
    refresh()
    text = words(as_("tom").get(cluster.get_absolute_url()))
    assert "The last try to list this failed just now . The project's access key is not permitted" in text
    assert "Not listed yet." in text
    text = words(as_("tom").get(f"{cluster.get_absolute_url()}delete/"))
    assert "The last try to list what is inside failed just now" in text
    assert "What is inside is not known" in text
    assert "Empty at the last check" not in text
    ecs = created(people, projects, "servers", "ECS")
    text = words(as_("tom").get(ecs.get_absolute_url()))
    assert "ModelArts doesn't report this for ECS clusters." in text
    text = words(as_("tom").get(f"{ecs.get_absolute_url()}delete/"))
    assert "What is inside can't be checked" in text
    assert "Empty at the last check" not in text
    assert "ModelArts doesn't report what is inside an ECS cluster, so we can't check that." in text
    assert "Delete anyway" not in text


def test_a_failed_list_leaves_the_rows_with_their_age(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    ClusterListing.objects.update(inside_listed_at=timezone.now() - timedelta(minutes=5))
    cloud.simulator.fault("error", "hyperinstances", status=500)
    refresh()
    text = words(as_("vera").get(cluster.get_absolute_url()))
    for word in ("pool-1", "Listed 5 minutes ago", "The last try to list this failed just now"):
        assert word in text


def test_the_list_counts_what_is_inside(cluster: Cluster, as_: SignIn) -> None:
    assert "2 inside" in words(as_("vera").get("/clusters/"))


def test_g50_the_form_shows_what_is_inside_and_the_verdict_names_it(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    ada = as_("ada")
    text = words(ada.get(f"{cluster.get_absolute_url()}delete/"))
    assert "Can't be deleted yet Checked just now" in text
    assert "<b>node</b> · Supernode · Being reinstalled" in text
    assert "pool-1 · Group" in text
    ada.post(f"{cluster.get_absolute_url()}delete/", {"name": "doomed"})
    cloud.simulator.add_hyperinstance(VISION_ID, "late", cluster.cluster_id)
    run_worker()
    text = words(ada.get(cluster.get_absolute_url()))
    assert "Not deleted: nothing was sent" in text
    assert "Inside: <b>node</b> (supernode), late (supernode), pool-1 (group)." in text
    assert "Remove what is inside, then delete the cluster again." in text
    assert deletes(cloud) == 0


def test_a_settled_deletion_brings_the_forms_along(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    tom, url = as_("tom"), cluster.get_absolute_url()
    tom.post(f"{url}delete/", {"name": "doomed"})
    waiting = tom.get(url, headers=HTMX)
    assert '<div class="stack" id="deletion"' in body(waiting)
    assert "<form" not in body(waiting)
    assert "HX-Retarget" not in waiting
    run_worker()
    settled = tom.get(url, headers=HTMX | {"HX-Target": "deletion"})
    assert settled["HX-Retarget"] == "#cluster-page"
    assert body(settled).lstrip().startswith('<div class="stack" id="cluster-page">')
    assert "Inside: <b>node</b> (supernode)" in words(settled)
    assert f'href="{url}delete/"' in body(settled)
    assert "HX-Retarget" not in tom.get(url)
    assert "HX-Retarget" not in tom.get(url, headers=HTMX | {"HX-Target": "capacity"})


def test_a_deletion_that_succeeds_takes_the_forms_away(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    ada, url = as_("ada"), created(people, projects, "empty").get_absolute_url()
    ada.post(f"{url}delete/", {"name": "empty"})
    assert f"{url}lock/" in body(ada.get(url))
    run_worker()
    settled = ada.get(url, headers=HTMX | {"HX-Target": "deletion"})
    assert settled["HX-Retarget"] == "#cluster-page"
    assert "<form" not in body(settled)


def test_g48_a_page_with_forms_does_not_reload_itself_without_scripts(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    url = cluster.get_absolute_url()
    as_("ada").post(f"{url}delete/", {"name": "doomed"})
    refresh_link = f'<noscript><a class="btn" href="{url}">Refresh</a></noscript>'
    for name, has_forms in (("ada", True), ("tom", True), ("vera", False)):
        page = body(as_(name).get(url))
        assert ('http-equiv="refresh"' in page, refresh_link in page) == (not has_forms, has_forms), name
    run_worker()
    for name in ("ada", "vera"):
        page = body(as_(name).get(url))
        assert ('http-equiv="refresh"' in page, refresh_link in page) == (False, False), name


def test_g50_the_verdict_says_that_it_could_not_be_checked(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("error", "groups", status=403)
    ada = as_("ada")
    ada.post(f"{cluster.get_absolute_url()}delete/", {"name": "doomed"})
    run_worker()
    text = words(ada.get(cluster.get_absolute_url()))
    assert "We couldn't check what is inside the cluster, so we didn't send the deletion." in text
    assert "The project's access key is not permitted to make this call." in text
    assert deletes(cloud) == 0


def test_g50_only_an_admin_is_offered_the_override_and_must_say_why(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    url = f"{cluster.get_absolute_url()}delete/"
    wanted = {"name": "doomed", "override_inside": "1"}
    assert as_("ada").post(url, wanted | {"reason": "because"}).status_code == 403
    tom = as_("tom")
    assert "Delete anyway" in words(tom.get(url))
    assert "Delete anyway" not in words(as_("ada").get(url))
    refused = tom.post(url, wanted)
    assert (refused.status_code, Deletion.objects.count()) == (422, 0)
    assert "Enter a reason to override the check. Nothing was sent." in words(refused)
    assert re.search(r'id="override" open>.*name="override_inside".*value="doomed"', body(refused), re.DOTALL)
    assert tom.post(url, wanted | {"reason": "the rack is retired"}).status_code == 302
    run_worker()
    assert (Deletion.objects.get().state, deletes(cloud)) == ("deleted", 1)
    (event,) = events(action="cluster:delete:requested")
    assert (event.reason, (event.after or {})["override_inside"]) == ("the rack is retired", True)


def test_the_api_says_what_is_inside_and_filters_by_it(
    cluster: Cluster, people: People, projects: Projects, cloud: Cloud
) -> None:
    empty, ecs = created(people, projects, "empty"), created(people, projects, "servers", "ECS")
    refresh()
    vera = Api(issue(people.vera))
    inside = vera.get(f"/clusters/{cluster.pk}").json()["inside"]
    assert [each["name"] for each in inside["supernodes"]] == ["<b>node</b>"]
    assert [(each["name"], each["status"]) for each in inside["groups"]] == [("pool-1", "")]
    assert inside["checked_at"]
    assert vera.get(f"/clusters/{empty.pk}").json()["inside"]["supernodes"] == []
    assert vera.get(f"/clusters/{ecs.pk}").json()["inside"] is None
    for is_empty, name in (("true", "empty"), ("false", "doomed")):
        found = vera.get("/clusters", empty=is_empty).json()["items"]
        assert [each["name"] for each in found] == [name]


def test_g50_the_api_refuses_with_the_blockers_and_takes_an_admin_s_override(
    cluster: Cluster, people: People, cloud: Cloud
) -> None:
    ada, tom = Api(issue(people.ada)), Api(issue(people.tom))
    path = f"/clusters/{cluster.pk}/deletions"
    asked = ada.post(path, {"confirm_name": "doomed"}, key="a").json()
    run_worker()
    settled = ada.get(f"/deletions/{asked['id']}").json()
    assert (settled["state"], settled["cause"]) == ("refused", "not_empty")
    assert [each["name"] for each in settled["blockers"]] == ["<b>node</b>", "pool-1"]
    override = {"confirm_name": "doomed", "override_inside": True}
    assert ada.post(path, override | {"reason": "because"}, key="b").status_code == 403
    refused = tom.post(path, override, key=str(uuid.uuid4()))
    assert (refused.status_code, refused.json()["code"]) == (422, "override_unexplained")
    key = "c"
    accepted = tom.post(path, override | {"reason": "retired"}, key=key)
    assert (accepted.status_code, accepted.json()["override_inside"]) == (202, True)
    other = tom.post(path, {"confirm_name": "doomed", "reason": "retired"}, key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    run_worker()
    assert deletes(cloud) == 1
