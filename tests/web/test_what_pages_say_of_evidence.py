"""A page says what the evidence proves, and nothing that the audit contradicts (G7, G53)."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from hyperclusters.audit.alerts import ALERTS
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.creations import withdraw
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import (
    Cluster,
    ClusterListing,
    Creation,
    Deletion,
    DeletionState,
    Project,
    State,
)
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.deletion import DELETIONS
from hyperclusters.clusters.operations.facts import answer_facts, error_fields
from hyperclusters.modelarts import Exchange, ModelArtsError, Proof, create_request
from hyperclusters.modelarts.classification import classify
from hyperclusters.modelarts.codes import MEANINGS
from hyperclusters.modelarts.grammar import delete_request, list_request
from hyperclusters.modelarts.transport import RawResponse
from hyperclusters.modelarts.types import ClusterType, Request
from hyperclusters.web.audit.event_rows import rows
from hyperclusters.web.texts.causes import CODES, cause_of
from hyperclusters.web.texts.states import creation_status, deletion_status
from tests.api.client import Api, issue
from tests.clusters.moments import around_the_create, declared_absent, once, send_what_waits
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation
from tests.web.pages import SignIn, main, submit, words

pytestmark = pytest.mark.any_database

STATUSES = (
    *(200, 201, 204, 302, 400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 422, 425, 429, 494, 499),
    *(418, 500, 501, 502, 503, 504, 599),
)
PAIRS = list(product(STATUSES, [*MEANINGS, "New.4711", ""]))
# Words that claim that the cloud decided against a request.
CLAIMS = {str(words) for words in CODES.values()} | {
    "Nothing was created.",
    "Failed: the cloud refused the request",
}


def error_of(status: int, code: str, request: Request, message: str = "as it came") -> ModelArtsError:
    """What the client makes of such an answer."""
    text = json.dumps({"error_code": code, "error_msg": message} if code else {}).encode()
    exchange = Exchange(request, "http://127.0.0.1:1", timezone.now(), status, "", "", 0.1, None)
    cause = "error_code" if status == 200 else ""
    return classify(
        exchange, RawResponse(status=status, body=text), cause=cause, secrets=(), now=timezone.now()
    )


def unsaved(state: State, error: ModelArtsError, **values: Any) -> Creation:
    return Creation(
        state=state, attempts=1, cause=error.cause, code=error.code, message=error.message, **values
    )


def test_g53_no_sentence_of_a_creation_says_more_than_its_answer_proves() -> None:
    """Every code beside every status, as the client classifies them."""
    request = create_request(project_id="p", name="n", type=ClusterType.HPS)
    seen = {}
    for status, code in PAIRS:
        error = error_of(status, code, request)
        creation = Creation(attempts=1, state=State.SENDING)
        finding = CREATIONS.failure(creation, error)
        shown = creation_status(unsaved(State(finding.state), error, evidence=finding.evidence or ""))
        claims = {claim for claim in CLAIMS if claim in shown.text or claim in shown.title}
        seen[status, code] = (finding.state, bool(claims))
        if error.proves == Proof.NOTHING:
            assert finding.state == State.UNKNOWN
            assert not claims, (status, code, shown)
            assert not code or f"{code}: as it came" in shown.text, (status, code, shown)
        else:
            assert finding.state in {State.FAILED, State.QUEUED}
            assert claims or code not in MEANINGS, (status, code, shown)
    assert seen[400, "APIGW.0201"] == (State.FAILED, True)
    for status in (502, 504):
        assert seen[status, "APIGW.0201"] == (State.UNKNOWN, False)


def test_g53_no_sentence_of_a_deletion_says_more_than_its_answer_proves() -> None:
    request = delete_request(project_id="p", cluster_id="c", type=ClusterType.HPS)
    refusals = set()
    for status, code in PAIRS:
        error = error_of(status, code, request)
        finding = DELETIONS.failure(Deletion(attempts=1, state=DeletionState.SENDING), error)
        fields = error_fields(error, cause=finding.cause)
        work = Deletion(cluster=Cluster(), state=finding.state, attempts=1, **fields)
        shown = deletion_status(work)
        claims = {claim for claim in CLAIMS if claim in shown.text or claim in shown.title}
        if finding.state == DeletionState.UNKNOWN:
            assert not claims, (status, code, shown)
        else:
            assert error.proves != Proof.NOTHING
            refusals.add((status, code) if claims else ())
    assert (400, "APIGW.0201") in refusals


@pytest.mark.parametrize("message", ["as it came", ""])
def test_g53_no_row_of_the_audit_says_more_than_the_answer_proves(message: str) -> None:
    """Also where the cloud gave a code and not a word with it."""
    request = create_request(project_id="p", name="n", type=ClusterType.HPS)
    for status, code in PAIRS:
        error = error_of(status, code, request, message)
        is_unknown = error.proves == Proof.NOTHING
        facts = {"action": EventType.CREATE_UNKNOWN, "outcome": Outcome.UNKNOWN} if is_unknown else {
            "action": EventType.CREATE_FAILED, "outcome": Outcome.FAILED
        }  # fmt: skip
        event = Event(seq=1, at=timezone.now(), response=answer_facts(error.exchange, error), **facts)
        (row,) = rows([event])
        claims = {claim for claim in CLAIMS if claim in row.message}
        assert not claims or not is_unknown, (status, code, row.message)


def test_g53_no_sentence_of_a_list_says_that_a_gateway_which_failed_did_not_accept_it() -> None:
    request = list_request(project_id="p", type=ClusterType.HPS)
    for status, code in PAIRS:
        if status < 500 or not code:
            continue
        error = error_of(status, code, request)
        assert cause_of(error.cause, error.code) == f"The cloud answered HTTP {status} ({code})."


def test_g53_a_gateway_that_lost_the_answer_is_not_said_to_have_refused_the_request(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("error", "create", status=502, deed=True, times=1)
    creation = submit_creation(people.ada, projects.vision)
    send_what_waits()
    page = main(as_("ada").get(creation.get_absolute_url()))
    assert "The cloud answered HTTP 502: “APIGW.0201: Bad gateway" in page
    assert "did not accept" not in page
    run_worker_again(creation)
    page = main(as_("ada").get(creation.get_absolute_url()))
    assert "this request created it" in page
    assert "did not accept" not in page


def throttled(people: People, projects: Projects, cloud: Cloud) -> Creation:
    cloud.simulator.fault("error", "create", status=429, times=1)
    creation = submit_creation(people.ada, projects.vision)
    send_what_waits()
    Project.objects.update(blocked_until=None, blocked_cause="")
    creation.refresh_from_db()
    return creation


@pytest.mark.parametrize("end", ["withdrawn", "right_lost", "name_appeared"])
def test_g53_after_an_attempt_no_page_says_that_nothing_was_sent(
    end: str, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = throttled(people, projects, cloud)
    if end == "withdrawn":
        withdraw(creation, by=people.ada)
    if end == "right_lost":
        people.ada.grants.update(ended_at=timezone.now() - timedelta(seconds=1))
    if end == "name_appeared":
        cloud.simulator.add_cluster(projects.vision.project_id, creation.name)
    run_worker_again(creation)
    page = main(as_("tom").get(creation.get_absolute_url())).lower()
    assert "nothing was sent" not in page
    assert "proof that nothing" not in page
    if end != "name_appeared":
        assert "it was tried 1 time, and not carried out" in page


def test_g53_a_creation_of_a_restored_backup_does_not_say_that_nothing_was_sent(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    waiting = Creation.objects.values().get(pk=creation.pk)
    run_worker()
    Cluster.objects.all().delete()
    Creation.objects.filter(pk=creation.pk).update(**waiting)
    run_worker()
    page = main(as_("ada").get(creation.get_absolute_url()))
    assert "Refused: the name is taken" in page
    assert "before the database was restored from a backup" in page
    assert "nothing was" not in page.lower()


def test_without_an_attempt_pages_say_that_nothing_was_sent(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    withdraw(creation, by=people.ada)
    assert "Nothing was sent." in main(as_("ada").get(creation.get_absolute_url()))


@pytest.mark.parametrize(("sends", "title"), [(0, "Not deleted: nothing was sent"), (2, "Not deleted")])
def test_g53_a_deletion_refused_after_an_attempt_does_not_say_that_nothing_was_sent(
    sends: int, title: str
) -> None:
    status = deletion_status(Deletion(state=DeletionState.REFUSED, attempts=sends, cause="right_lost"))
    assert status.title == title
    assert ("none was carried out" in status.text) == bool(sends)


def test_g53_the_audit_says_of_a_taken_name_what_was_known_when(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    """The form itself knew the first one; the second one came up while the creation waited."""
    cloud.simulator.add_cluster(projects.vision.project_id, "old")
    run_worker()
    submit(as_("ada"), name="old")
    creation = submit_creation(people.ada, projects.vision, "new")
    cloud.simulator.add_cluster(projects.vision.project_id, "new")
    run_worker()
    creation.refresh_from_db()
    refused = events(action="cluster:create:refused")
    assert [event.evidence for event in refused] == ["name_taken", "name_appeared"]
    first, second = (words(as_("olga").get(event.get_absolute_url())) for event in refused)
    assert "The project already has a cluster of this name." in first
    assert "was not there when this was requested" not in first
    assert "was not there when this was requested" in second


@pytest.mark.parametrize("cause", ["quota", "team_rules", "not_permitted"])
def test_g53_what_the_form_refused_is_not_said_to_have_changed_while_it_waited(cause: str) -> None:
    assert "turn came" not in cause_of(cause, "")


def test_g41_a_candidate_of_another_name_is_shown_with_its_name(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cluster_id = str(uuid.uuid4())
    body = json.dumps({"id": cluster_id, "name": "ring-east"}).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, body=body, times=1)
    creation = submit_creation(people.ada, projects.vision, "Ring-East")
    send_what_waits()
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", cluster_id=cluster_id)
    run_worker_again(creation)
    page = main(as_("tom").get(creation.get_absolute_url()))
    assert "under another name than requested" in page
    assert "We can't prove that this request created it" in page
    assert "Name: ring-east" in page


def test_g41_an_id_that_an_unclear_answer_named_is_on_the_page_at_once(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cluster_id = str(uuid.uuid4())
    body = json.dumps({"id": cluster_id, "name": "ring-east"}).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, body=body, times=1)
    creation = submit_creation(people.ada, projects.vision, "Ring-East")
    send_what_waits()
    page = main(as_("ada").get(creation.get_absolute_url()))
    assert f"another name. · ID {cluster_id}" in page


def test_g41_an_id_that_a_late_answer_named_is_on_the_page(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_id = str(uuid.uuid4())
    body = json.dumps({"id": cluster_id, "name": "ring-east"}).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, body=body, times=1)
    creation = submit_creation(people.ada, projects.vision, "Ring-East")
    around_the_create(monkeypatch, after=once(lambda: declared_absent(creation)))
    run_worker()
    page = main(as_("ada").get(creation.get_absolute_url()))
    assert f"Contradicted by later evidence ID {cluster_id}" in page


def test_g53_a_form_is_found_by_its_token_by_whoever_sent_it(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    path = f"/creations/form/{creation.token}/"
    assert as_("ada").get(path)["Location"] == creation.get_absolute_url()
    for name, address in (("tom", path), ("ada", f"/creations/form/{uuid.uuid4()}/")):
        answer = as_(name).get(address)
        assert answer.status_code == 404
        assert "Nothing was recorded for this form" in words(answer)


def an_hour_passes() -> None:
    """Everything known was learned an hour ago, and every list is due."""
    hour = timedelta(hours=1)
    Cluster.objects.update(
        found_at=F("found_at") - hour, seen_at=F("seen_at") - hour, gone_at=F("gone_at") - hour
    )
    Deletion.objects.update(settled_at=F("settled_at") - hour)
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))


def is_listed(cloud: Cloud, cluster: Cluster, *, now: bool) -> None:
    """An hour later the cloud lists the cluster, or does not."""
    if now:
        with cloud.simulator.database.write() as db:
            db.execute("UPDATE clusters SET exists_until = NULL WHERE id = ?", (cluster.cluster_id,))
    else:
        cloud.simulator.remove_cluster(cluster.cluster_id)
    an_hour_passes()
    run_worker()
    cluster.refresh_from_db()
    assert (cluster.gone_at is None) == now


@pytest.fixture
def deleted(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster that was deleted here, beside one that stays."""
    for name in ("back-again", "stays"):
        submit_creation(people.ada, projects.vision, name)
    run_worker()
    cluster = Cluster.objects.get(name="back-again")
    request_deletion(person=people.ada, cluster=cluster, typed_name=cluster.name)
    run_worker()
    assert Deletion.objects.get().state == DeletionState.DELETED
    return cluster


GONE = "The cloud does not have this cluster any more."
CONTRADICTED = "cluster:delete:contradicted"


def test_g53_a_deleted_cluster_that_the_cloud_lists_again_is_not_said_to_be_gone(
    deleted: Cluster, people: People, cloud: Cloud, as_: SignIn
) -> None:
    ada, api, deletion = as_("ada"), Api(issue(people.ada)), Deletion.objects.get()
    page = main(ada.get(deleted.get_absolute_url()))
    assert f"Deleted {GONE}" in page
    assert api.get(f"/deletions/{deletion.pk}").json()["conflict"] is False
    is_listed(cloud, deleted, now=True)
    page = main(ada.get(deleted.get_absolute_url()))
    assert GONE not in page
    assert "Deleted here, but the cloud lists it again" in page
    assert "delete it again, or ask Huawei support" in page
    assert "Details for Huawei support" in page
    assert "Delete cluster" in page
    assert main(ada.get("/clusters/")).count("listed again") == 1
    answer = api.get(f"/deletions/{deletion.pk}").json()
    assert (answer["state"], answer["conflict"]) == ("deleted", True)
    is_listed(cloud, deleted, now=False)
    assert f"Deleted {GONE}" in main(ada.get(deleted.get_absolute_url()))
    assert "listed again" not in main(ada.get("/clusters/?gone=1"))
    assert api.get(f"/deletions/{deletion.pk}").json()["conflict"] is False


def test_g12_a_deletion_that_a_later_list_contradicts_is_an_alert_once(
    deleted: Cluster, people: People, cloud: Cloud, as_: SignIn
) -> None:
    deletion = Deletion.objects.get()
    for now in (True, False, True):
        is_listed(cloud, deleted, now=now)
    (event,) = events(action=CONTRADICTED)
    assert (event.object_id, event.person_name, event.evidence) == (str(deletion.pk), "ada", "listed")
    assert event.after == {"state": "deleted", "found": deleted.cluster_id}
    assert len(events(action="cluster:seen:back")) == 2
    assert event.action in ALERTS
    olga = as_("olga")
    assert "ada deleted back-again : the cloud lists it again" in words(olga.get("/audit/?reads=1"))
    assert "Deleted cluster listed again" in words(olga.get(event.get_absolute_url()))


def test_g53_a_cluster_that_is_deleted_once_more_is_gone_again(
    deleted: Cluster, people: People, cloud: Cloud, as_: SignIn
) -> None:
    is_listed(cloud, deleted, now=True)
    request_deletion(person=people.ada, cluster=deleted, typed_name=deleted.name)
    assert "Waiting to be deleted" in main(as_("ada").get(deleted.get_absolute_url()))
    run_worker()
    assert f"Deleted {GONE}" in main(as_("ada").get(deleted.get_absolute_url()))
    is_listed(cloud, deleted, now=True)
    assert len(events(action=CONTRADICTED)) == 2


def test_g53_a_cluster_that_was_gone_and_never_deleted_here_is_only_back(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    for name in ("back-again", "stays"):
        submit_creation(people.ada, projects.vision, name)
    run_worker()
    cluster = Cluster.objects.get(name="back-again")
    for now in (False, True):
        is_listed(cloud, cluster, now=now)
    assert events(action="cluster:seen:back")
    assert not events(action=CONTRADICTED)
    assert "listed again" not in main(as_("ada").get("/clusters/"))
