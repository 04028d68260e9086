"""What the cloud said, in its words and in ours: on pages, in files and in the audit."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.utils import translation

from hyperclusters.audit import clock
from hyperclusters.clusters.creation_reviews import account_for
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, State
from hyperclusters.clusters.upstream import client_for
from hyperclusters.modelarts import ClusterType, Unavailable
from hyperclusters.modelarts.codes import MEANINGS, CodeMeaning
from hyperclusters.web.texts.causes import CODE_REMEDIES, CODES, cause_of, remedy
from tests.api.client import Api, issue
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import PAYLOADS, SignIn, body, holds_markup, words

pytestmark = pytest.mark.any_database

LIST = "/clusters/"
TRIED_AGAIN = {CodeMeaning.CLOCK, CodeMeaning.THROTTLED}  # by the worker itself: no verdict yet
CHINESE = "资源配额不足，请联系管理员"


def answered(people: People, projects: Projects, cloud: Cloud, sent: bytes, **fault: Any) -> Creation:
    """A creation to which the cloud answered with these bytes."""
    params: dict[str, Any] = {
        "call": "create",
        "times": 1,
        "kind": "custom",
        "body": sent,
        "status": 400,
        "deed": False,
    }
    cloud.simulator.fault("garbage", **(params | fault))
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    return Creation.objects.get(pk=creation.pk)


@pytest.mark.parametrize("code", MEANINGS)
def test_t12_every_documented_code_has_a_sentence_and_a_remedy(code: str) -> None:
    for spelling in (code, code.removeprefix("ModelArts.")):
        if not spelling.startswith("APIGW") and "." not in spelling and len(spelling) not in {4, 8}:
            continue
        assert cause_of("status_400", spelling) == CODES[MEANINGS[code]]
        assert remedy("status_400", spelling) == CODE_REMEDIES[MEANINGS[code]]


@pytest.mark.parametrize("meaning", CodeMeaning)
def test_t12_every_meaning_has_codes_and_is_told_in_both_languages(meaning: CodeMeaning) -> None:
    assert meaning in MEANINGS.values()
    for language in ("en", "zh-hans"):
        with translation.override(language):
            assert str(CODES[meaning])
            assert str(CODE_REMEDIES[meaning])


@pytest.mark.parametrize("code", [code for code in MEANINGS if MEANINGS[code] not in TRIED_AGAIN])
def test_t12_a_refused_creation_says_why_what_to_do_and_what_to_quote(
    code: str, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    sent = json.dumps({"error_code": code, "error_msg": "resources lacking"}).encode()
    creation = answered(people, projects, cloud, sent)
    assert creation.state == State.FAILED
    text = words(as_("ada").get(creation.get_absolute_url()))
    assert str(CODES[MEANINGS[code]]) in text
    assert str(CODE_REMEDIES[MEANINGS[code]]) in text
    assert f"{code} resources lacking" in text
    quoted = text[text.index("Details for Huawei support") :]
    assert creation.upstream_request_id in quoted
    assert creation.signed_at is not None
    assert f"{creation.signed_at:%Y-%m-%dT%H:%M:%SZ}" in quoted
    assert code in quoted


SHAPES: dict[str, tuple[bytes, str]] = {
    "GBK": (
        json.dumps({"error_code": "X.1", "error_msg": CHINESE}, ensure_ascii=False).encode("gbk"),
        CHINESE,
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps({"error_msg": "no room"}).encode(), "no room"),
    "UTF-16": ('{"error_msg": "no room"}'.encode("utf-16"), "no room"),
    "errors": (b'{"errors":[{"error_code":"X.1","error_msg":"no room"}]}', "no room"),
    "two levels": (b'{"a":{"error":{"code":"X.1","message":"no room"}}}', "no room"),
    "text": (b"Hyper cluster quota of 5 exceeded", "Hyper cluster quota of 5 exceeded"),
    "HTML": (b"<html><title>Blocked by WAF</title></html>", "Blocked by WAF"),
    "a key twice": (b'{"error_code":"X.1","error_code":"X.2","error_msg":"no room"}', "no room"),
    "unknown keys": (b'{"why":["no room"]}', "no room"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_g31_the_clouds_own_words_are_on_the_page_and_in_the_audit(
    shape: str, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    sent, expected = SHAPES[shape]
    creation = answered(people, projects, cloud, sent)
    assert creation.state == State.FAILED
    text = words(as_("ada").get(creation.get_absolute_url()))
    assert expected in text
    assert "The vendor names three reasons" in text  # what is documented for a refusal without a known code
    (event,) = events(object_id=str(creation.pk), action="cluster:create:failed")
    assert expected in (event.response or {})["message"]


@pytest.mark.parametrize("shape", SHAPES)
def test_t10_the_clouds_own_words_about_a_deletion_are_on_the_page_and_in_the_audit(
    shape: str, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    sent, expected = SHAPES[shape]
    cloud.simulator.add_cluster(projects.vision.project_id, "there")
    run_worker()
    cluster = Cluster.objects.get()
    cloud.simulator.fault("garbage", "delete", kind="custom", status=400, body=sent, times=1, deed=False)
    request_deletion(person=people.tom, cluster=cluster, typed_name=cluster.name)
    run_worker()
    assert expected in words(as_("ada").get(cluster.get_absolute_url()))
    (event,) = events(action="cluster:delete:failed")
    assert expected in (event.response or {})["message"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_g31_words_of_any_shape_come_out_as_text(
    payload: str, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = answered(people, projects, cloud, f"quota: {payload}".encode())
    assert not holds_markup(body(as_("ada").get(creation.get_absolute_url())))


# What no page may hold: it cannot be sent, or it rewrites or hides what stands beside it.
UNPRINTABLE = {
    "a lone surrogate": "\ud800",
    "surrogates in the wrong order": "\udfff\ud800",
    "a right-to-left override": "\u202etxt.exe",
    "an isolate": "\u2066a\u2069",
    "a zero-width space": "a\u200bb",
    "a line separator": "a\u2028b",
    "C1 controls": "\x9b31m\x85",
    "a NUL": "a\0b",
    "a tag": "\U000e0041",
}


@pytest.mark.parametrize("field", ["error_msg", "error_code", "unknown"])
def test_g31_what_cannot_be_printed_is_an_escape_wherever_an_answer_is_shown(
    field: str, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    sent = {"error_code": "ModelArts.0104", "error_msg": "no room"} | {field: " ".join(UNPRINTABLE.values())}
    creation = answered(people, projects, cloud, json.dumps(sent).encode())
    assert creation.state == State.FAILED
    (failure,) = events(object_id=str(creation.pk), action="cluster:create:failed")
    olga, api = as_("olga"), Api(issue(people.olga))
    addresses = [f"/audit/{event.seq}/" for event in events()]
    addresses += ["/", "/audit/", creation.get_absolute_url(), "/creations/", "/creations/creations.json"]
    answers = {address: olga.get(address) for address in (*addresses, "/creations/creations.csv")}
    answers |= {path: api.get(path) for path in (f"/creations/{creation.pk}", "/audit/events")}
    for address, answer in answers.items():
        assert answer.status_code == 200, address
        assert body(answer).lstrip("\ufeff").translate(dict.fromkeys(b"\t\r\n")).isprintable(), address
    if field == "unknown":  # of unknown fields no value is kept
        return
    response = words(olga.get(failure.get_absolute_url())).partition("Response")[2]
    for kind, text in UNPRINTABLE.items():
        assert text.encode("unicode_escape").decode().replace(r"\x00", r"\u0000") in response, kind


def test_g53_a_gateway_that_failed_is_not_said_to_have_refused(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("error", "create", status=502, error_code="APIGW.0201", deed=True, times=1)
    creation = submit_creation(people.ada, projects.vision)
    ClusterListing.objects.update(run_after=creation.requested_at.replace(year=2099))
    run_worker()
    text = words(as_("ada").get(creation.get_absolute_url()))
    assert "did not accept the request" not in text
    assert "The cloud answered HTTP 502: “APIGW.0201:" in text


def test_t12_a_deletion_refused_as_in_use_says_so_with_a_remedy_and_what_to_quote(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision)
    run_worker()
    cluster = Cluster.objects.get()
    for sent in (
        {"error_code": "ModelArts.7777", "error_msg": "the cluster is in use by 3 servers"},
        {"errors": [{"detail": "the cluster is in use by 3 servers"}]},
        {"error_code": "ModelArts.0103", "error_msg": "the cluster is in use by 3 servers"},
        {"error_code": "ModelArts.0106", "error_msg": "the cluster is in use by 3 servers"},
    ):
        cloud.simulator.fault(
            "garbage",
            "delete",
            kind="custom",
            status=409,
            body=json.dumps(sent).encode(),
            times=1,
            deed=False,
        )
        deletion = request_deletion(person=people.ada, cluster=cluster, typed_name=cluster.name)
        run_worker()
        deletion.refresh_from_db()
        assert deletion.state == "failed"
        text = words(as_("ada").get(cluster.get_absolute_url()))
        assert "the cluster is in use by 3 servers" in text
        assert "remove what uses it, then delete it again" in text
        assert "already has a cluster of this name" not in text
        assert "quota is used up" not in text
        assert deletion.upstream_request_id in text[text.index("Details for Huawei support") :]
    Cluster.objects.update(gone_at=clock.now())
    text = words(as_("ada").get(cluster.get_absolute_url()))
    assert "Not deleted by this request, but gone since" in text
    assert "remove what uses it" not in text


def test_t15_a_list_that_is_too_large_says_which_setting_to_raise(
    projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("oversized", "list")  # beyond the 1 MiB of the tests
    run_worker()
    cluster_listing = projects.vision.sources.get(type="HPS")
    assert cluster_listing.failure_cause == "list_too_large"
    assert "UPSTREAM_LIST_MIB" in cause_of(cluster_listing.failure_cause, "")
    assert "UPSTREAM_LIST_MIB" in remedy(cluster_listing.failure_cause, "")


def test_t15_a_list_of_6000_clusters_is_read_where_the_setting_was_raised(
    projects: Projects, cloud: Cloud, settings: Any
) -> None:
    networks = [{"hyper_cluster_subnet_id": f"net-{number:03}"} for number in range(57)]
    rows = [{"id": f"x-{number}", "name": f"c-{number}", "network_info": networks} for number in range(6000)]
    sent = json.dumps({"hyper_clusters": rows}).encode()
    assert len(sent) > 13 * 1024 * 1024  # about 2.3 kB per cluster
    cloud.simulator.fault("garbage", "list", kind="custom", body=sent)
    client = client_for(projects.vision)
    with pytest.raises(Unavailable):
        client.list(type=ClusterType.HPS)
    settings.UPSTREAM_LIST_MIB = 16
    clusters = client_for(projects.vision).list(type=ClusterType.HPS).value
    assert len(clusters) == 6000
    assert {len(each.networks) for each in clusters} == {57}


@pytest.fixture
def outside(projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster that was made elsewhere."""
    row = {"id": "x-1", "name": "outside", "network_info": [{"hyper_cluster_subnet_id": "net.a"}]}
    sent = json.dumps({"hyper_clusters": [row]}).encode()
    cloud.simulator.fault(
        "garbage", "list", kind="custom", body=sent, project=projects.vision.project_id, times=1
    )
    ClusterListing.objects.filter(type="ECS").update(run_after="2099-01-01T00:00Z")
    run_worker()
    return Cluster.objects.get()


def files(as_: SignIn, query: str) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """The list as CSV and as JSON."""
    text = body(as_("vera").get(f"{LIST}clusters.csv{query}")).lstrip("\ufeff")
    listed: list[dict[str, Any]] = as_("vera").get(f"{LIST}clusters.json{query}").json()["clusters"]
    return list(csv.DictReader(io.StringIO(text))), listed


def test_g53_a_claimed_cluster_names_its_owner_on_every_page_and_in_every_file(
    outside: Cluster, people: People, as_: SignIn
) -> None:
    assert "we don't know who created it" in words(as_("vera").get(outside.get_absolute_url()))
    assert account_for(by=people.olga, cluster=outside, claimed_for=people.ada, reason="hers")
    page = words(as_("vera").get(outside.get_absolute_url()))
    assert "we don't know who created it" not in page
    assert "Owner ada" in page
    assert "Claimed by olga" in page
    answer = as_("vera").get(f"{LIST}?by=ada")
    assert "1 cluster" in words(answer)
    assert "</span>ada</span>" in body(answer)
    outside.refresh_from_db()
    at = outside.review.at.isoformat()
    for row in (files(as_, "")[0][0], files(as_, "?by=ada")[1][0]):
        said = (row["made_by"], row["claimed_for"], row["claimed_by"], row["claimed_at"])
        assert said == ("", "ada", "olga", at)
    assert as_("vera").get(f"{LIST}clusters.json?by=tom").status_code == 400  # who created or claimed nothing


def test_g53_an_accepted_cluster_says_who_accepted_it(outside: Cluster, people: People, as_: SignIn) -> None:
    assert account_for(by=people.olga, cluster=outside, reason="shared by all")
    page = words(as_("vera").get(outside.get_absolute_url()))
    assert "we don't know who created it" not in page
    assert "Accepted by olga" in page
    assert files(as_, "")[1][0]["claimed_for"] == ""


def test_g24_who_is_claimed_for_in_another_team_is_no_choice_of_the_list(
    outside: Cluster, people: People, as_: SignIn
) -> None:
    account_for(by=people.olga, cluster=outside, claimed_for=people.nina)
    assert "by=nina" in body(as_("vera").get(LIST))
    assert "nina" not in body(as_("mallory").get(LIST))


def test_g42_a_default_that_was_never_stated_is_shown_and_exported_as_such(
    outside: Cluster, as_: SignIn
) -> None:
    for url in (LIST, outside.get_absolute_url()):
        text = words(as_("vera").get(url))
        assert "net.a" in text
        assert "default not stated" in text
    networks = files(as_, "")[1][0]["networks"]
    assert networks == [{"hyper_cluster_subnet_id": "net.a", "is_default": None}]


def test_g42_a_cluster_in_both_lists_shows_both_types(outside: Cluster, as_: SignIn) -> None:
    Cluster.objects.update(also_type="ECS")
    assert "The cloud lists it as HPS and as ECS" in words(as_("vera").get(outside.get_absolute_url()))
    for kind in ("HPS", "ECS"):
        in_csv, in_json = files(as_, f"?type={kind}")
        assert in_csv[0]["types"] == "HPS ECS"
        assert in_json[0]["types"] == ["HPS", "ECS"]
