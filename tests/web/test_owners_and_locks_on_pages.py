"""What each person reads and may do about owners and locks: on pages, in files, in the API and with the command."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.services import end_grant
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.creation_reviews import account_for
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import Cluster, ClusterListing, Deletion
from hyperclusters.clusters.ownership import hand_over, lock, unlock
from tests.api.client import Api, issue
from tests.cli.conftest import Run, run
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import SignIn, body, value_of, words

pytestmark = pytest.mark.any_database

__all__ = ["run"]  # a fixture
LIST = "/clusters/"


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster that Ada created."""
    submit_creation(people.ada, projects.vision, "adas")
    run_worker()
    return Cluster.objects.get()


@pytest.fixture
def outside(cluster: Cluster, cloud: Cloud) -> Cluster:
    """A cluster that was created elsewhere."""
    cloud.simulator.add_cluster(cluster.project.project_id, "outside")
    cluster.project.sources.update(run_after="2026-01-01T00:00Z")
    run_worker()
    return Cluster.objects.get(name="outside")


def forms(as_: SignIn, name: str, cluster: Cluster) -> set[str]:
    """The forms of a cluster's page that this person gets."""
    page = body(as_(name).get(cluster.get_absolute_url()))
    return {form for form in ("owner", "lock", "unlock", "delete") if f'{cluster.pk}/{form}/"' in page}


def test_everybody_gets_the_forms_for_what_they_may_do_and_a_sentence_for_the_rest(
    people: People, cluster: Cluster, outside: Cluster, as_: SignIn
) -> None:
    assert forms(as_, "ada", cluster) == {"owner", "lock", "delete"}
    assert forms(as_, "tom", cluster) == {"owner", "lock", "delete"}
    assert forms(as_, "ada", outside) == {"lock"}
    assert forms(as_, "tom", outside) == {"owner", "lock", "delete"}
    assert forms(as_, "vera", cluster) == forms(as_, "olga", cluster) == set()
    page = words(as_("vera").get(cluster.get_absolute_url()))
    assert "Only its owner ada or an admin of Vision may delete this cluster." in page
    page = words(as_("ada").get(outside.get_absolute_url()))
    assert "Nobody owns this cluster, so only an admin of Vision may delete it." in page
    hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers")
    page = words(as_("vera").get(cluster.get_absolute_url()))
    assert "to delete it you need the role of creator in Vision" in page
    assert forms(as_, "vera", cluster) == {"owner"}
    lock(by=people.ada, cluster=cluster, reason="in use")
    assert forms(as_, "ada", cluster) == set()
    assert forms(as_, "tom", cluster) == {"owner", "unlock", "delete"}


def test_the_danger_zone_is_closed_until_something_was_refused(cluster: Cluster, as_: SignIn) -> None:
    ada = as_("ada")
    assert 'id="danger-zone"' in body(ada.get(cluster.get_absolute_url()))
    assert ZONE_OPEN not in body(ada.get(cluster.get_absolute_url()))
    answer = ada.post(f"{cluster.get_absolute_url()}lock/", {"reason": " "})
    assert (answer.status_code, body(answer).count(ZONE_OPEN)) == (422, 1)
    assert "Enter a reason" in words(answer)


def test_the_delete_page_says_what_was_wrong_and_keeps_the_rest(cluster: Cluster, as_: SignIn) -> None:
    answer = as_("ada").post(f"{cluster.get_absolute_url()}delete/", {"name": "other", "reason": "over"})
    assert answer.status_code == 422
    assert "This is not the cluster's name." in words(answer)
    assert (value_of(answer, "name"), value_of(answer, "reason")) == ("other", "over")


def test_the_delete_page_names_each_blocker_and_the_way_to_remove_it(
    people: People, cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.add_hyperinstance(cluster.project.project_id, "sn-1", cluster.cluster_id, status="ACTIVE")
    cluster.project.sources.update(run_after="2026-01-01T00:00Z")
    run_worker()
    lock(by=people.tom, cluster=cluster, reason="training")
    url = f"{cluster.get_absolute_url()}delete/"
    tom, ada, vera = (as_(name).get(url) for name in ("tom", "ada", "vera"))
    for answer in (tom, ada, vera):
        text = words(answer)
        assert "Can't be deleted yet" in text
        assert "sn-1 · Supernode · Active Open in console" in text
        assert "Locked by tom · “training”" in text
        assert "Delete this cluster" not in text
    assert f'href="{cluster.get_absolute_url()}#unlock-reason"' in body(tom)
    assert "An admin of the team can unlock it" in words(ada)
    assert "Only its owner ada or an admin of Vision may delete this cluster." in words(vera)
    assert "Delete anyway" not in words(tom), "a lock is no thing to override"


def test_checking_again_reads_the_project_s_lists_and_leads_back(
    people: People, projects: Projects, cluster: Cluster, as_: SignIn
) -> None:
    later = timezone.now() + timedelta(hours=1)
    ClusterListing.objects.update(run_after=later)
    vera, url = as_("vera"), cluster.get_absolute_url()
    assert vera.post(f"{url}check/", {"back": "delete"})["Location"] == f"{url}delete/"
    assert vera.post(f"{url}check/")["Location"] == url
    due = ClusterListing.objects.filter(run_after__lt=later)
    assert {listing.project_id for listing in due} == {projects.vision.pk}
    assert len(events(action="cluster:list:refresh-asked", person_name="vera")) == 2
    assert 'hx-trigger="every 1s"' in body(vera.get(f"{url}delete/"))
    run_worker()
    assert 'hx-trigger="every 1s"' not in body(vera.get(f"{url}delete/"))


def test_the_history_has_what_people_did_with_their_reasons_newest_first(
    people: People, cluster: Cluster, as_: SignIn
) -> None:
    hand_over(by=people.ada, cluster=cluster, to="vera", reason="<b>hers</b> now")
    lock(by=people.tom, cluster=cluster, reason="freeze")
    as_("mallory").post(f"{cluster.get_absolute_url()}lock/", {"reason": "x"})
    as_("vera").post(f"{cluster.get_absolute_url()}unlock/")
    answer = as_("vera").get(cluster.get_absolute_url())
    text = words(answer)
    order = (
        "tom locked the cluster “freeze”",
        "ada made vera the owner “<b>hers</b> now”",
        "ada created the cluster",
    )
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    assert "<b>hers</b>" not in body(answer)
    assert "mallory" not in text
    assert "All events in the audit" not in text
    assert "All events in the audit" in words(as_("tom").get(cluster.get_absolute_url()))


def test_the_history_has_what_appeared_in_the_cloud(
    people: People, outside: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.remove_cluster(outside.cluster_id)
    outside.project.sources.update(run_after="2026-01-01T00:00Z")
    run_worker()
    text = words(as_("vera").get(outside.get_absolute_url()))
    assert text.index("Gone from the cloud's list") < text.index("Found in the cloud, created elsewhere")


def test_the_history_says_what_changed_of_the_networks_and_that_nobody_owns_it(
    people: People, cluster: Cluster, as_: SignIn
) -> None:
    before = [{"subnet_id": "same", "is_default": None}, {"subnet_id": "old", "is_default": True}]
    after = [{"subnet_id": "same", "is_default": True}, {"subnet_id": "new", "is_default": False}]
    facts: dict[str, Any] = {"before": {"networks": before}, "after": {"networks": after}}
    record(EventType.CLUSTER_CHANGED, Outcome.NOTED, on=cluster, **facts)
    record(EventType.OWNER_CHANGED, Outcome.NOTED, on=cluster, after={"owner": ""})
    text = words(as_("vera").get(cluster.get_absolute_url()))
    assert "Network added: new · Network removed: old · Network changed: same" in text
    assert "It has no owner any more" in text


def test_the_history_is_bounded(people: People, cluster: Cluster, as_: SignIn) -> None:
    for _ in range(7):
        lock(by=people.tom, cluster=cluster, reason="r")
        cluster.refresh_from_db()
        unlock(by=people.tom, cluster=cluster)
    page = as_("vera").get(cluster.get_absolute_url())
    assert words(page).count("tom unlocked") + words(page).count("tom locked") == 12
    assert "Earlier events are in the audit" in words(page)


def test_locking_and_unlocking_by_the_forms(cluster: Cluster, as_: SignIn) -> None:
    url = cluster.get_absolute_url()
    answer = as_("ada").post(f"{url}lock/", {"reason": "training"}, follow=True)
    assert "Locked: nobody can delete this cluster here." in words(answer)
    for name in ("ada", "tom"):
        answer = as_(name).post(f"{url}delete/", {"name": "adas"})
        assert answer.status_code == 422
        assert "ada locked this cluster: “training”. Nothing was changed." in words(answer)
    assert "Locked" in words(as_("vera").get(LIST))
    answer = as_("ada").post(f"{url}unlock/")
    assert answer.status_code == 403
    assert "Only an admin of its team may unlock a cluster. Nothing was changed." in words(answer)
    assert "Only the owner" not in words(answer)
    assert "Unlocked." in words(as_("tom").post(f"{url}unlock/", follow=True))
    assert as_("ada").post(f"{url}delete/", {"name": "adas"}).status_code == 302


def test_a_deletion_that_a_lock_stopped_says_who_locked_it_and_why(
    people: People, cluster: Cluster, as_: SignIn
) -> None:
    request_deletion(person=people.ada, cluster=cluster, typed_name="adas")
    assert "lock" in forms(as_, "ada", cluster), "also while a deletion waits"
    lock(by=people.tom, cluster=cluster, reason="<b>still in use</b>")
    run_worker()
    answer = as_("ada").get(cluster.get_absolute_url())
    assert "Not deleted: nothing was sent" in words(answer)
    assert "tom locked this cluster: “<b>still in use</b>”. An admin of the team can unlock it." in words(
        answer
    )
    assert "<b>still" not in body(answer)


ZONE_OPEN = '<details class="card danger-zone" id="danger-zone" open>'
ALONE = '<div class="errors page-error" role="alert"'


def zone(answer: Any) -> tuple[int, bool, int]:
    """The status, whether the danger zone is open, and how many errors stand outside of a form."""
    return answer.status_code, ZONE_OPEN in body(answer), body(answer).count(ALONE)


def test_each_refusal_is_read_although_its_form_is_not_on_the_page(
    people: People, cluster: Cluster, as_: SignIn
) -> None:
    url, tom = cluster.get_absolute_url(), as_("tom")
    answer = tom.post(f"{url}unlock/", {"reason": "r"})
    assert zone(answer) == (422, True, 1)
    assert "This cluster is not locked any more. Nothing was changed." in words(answer)
    lock(by=people.ada, cluster=cluster, reason="training")
    for form, typed in (("lock", {"reason": "r"}), ("delete", {"name": "adas"})):
        answer = tom.post(f"{url}{form}/", typed)
        assert zone(answer) == (422, form == "lock", 1), form
        text = "ada locked this cluster: “training”. Nothing was changed. An admin of the team can unlock it."
        assert text in words(answer), form
    assert zone(tom.get(url))[2] == 0


def test_each_refusal_is_read_while_a_deletion_is_under_way(
    people: People, cluster: Cluster, as_: SignIn
) -> None:
    request_deletion(person=people.ada, cluster=cluster, typed_name="adas")
    for name, text in (("adas", "This cluster is being deleted already."), ("x", "not the cluster's name.")):
        answer = as_("tom").post(f"{cluster.get_absolute_url()}delete/", {"name": name})
        assert zone(answer) == (422, False, 1)
        assert text in words(answer)


@pytest.mark.parametrize("form", ["owner", "lock", "unlock", "delete"])
def test_each_refusal_is_read_on_the_page_of_a_cluster_that_is_gone(
    form: str, cluster: Cluster, as_: SignIn
) -> None:
    Cluster.objects.update(gone_at=timezone.now())
    typed = {"person": "vera", "reason": "r", "name": "adas"}
    answer = as_("tom").post(f"{cluster.get_absolute_url()}{form}/", typed)
    assert zone(answer) == (422, False, 1)
    assert "The cloud does not have this cluster any more." in words(answer)


def test_the_danger_zone_stays_closed_when_a_hand_over_is_refused(cluster: Cluster, as_: SignIn) -> None:
    answer = as_("ada").post(f"{cluster.get_absolute_url()}owner/", {"person": "mallory", "reason": "r"})
    assert zone(answer) == (422, False, 0)
    assert "Nobody called “mallory” has access to Vision." in words(answer)


NULS = {"\0": "", "a\0b": "ab", "\0 x \0": "x"}


@pytest.mark.parametrize("form", ["owner", "lock", "unlock", "delete"])
@pytest.mark.parametrize("reason", NULS, ids=ascii)
def test_a_reason_with_nul_is_recorded_without_it(
    form: str, reason: str, people: People, cluster: Cluster, as_: SignIn
) -> None:
    if form == "unlock":
        lock(by=people.ada, cluster=cluster, reason="r")
    needs_reason = form in {"owner", "lock"}
    typed = {"person": "vera", "name": "adas", "reason": reason}
    answer = as_("tom").post(f"{cluster.get_absolute_url()}{form}/", typed)
    assert answer.status_code == (422 if needs_reason and not NULS[reason] else 302)
    assert (
        events(person_name="tom", object_kind="deletion" if form == "delete" else "cluster")[-1].reason
        == NULS[reason]
    )


@pytest.mark.parametrize("form", ["owner", "lock", "unlock", "delete"])
def test_nul_in_every_field_is_no_fault_of_ours(form: str, cluster: Cluster, as_: SignIn) -> None:
    fields = ("person", "name", "reason", "back", "override_inside")
    for name, status in (("tom", 422), ("vera", 403), ("mallory", 404)):
        answer = as_(name).post(f"{cluster.get_absolute_url()}{form}/", dict.fromkeys(fields, "x\0"))
        expected = 302 if (name, form) == ("tom", "lock") else status
        assert answer.status_code == expected, name


def test_a_lock_after_the_delete_went_out_says_that_it_is_too_late(
    people: People, cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("lost_request", "delete", times=1)
    request_deletion(person=people.ada, cluster=cluster, typed_name="adas")
    run_worker()
    answer = as_("tom").post(f"{cluster.get_absolute_url()}lock/", {"reason": "r"}, follow=True)
    assert "Locked, but a deletion was sent before: the lock cannot stop that." in words(answer)


def test_handing_over_by_the_form(cluster: Cluster, as_: SignIn) -> None:
    url = cluster.get_absolute_url()
    answer = as_("ada").post(f"{url}owner/", {"person": "mallory", "reason": "r"})
    assert answer.status_code == 422
    assert "Nobody called “mallory” has access to Vision. Nothing was changed." in words(answer)
    answer = as_("ada").post(f"{url}owner/", {"person": "vera", "reason": "hers"}, follow=True)
    assert "adas belongs to vera now." in words(answer)
    assert "Owner vera" in words(answer)
    assert as_("mallory").post(f"{url}owner/", {"person": "mallory", "reason": "r"}).status_code == 404
    assert as_("ada").post(f"{url}delete/", {"name": "adas"}).status_code == 403


def test_a_team_s_admin_finds_clusters_whose_owner_left_and_hands_them_over(
    people: People, cluster: Cluster, as_: SignIn
) -> None:
    team = people.vision.get_absolute_url()
    assert "new owner" not in words(as_("tom").get("/")) + words(as_("tom").get(team))
    deactivate(people.ada, by=people.root, reason="left")
    assert "1 cluster needs a new owner" in words(as_("tom").get("/"))
    page = words(as_("tom").get(team))
    assert "Clusters that need a new owner" in page
    assert "ada account deactivated" in page
    for name in ("vera", "olga"):
        assert "new owner" not in words(as_(name).get("/")) + words(as_(name).get(team))
    posted = {"cluster": str(cluster.pk), "person": "tom", "reason": "ada left"}
    for missing in ("cluster", "person", "reason"):
        refused = as_("tom").post(f"{team}owners/", {**posted, missing: ""}, follow=True)
        assert "new owner" in words(refused), missing
    assert as_("vera").post(f"{team}owners/", posted).status_code == 403
    answer = as_("tom").post(f"{team}owners/", posted)
    assert answer["Location"] == team
    assert events(action="cluster:owner:changed")[-1].reason == "ada left"
    assert "new owner" not in words(as_("tom").get("/")) + words(as_("tom").get(team))


def test_an_owner_without_access_to_the_team_is_named_as_such(
    people: People, cluster: Cluster, as_: SignIn
) -> None:
    end_grant(people.ada.grants.get(), reason="left")
    assert "ada has no access to this team" in words(as_("tom").get(people.vision.get_absolute_url()))


def test_g53_the_list_filters_and_sorts_by_owner_and_files_name_owner_and_lock(
    people: People, cluster: Cluster, outside: Cluster, as_: SignIn
) -> None:
    lock(by=people.tom, cluster=cluster, reason="in use")
    account_for(by=people.olga, cluster=outside, claimed_for=people.tom)
    cluster.refresh_from_db()
    ada = as_("ada")
    for query, expected in (
        ("owner=ada", ["adas"]),
        ("owner=tom", ["outside"]),
        ("mine=1", ["adas"]),
        ("mine=1&owner=tom", []),
        ("sort=owner", ["adas", "outside"]),
        ("sort=-owner", ["outside", "adas"]),
    ):
        rows = ada.get(f"{LIST}clusters.json?{query}").json()["clusters"]
        assert [row["name"] for row in rows] == expected, query
    text = body(ada.get(f"{LIST}clusters.csv?owner=ada")).lstrip("\ufeff")
    (in_csv,) = csv.DictReader(io.StringIO(text))
    (in_json,) = ada.get(f"{LIST}clusters.json?owner=ada").json()["clusters"]
    assert cluster.locked_at
    for row in (in_csv, in_json):
        told = (row["owner"], row["locked_at"], row["locked_by"], row["lock_reason"])
        assert told == ("ada", cluster.locked_at.isoformat(), "tom", "in use")


def test_a_cluster_without_an_owner_sorts_last(cluster: Cluster, outside: Cluster, as_: SignIn) -> None:
    for sort in ("owner", "-owner"):
        rows = as_("ada").get(f"{LIST}clusters.json?sort={sort}").json()["clusters"]
        assert [row["owner"] for row in rows] == ["ada", ""]


def test_the_api_shows_owner_and_lock_and_refuses_by_them(
    people: People, cluster: Cluster, outside: Cluster
) -> None:
    ada, tom = Api(issue(people.ada)), Api(issue(people.tom))
    assert [row["name"] for row in ada.get("/clusters", owner="ada").json()["items"]] == ["adas"]
    row = ada.get(f"/clusters/{outside.pk}").json()
    assert (row["owner"], row["locked_at"], row["locked_by"], row["lock_reason"]) == (None, None, None, "")
    answer = ada.post(f"/clusters/{outside.pk}/deletions", {"confirm_name": "outside"}, key="a")
    assert (answer.status_code, answer.json()["code"], answer.json()["sent"]) == (403, "not_permitted", "no")
    assert "Only the owner of the cluster or an admin of its team" in answer.json()["detail"]
    lock(by=people.tom, cluster=cluster, reason="in use")
    row = ada.get(f"/clusters/{cluster.pk}").json()
    assert (row["owner"], row["locked_by"], row["lock_reason"]) == ("ada", "tom", "in use")
    for api in (ada, tom):
        answer = api.post(f"/clusters/{cluster.pk}/deletions", {"confirm_name": "adas"}, key="b")
        assert (answer.status_code, answer.json()["code"], answer.json()["sent"]) == (409, "locked", "no")
        assert "tom locked this cluster: “in use”." in answer.json()["detail"]
    assert not Deletion.objects.exists()


def test_a_deletion_that_a_lock_stopped_says_so_in_the_api_and_its_key_still_finds_it(
    people: People, cluster: Cluster
) -> None:
    ada = Api(issue(people.ada))
    path, posted = f"/clusters/{cluster.pk}/deletions", {"confirm_name": "adas"}
    first = ada.post(path, posted, key="a").json()
    lock(by=people.tom, cluster=cluster, reason="in use")
    run_worker()
    row = ada.get(f"/deletions/{first['id']}").json()
    assert (row["state"], row["cause"], row["locked_by"], row["lock_reason"]) == (
        *("refused", "locked"),
        *("tom", "in use"),
    )
    again = ada.post(path, posted, key="a")
    assert (again.json()["id"], again["Idempotent-Replayed"]) == (first["id"], "true")


def test_the_command_lists_owner_and_lock(
    run: Run, live_server: LiveServer, people: People, cluster: Cluster, outside: Cluster
) -> None:
    token = issue(people.ada)
    lock(by=people.tom, cluster=cluster, reason="in use")
    lines = run("list", "--owner", "ada", url=live_server.url, token=token).out.splitlines()
    assert len(lines) == 2
    assert "OWNER" in lines[0]
    assert lines[1].split()[4:6] == ["ada", "yes"]
    assert "nobody" in run("show", "outside", token=token).out
    shown = run("show", "adas", token=token).out
    for words_of_it in ("Owner", "Locked by", "tom", "in use"):
        assert words_of_it in shown
    assert json.loads(run("list", "--owner", "tom", "--json", token=token).out) == []
    refused = run("delete", "adas", "--confirm-name", "adas", token=token)
    assert (refused.code, "tom locked this cluster" in refused.err) == (1, True)
    denied = run("delete", "outside", "--confirm-name", "outside", token=token)
    assert denied.code == 4
