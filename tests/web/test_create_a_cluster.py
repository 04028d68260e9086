"""Ada creates a hyper cluster through the pages, and Olga finds it in the audit."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hyperclusters.access.models import Grant, Team
from hyperclusters.access.services import end_grant
from hyperclusters.audit.models import DenialWindow
from hyperclusters.clusters.models import Creation, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.modelarts import ClusterType, create_request
from tests.conftest import Cloud, People, Projects, denied, events, run_worker, submit_creation
from tests.web.pages import (
    NEW,
    SPEECH,
    VISION,
    SignIn,
    body,
    fresh_token,
    main,
    post_by_hand,
    read_only_database,
    submit,
    value_of,
    words,
)

pytestmark = pytest.mark.any_database

SUBNET = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"

BAD_NAMES = [
    ("a" * 65, "1 character too long"),
    ("a" * 200, "136 characters too long"),
    ("ends-in-a-newline\n", "the line break (position 18)"),
    ("with space", "the space (position 5)"),
    (" leading", "the space (position 1)"),
    ("trailing ", "the space (position 9)"),
    ("集群", "“集” (position 1)"),
    ("tab\there", "the tab (position 4)"),
    ("slash/name", "“/” (position 6)"),
    ("<b>", "“<” (position 1)"),
    ("ｆｕｌｌ", "“ｆ” (position 1)"),  # letters that fold to ASCII are not ASCII
    ("zero\u200bwidth", "U+200B (position 5)"),
]
ODD_NAMES = [".", "..", "-rf", "--help", "-2", "a" * 64, "_", "A.b-C_9", "null", "0"]
BAD_SUBNETS = [
    (SUBNET.upper(), "no capital letters"),
    ("00000000-0000-0000-0000-000000000000", "Enter a subnet ID such as"),
    ("0190b2f4-7c1e-7abc-8def-0123456789ab", "Enter a subnet ID such as"),  # UUID version 7
    ("{" + SUBNET + "}", "Enter a subnet ID such as"),
    (SUBNET + " ", "a space or a line break around"),
    (SUBNET + "\n", "a space or a line break around"),
    (SUBNET.replace("-", ""), "Enter a subnet ID such as"),
    ("default", "Enter a subnet ID such as"),
]


def test_the_name_has_the_focus_in_a_new_form_and_what_was_wrong_has_it_in_one_that_is_shown_again(
    people: People, projects: Projects, as_: SignIn
) -> None:
    ada, focused = as_("ada"), re.compile(r'<input[^>]* name="name"[^>]* autofocus')
    assert focused.search(body(ada.get(NEW)))
    again = submit(ada, name="with space")
    assert (again.status_code, focused.search(body(again))) == (422, None)


def refusals(**filters: object) -> list[str]:
    return [event.evidence for event in events(outcome="refused", **filters)]


def test_a_cluster_is_created_listed_and_found_in_the_audit(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    answer = submit(ada, name="test-hps--1107", reason="Baseline run")
    creation = Creation.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/creations/{creation.pk}/"
    assert 'data-state="queued"' in body(ada.get(answer["Location"]))
    assert cloud.simulator.journal() == []  # nothing upstream happens inside a web request

    run_worker()

    page = body(ada.get(answer["Location"]))
    assert 'data-state="created"' in page
    cluster = cloud.simulator.clusters()[0]
    assert cluster.id in page
    listed = words(ada.get("/clusters/"))
    assert "test-hps--1107" in listed
    assert cluster.networks[0].subnet_id in listed
    text = body(as_("olga").get("/audit/?q=test-hps--1107&outcome=done"))
    assert "cluster:create:succeeded" in text
    assert [event.action for event in events(object_id=str(creation.pk))] == [
        "cluster:create:requested",
        "cluster:create:sending",
        "cluster:create:succeeded",
    ]


def test_an_ecs_cluster_on_a_chosen_subnet_is_created_just_so(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    submit(as_("ada"), name="train-ecs", type="ECS", hyper_cluster_subnet_id=SUBNET)
    run_worker()
    cluster = cloud.simulator.clusters()[0]
    assert (cluster.name, cluster.type, cluster.networks[0].subnet_id) == ("train-ecs", "ECS", SUBNET)
    assert not cluster.networks[0].is_default


def test_a_known_subnet_of_the_project_is_offered_and_those_of_another_project_are_not(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ours = cloud.simulator.add_cluster(projects.vision.project_id, "ours").networks[0].subnet_id
    theirs = cloud.simulator.add_cluster(projects.speech.project_id, "theirs").networks[0].subnet_id
    run_worker()
    form = body(as_("ada").get(NEW))
    assert ours in form
    assert theirs not in form


def test_a_bad_name_is_refused_with_what_is_wrong_and_nothing_is_sent(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    for name, why in BAD_NAMES:
        answer = post_by_hand(ada, name=name, reason="kept")
        assert answer.status_code == 422, ascii(name)
        assert why in words(answer), ascii(name)
        assert value_of(answer, "reason") == "kept"
        event = events(action="cluster:create:refused")[-1]
        assert (event.person_name, event.team_name, event.evidence) == ("ada", "Vision", "invalid")
        assert event.request is not None
        # Kept as it was typed, but for what a terminal or a database chokes on, which is kept as an escape.
        assert event.request["name"] == name.replace("\u200b", "\\u200b")
        DenialWindow.objects.all().delete()  # so that the next refusal has an event of its own
    run_worker()
    assert not Creation.objects.exists()
    assert cloud.posts == []


def test_an_empty_name_is_refused_and_the_page_says_so(as_: SignIn, projects: Projects, cloud: Cloud) -> None:
    answer = submit(as_("ada"), name="")
    assert answer.status_code == 422
    assert "Name This field is required." in words(answer)
    assert refusals() == ["invalid"]


def test_g32_an_odd_but_valid_name_arrives_byte_for_byte(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    pages = {name: post_by_hand(ada, name=name)["Location"] for name in ODD_NAMES}
    run_worker()
    assert [cluster.name for cluster in cloud.simulator.clusters()] == ODD_NAMES
    for name, page in pages.items():
        creation = Creation.objects.get(name=name)
        assert {event.object_name for event in events(object_id=str(creation.pk))} == {name}
        sent = events(action="cluster:create:succeeded", object_id=str(creation.pk))[0].request
        assert sent is not None
        assert json.loads(sent["body"])["name"] == name
        assert 'data-state="created"' in body(ada.get(page)), name
        assert name in main(ada.get(creation.cluster.get_absolute_url()))


def test_a_bad_subnet_is_refused_with_what_is_wrong_and_nothing_is_sent(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    for subnet, why in BAD_SUBNETS:
        answer = post_by_hand(ada, name="fine", hyper_cluster_subnet_id=subnet)
        assert answer.status_code == 422, subnet
        assert why in words(answer), subnet
        assert value_of(answer, "name") == "fine"
    run_worker()
    assert cloud.posts == []
    assert set(refusals()) == {"invalid"}
    assert denied("refused") == len(BAD_SUBNETS)


def test_a_made_up_type_is_refused(as_: SignIn, projects: Projects, cloud: Cloud) -> None:
    ada = as_("ada")
    assert [post_by_hand(ada, type=kind).status_code for kind in (" ", "hps", "GPU", "HPS\n")] == [422] * 4
    assert ada.post(NEW, {"project": VISION, "name": "a", "token": str(uuid.uuid4())}).status_code == 422
    assert set(refusals()) == {"invalid"}
    assert denied("refused") == 5
    assert not Creation.objects.exists()


def test_a_nul_character_anywhere_is_refused_like_any_other_wrong_value(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    fields = ("name", "reason", "project", "hyper_cluster_subnet_id", "type", "token")
    statuses = {field: post_by_hand(ada, **{field: "a\x00b"}).status_code for field in fields}
    assert statuses == dict.fromkeys(fields, 422)
    assert set(refusals()) == {"invalid"}
    assert denied("refused") == len(fields)


def test_a_name_that_a_live_cluster_has_is_refused_with_a_link_to_it(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    run_worker()
    answer = submit(as_("ada"), name="taken", reason="mine")
    assert answer.status_code == 422
    assert (
        "Fix this first: Name : A cluster with this name already exists in this project. Nothing was sent"
        in words(answer)
    )
    assert "Already exists in this project" in words(answer)
    assert projects.vision.clusters.get().get_absolute_url() in body(answer)
    assert (value_of(answer, "name"), value_of(answer, "reason")) == ("taken", "mine")
    assert refusals() == ["name_taken"]
    run_worker()
    assert cloud.posts == []


def test_a_name_that_is_free_in_this_project_may_be_taken_in_another(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.speech.project_id, "same")
    run_worker()
    assert submit(as_("ada"), name="same").status_code == 302


def test_a_taken_name_is_said_beside_the_other_errors(as_: SignIn, projects: Projects, cloud: Cloud) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    run_worker()
    ada = as_("ada")
    text = words(submit(ada, name="taken", hyper_cluster_subnet_id="none"))
    box = (
        "Not sent. Fix this first: Name : taken already exists in this project Subnet ID : Enter a subnet ID"
    )
    assert box in text
    back = words(ada.get("/clusters/new/"))
    assert "Your last entries are back. Start over" in back
    assert "Your last entries are back." not in words(ada.get("/clusters/new/", {"type": "HPS"}))


def test_a_name_whose_creation_is_open_is_refused_with_a_link_to_it(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    open_one = submit_creation(people.tom, projects.vision, "twice")
    answer = submit(as_("ada"), name="twice")
    assert answer.status_code == 422
    assert "A creation of this name is not settled yet" in words(answer)
    assert open_one.get_absolute_url() in body(answer)
    assert refusals() == ["name_unresolved"]
    assert Creation.objects.count() == 1


def test_g24_a_project_of_another_team_is_refused_like_one_that_does_not_exist(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    theirs, nobodys = (submit(ada, name="mine", project=project) for project in (SPEECH, "no-such-project"))
    assert theirs.status_code == nobodys.status_code == 422
    assert main(theirs) == main(nobodys)
    assert "This is not one of the projects in which you may create." in words(theirs)
    assert SPEECH not in body(theirs)
    run_worker()
    assert cloud.posts == []
    assert refusals(person_name="ada") == ["invalid"]
    assert DenialWindow.objects.get().count == 1
    assert {event.team_name for event in events(outcome="refused")} == {""}


@pytest.mark.parametrize("name", ["vera", "nina", "olga", "root"])
def test_a_person_who_creates_nowhere_and_posts_by_hand_is_denied_and_nothing_is_sent(
    name: str, as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    answer = post_by_hand(as_(name), name="sneaky", hyper_cluster_subnet_id=SUBNET, reason="because")
    assert answer.status_code == 403
    assert "Nothing was sent" in words(answer)
    run_worker()
    assert not Creation.objects.exists()
    assert cloud.posts == []
    (event,) = events(action="cluster:create:denied")
    assert (event.person_name, event.object_name, event.reason) == (name, "sneaky", "because")
    assert event.request is not None
    assert event.request["hyper_cluster_subnet_id"] == SUBNET
    assert VISION in json.dumps([event.request, event.response])


def test_a_person_who_creates_nowhere_is_told_who_can_help_instead_of_a_form(
    as_: SignIn, projects: Projects
) -> None:
    answer = as_("vera").get(NEW)
    assert answer.status_code == 403
    assert "Who can give it to you" in words(answer)
    assert "<form" not in main(answer)
    assert 'name="token"' not in body(answer)


def test_a_form_without_its_token_is_refused_and_nothing_is_recorded_as_asked(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    for token in ("", "garbage", "0", "x" * 36):
        answer = post_by_hand(ada, token=token)
        assert answer.status_code == 422
        assert value_of(answer, "name") == "by-hand"
    assert set(refusals()) == {"invalid"}
    assert denied("refused") == 4
    assert not Creation.objects.exists()


def test_a_form_shown_again_for_its_broken_token_has_a_good_one(as_: SignIn, projects: Projects) -> None:
    ada = as_("ada")
    shown_again = post_by_hand(ada, token="garbage")
    assert submit(ada, token=value_of(shown_again, "token"), name="second-go").status_code == 302


def test_g05_the_same_form_twice_leads_to_the_same_creation(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    token = fresh_token(ada)
    first, second = (submit(ada, token=token, name="once") for _ in range(2))
    assert first["Location"] == second["Location"]
    run_worker()
    third = submit(ada, token=token, name="once")  # a reload hours later, with the cluster there
    assert third["Location"] == first["Location"]
    run_worker()
    assert len(cloud.posts) == 1
    assert len(events(action="cluster:create:requested")) == 1


def test_g05_a_used_form_with_other_values_is_a_conflict(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    token = fresh_token(ada)
    submit(ada, token=token, name="once")
    answer = submit(ada, token=token, name="another")
    assert answer.status_code == 409
    assert "Nothing was sent" in words(answer)
    assert Creation.objects.get().get_absolute_url() in body(answer)
    assert refusals() == ["token_used"]


def test_g05_a_form_that_somebody_else_used_tells_nothing_of_what_it_made(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    token = fresh_token(as_("mallory"))
    submit(as_("mallory"), token=token, name="secret-plan", project=SPEECH)
    answer = submit(as_("ada"), token=token, name="secret-plan")
    assert answer.status_code == 409
    assert str(Creation.objects.get().pk) not in body(answer)
    assert "secret-plan" not in main(answer)


def test_every_form_has_a_token_of_its_own(as_: SignIn, projects: Projects) -> None:
    ada = as_("ada")
    assert fresh_token(ada) != fresh_token(ada)


def test_a_full_project_refuses_and_says_how_many_it_may_have(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    Project.objects.filter(pk=projects.vision.pk).update(quota=1)
    ada = as_("ada")
    submit(ada, name="the-one")
    answer = submit(ada, name="one-too-many")
    assert answer.status_code == 422
    assert "This project has reached its quota of 1 cluster. Nothing was sent: delete one" in words(answer)
    assert refusals() == ["quota"]
    assert "Project quota: 1 of 1 used" in words(answer)


def test_a_quota_of_0_is_said_as_a_choice_and_not_as_a_full_project(as_: SignIn, projects: Projects) -> None:
    Project.objects.filter(pk=projects.vision.pk).update(quota=0)
    text = words(submit(as_("ada"), name="not-here"))
    assert (
        "The quota is 0: no cluster can be created. Nothing was sent: ask a platform admin for more." in text
    )
    assert "0 of 0" not in text


def test_g17_a_project_whose_calls_are_stopped_refuses_at_once_and_says_why(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    Project.objects.filter(pk=projects.vision.pk).update(
        blocked_until=timezone.now() + timedelta(minutes=5),
        blocked_cause="status_401",
        blocked_code="APIGW.0301",
    )
    answer = submit(as_("ada"), name="later")
    assert answer.status_code == 422
    assert "Calls to the cloud are paused for this project." in words(answer)
    assert "does not accept the project's access key" in words(answer)
    assert refusals() == ["blocked"]
    assert not Creation.objects.exists()


def test_a_reason_of_500_characters_is_kept_and_one_more_is_refused(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    assert submit(ada, name="short-enough", reason="é" * 500).status_code == 302
    assert Creation.objects.get().reason == "é" * 500
    assert submit(ada, name="too-long", reason="é" * 501).status_code == 422


def test_g25_a_form_opened_before_access_ended_is_denied_when_it_is_posted(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    token = fresh_token(ada)
    end_grant(Grant.objects.get(person=people.ada), reason="left the team")
    answer = submit(ada, token=token, name="too-late")
    assert answer.status_code == 403
    assert len(events(action="cluster:create:denied")) == 1
    assert not Creation.objects.exists()


def test_g02_a_database_that_takes_no_entries_means_no_call_and_a_page_that_says_so(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    token = fresh_token(ada)
    with read_only_database():
        answer = submit(ada, token=token, name="never-sent", reason="an evening's <b>work</b>")
    assert answer.status_code == 503
    assert "nothing was sent" in words(answer)
    assert "never-sent" in words(answer)
    assert "Reason an evening's <b>work</b>" in words(answer)  # what was typed is not lost
    assert "hyper_cluster_subnet_id" not in body(answer)
    assert value_of(ada.get("/clusters/new/"), "name") == "never-sent", "the way back to the form"
    assert answer["X-Request-Id"] in body(answer)
    run_worker()
    assert cloud.posts == []
    assert not Creation.objects.exists()


def test_g02_a_refusal_that_cannot_be_recorded_is_not_shown_as_one(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    token = fresh_token(ada)
    with read_only_database():
        answer = submit(ada, token=token, name="bad name")
    assert answer.status_code == 503
    assert "nothing was sent" in words(answer)


def test_g02_a_commit_that_fails_means_no_call(
    as_: SignIn, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = as_("ada")
    token = fresh_token(ada)

    def commit() -> None:
        raise OperationalError("disk full")

    with monkeypatch.context() as failing:
        failing.setattr(connection, "_commit", commit)
        answer = submit(ada, token=token, name="never-sent")
    assert answer.status_code == 503
    assert "nothing was sent" in words(answer)
    run_worker()
    assert cloud.posts == []
    assert submit(ada, token=token, name="never-sent").status_code == 302  # the form is still good


def test_g16_a_commit_whose_answer_was_lost_is_not_taken_for_one_that_failed(
    as_: SignIn, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = as_("ada")
    token = fresh_token(ada)
    really = connection._commit  # type: ignore[attr-defined]

    def commit() -> None:
        really()
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as failing:
        failing.setattr(connection, "_commit", commit)
        answer = submit(ada, token=token, name="was-recorded")
    creation = Creation.objects.get()  # the worker will send it
    if answer.status_code == 302:
        assert answer["Location"] == creation.get_absolute_url()
    else:
        assert "nothing was sent" not in words(answer).lower()


def test_the_bytes_that_were_promised_are_the_bytes_that_are_sent(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    submit(as_("ada"), name="promised", hyper_cluster_subnet_id=SUBNET)
    run_worker()
    promised = create_request(
        project_id=projects.vision.project_id, name="promised", type=ClusterType.HPS, subnet_id=SUBNET
    )
    sent = events(action="cluster:create:succeeded")[0].request
    assert sent is not None
    assert sent["body"] == promised.body.decode()
    assert sent["url"] == cloud.simulator.endpoint + promised.path


def test_trying_again_prefills_the_form_and_links_the_two_attempts(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "create", status=400, error_code="ModelArts.0104", times=1)
    failed = submit_creation(people.ada, projects.vision, "again", reason="why not")
    run_worker()
    ada = as_("ada")
    text = body(ada.get(failed.get_absolute_url()))
    link = text[text.index(f"{NEW}?project=") :].partition('"')[0].replace("&amp;", "&")
    form = ada.get(link)
    assert (value_of(form, "name"), value_of(form, "again_of")) == ("again", str(failed.pk))
    answer = ada.post(
        NEW,
        {
            "project": VISION,
            "name": "again",
            "type": "HPS",
            "token": value_of(form, "token"),
            "again_of": value_of(form, "again_of"),
        },
    )
    assert answer.status_code == 302
    assert Creation.objects.get(state=State.QUEUED).again_of == failed


def test_a_link_to_an_attempt_of_another_team_is_not_kept(
    as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    theirs = submit_creation(people.mallory, projects.speech, "theirs")
    submit(as_("ada"), name="mine", again_of=str(theirs.pk))
    assert Creation.objects.get(name="mine").again_of is None


def statements(act: Callable[[], object]) -> list[str]:
    """What an act asks of the database, without the ends of its transactions."""
    with CaptureQueriesContext(connection) as queries:
        act()
    return [
        row["sql"]
        for row in queries
        if not row["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))
    ]


def test_a_creation_takes_few_statements_on_the_page_and_in_the_worker(
    projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    ada = as_("ada")
    submit(ada, name="first")  # what a process reads once is read
    run_worker()
    token = fresh_token(ada)
    asked = statements(lambda: submit(ada, token=token, name="second"))
    claimed = CREATIONS.claim("here", state="queued")
    assert claimed is not None
    sent = statements(lambda: CREATIONS.send(claimed))
    assert len(asked) <= (11 if connection.vendor == "postgresql" else 10), asked
    # One takes the write budget before the list is read, two ask which IDs are new, one for creations without an answer,
    # and one for the person's roles after the list was read.
    assert len(sent) <= 27, sent


@pytest.mark.parametrize("quota", [None, 9])
@pytest.mark.parametrize("approvals", [{}, {"approval_types": ["HPS"]}, {"approval_from": 1}])
def test_no_rule_of_the_team_takes_a_form_over_twelve_statements(
    quota: int | None, approvals: dict[str, Any], projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    ada = as_("ada")
    Project.objects.update(quota=quota)
    Team.objects.update(quota=quota, **approvals)
    submit(ada, name="first")
    token = fresh_token(ada)
    asked = statements(lambda: submit(ada, token=token, name="second"))
    assert len(asked) <= 12, asked
    waits = "waiting" if approvals else "not_needed"
    assert Creation.objects.get(name="second").approval == waits
    again = {
        "token": fresh_token(ada),
        "name": "third",
        "again_of": str(Creation.objects.get(name="first").pk),
    }
    assert len(statements(lambda: submit(ada, **again))) <= 13  # the form of another attempt looks that up
