"""Changing what is connected: who may, what the audit keeps, and keys that are replaced, sealed anew, or a machine's own."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from hyperclusters.access.permissions import NotPermitted
from hyperclusters.audit.models import Event
from hyperclusters.clusters import connections, machine
from hyperclusters.clusters import projects as services
from hyperclusters.clusters.connections import ask_test, run_test
from hyperclusters.clusters.credentials import key_ids
from hyperclusters.clusters.models import ConnectionTest, Diagnosis, KeyKind, Project, State
from hyperclusters.modelarts import Credentials
from tests.conftest import KEY, Cloud, People, Projects, events, make_due, run_worker, submit_creation
from tests.modelarts.test_modelarts_metadata import Metadata, key, metadata

__all__ = ["metadata"]
SECRET = Credentials("CANARYACCESSKEY", "canary-secret-key")


@pytest.mark.parametrize("name", ["ada", "tom", "olga", "mallory", "nina"])
def test_changing_a_project_is_for_platform_admins(name: str, people: People, projects: Projects) -> None:
    by, before = getattr(people, name), Event.objects.count()
    locked_project = projects.vision
    with pytest.raises(NotPermitted):
        services.change_project(
            by=by,
            project=locked_project,
            name="x",
            team=people.speech,
            region="",
            quota=1,
            reads_traces=False,
        )
    with pytest.raises(NotPermitted):
        services.replace_key(by=by, project=locked_project, credentials=SECRET)
    with pytest.raises(NotPermitted):
        ask_test(by=by, project=locked_project)
    assert Event.objects.count() == before
    assert Project.objects.get(pk=locked_project.pk).sealed_credentials == locked_project.sealed_credentials


def test_a_change_is_one_event_with_what_was_and_what_is(people: People, projects: Projects) -> None:
    values = {
        "name": "renamed",
        "team": people.speech,
        "region": "cn-north-9",
        "quota": 3,
        "reads_traces": True,
    }
    assert services.change_project(by=people.root, project=projects.vision, **values)  # type: ignore[arg-type]
    (event,) = events(action="project:changed")
    assert event.before == {
        "name": "vision-cn-southwest-2",
        "team": "Vision",
        "region": "cn-southwest-2",
        "quota": None,
        "reads_traces": False,
    }
    assert event.after == values | {"team": "Speech"}
    assert (event.person_name, event.team_name) == ("root", "Speech")
    assert not services.change_project(by=people.root, project=projects.vision, **values)  # type: ignore[arg-type]
    assert len(events(action="project:changed")) == 1


def test_a_name_that_is_taken_changes_nothing(people: People, projects: Projects) -> None:
    with pytest.raises(ValidationError):
        services.change_project(
            by=people.root,
            project=projects.vision,
            name=projects.speech.name,
            team=people.vision,
            region="",
            quota=None,
            reads_traces=False,
        )
    assert Project.objects.get(pk=projects.vision.pk).name == "vision-cn-southwest-2"
    assert events(action="project:changed") == []


def test_g33_a_replaced_key_signs_the_next_call_and_is_never_written_down(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    cloud.simulator.remove_key(KEY.access_key)
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    assert Project.objects.get(pk=projects.vision.pk).is_blocked()
    cloud.simulator.add_key(SECRET.access_key, SECRET.secret_key)
    services.replace_key(by=people.root, project=projects.vision, credentials=SECRET)
    locked_project = Project.objects.get(pk=projects.vision.pk)
    assert not locked_project.is_blocked()  # the old key's pause is no reason to wait with the new one
    again = submit_creation(people.ada, projects.vision, "again")
    make_due(again)
    run_worker()
    again.refresh_from_db()
    assert again.state == State.CREATED
    assert creation.name != again.name
    (event,) = events(action="project:key:replaced")
    assert event.after == {"key": "static", "key_until": "", "sealed_with": key_ids()[0], "calls": "resumed"}
    everything = " ".join(repr(vars(event)) for event in Event.objects.all())
    assert SECRET.secret_key not in everything
    assert SECRET.access_key not in everything
    assert SECRET.secret_key not in repr(vars(locked_project))


def test_g33_a_temporary_key_sends_nothing_after_its_end(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    token = Credentials("TEMPORARY", "temporary-secret", "temporary-token")
    cloud.simulator.add_key(token.access_key, token.secret_key, security_token=token.security_token)
    now = timezone.now()
    for until in (None, now - timedelta(seconds=1), now + timedelta(hours=25)):
        with pytest.raises(ValidationError):
            services.replace_key(by=people.root, project=projects.vision, credentials=token, key_until=until)
    until = now + timedelta(hours=1)
    services.replace_key(by=people.root, project=projects.vision, credentials=token, key_until=until)
    submit_creation(people.ada, projects.vision, "in-time")
    run_worker()
    assert len(cloud.posts) == 1
    Project.objects.filter(pk=projects.vision.pk).update(key_until=now)
    late = submit_creation(people.ada, projects.vision, "too-late")
    run_worker()
    late.refresh_from_db()
    assert (late.state, late.cause) == (State.REFUSED, "key_ended")
    assert len(cloud.posts) == 1


@pytest.fixture
def keyless(
    people: People, projects: Projects, metadata: Metadata, settings: Settings, cloud: Cloud
) -> Metadata:
    """Vision's project signs with the machine's own key."""
    machine.forget()
    settings.METADATA_ENDPOINT = metadata.endpoint
    services.replace_key(by=people.root, project=projects.vision, credentials=None)
    cloud.simulator.add_key("MACHINEAK", "machine-secret", security_token="machine-token")
    return metadata


def test_g33_a_machine_s_own_key_signs_and_nothing_of_it_is_stored(
    keyless: Metadata, people: People, cloud: Cloud, projects: Projects
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.CREATED
    locked_project = Project.objects.get(pk=projects.vision.pk)
    assert (locked_project.key_kind, locked_project.sealed_credentials, locked_project.sealed_with) == (
        KeyKind.MACHINE,
        "",
        "",
    )
    assert (
        len([path for method, path, _ in keyless.asked if method == "GET"]) == 1
    )  # kept until it must be renewed


def test_g33_a_machine_s_key_is_renewed_before_it_ends(
    keyless: Metadata, people: People, cloud: Cloud, projects: Projects
) -> None:
    keyless.key = (200, key(lives=timedelta(minutes=39)))
    submit_creation(people.ada, projects.vision, "one")
    run_worker()
    cloud.simulator.add_key("SECONDAK", "machine-secret", security_token="machine-token")
    keyless.key = (200, key(access="SECONDAK"))
    submit_creation(people.ada, projects.vision, "two")
    run_worker()
    assert {entry.access_key for entry in cloud.posts} == {"MACHINEAK", "SECONDAK"}


def test_g33_while_the_metadata_service_is_away_the_key_at_hand_serves_until_its_end(
    keyless: Metadata, people: People, cloud: Cloud, projects: Projects
) -> None:
    keyless.key = (200, key(lives=timedelta(minutes=5)))
    submit_creation(people.ada, projects.vision, "one")
    run_worker()
    keyless.key = (500, "")
    submit_creation(people.ada, projects.vision, "two")
    run_worker()
    assert len(cloud.posts) == 2
    machine.forget()
    third = submit_creation(people.ada, projects.vision, "three")
    run_worker()
    third.refresh_from_db()
    assert (third.state, third.cause) == (State.REFUSED, "metadata_refused")
    assert len(cloud.posts) == 2


def test_a_machine_s_key_needs_the_operator_s_word(
    people: People, projects: Projects, settings: Settings
) -> None:
    assert settings.METADATA_ENDPOINT == ""
    with pytest.raises(ValidationError):
        services.replace_key(by=people.root, project=projects.vision, credentials=None)


def rotate() -> str:
    out = StringIO()
    call_command("rotate_credentials", stdout=out)
    return out.getvalue()


def test_g33_rotation_goes_on_after_an_interruption_and_frees_the_old_key(
    people: People, projects: Projects, settings: Settings
) -> None:
    old, new = settings.CREDENTIAL_KEYS[0], Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, old]
    next(iter(services.reseal_keys()))  # and killed after the first
    with_new = Project.objects.filter(sealed_with=key_ids()[0])
    assert with_new.count() == 1
    text = rotate()
    assert "1 of 2 keys are not encrypted" in text
    assert "1/1" in text
    assert with_new.count() == 2
    settings.CREDENTIAL_KEYS = [new]
    assert services.unreadable() == []
    assert len(events(action="project:key:resealed")) == 2
    assert "0 of 2" in rotate()
    assert old not in text
    assert new not in text


def test_g33_a_key_that_is_gone_is_said_by_name_at_the_start_and_by_the_rotation(
    people: People, projects: Projects, settings: Settings
) -> None:
    assert run_checks(databases=["default"], tags=["database"]) == []
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    (error,) = [found for found in run_checks(databases=["default"]) if found.id == "keys.E001"]
    assert "speech-cn-north-9, vision-cn-southwest-2" in error.msg
    with pytest.raises(CommandError, match="2 keys cannot be read"):
        rotate()
    with pytest.raises(SystemCheckError, match=r"keys\.E001"):
        call_command("worker")


def outcome_of_a_test(people: People, project: Project) -> ConnectionTest:
    """Ask for a test as the page does, and let the worker make it."""
    test = ask_test(by=people.root, project=project)
    run_worker()
    test.refresh_from_db()
    return test


def test_a_connection_that_works_says_so_with_the_cloud_s_words(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "theirs")
    test = outcome_of_a_test(people, projects.vision)
    assert (test.diagnosis, test.clusters, test.clock_offset) == (Diagnosis.WELL, 1, None)
    assert test.upstream_request_id
    event, ended = events(action__startswith="project:test")
    assert (event.outcome, ended.outcome, ended.evidence) == ("accepted", "done", "well")
    assert (ended.person_name, ended.source) == ("root", "worker")
    assert cloud.posts == []


@pytest.mark.parametrize(
    ("trouble", "diagnosis"),
    [
        ({"status": 403, "error_code": "ModelArts.6407"}, Diagnosis.DENIED),
        ({"status": 403, "error_code": "APIGW.0302"}, Diagnosis.DENIED),
        ({"status": 404, "error_code": "APIGW.0101"}, Diagnosis.ENDPOINT),
        ({"status": 429, "error_code": "APIGW.0308"}, Diagnosis.THROTTLED),
        ({"status": 500, "error_code": "X.1"}, Diagnosis.OTHER),
    ],
    ids=str,
)
def test_a_refusal_is_told_by_what_it_means(
    trouble: dict[str, object], diagnosis: str, people: People, cloud: Cloud, projects: Projects
) -> None:
    cloud.simulator.fault("error", "list", project=projects.vision.project_id, **trouble)
    test = outcome_of_a_test(people, projects.vision)
    assert (test.diagnosis, test.code) == (diagnosis, trouble["error_code"])
    assert events(action="project:test:ended")[-1].outcome == "failed"


def test_a_wrong_key_is_tried_once_and_then_rested(people: People, cloud: Cloud, projects: Projects) -> None:
    services.replace_key(by=people.root, project=projects.vision, credentials=SECRET)
    Project.objects.get(pk=projects.vision.pk).sources.update(run_after=timezone.now() + timedelta(hours=1))
    assert outcome_of_a_test(people, projects.vision).diagnosis == Diagnosis.KEY
    calls = len(cloud.simulator.journal())
    assert outcome_of_a_test(people, projects.vision).diagnosis == Diagnosis.STOPPED
    assert [
        entry for entry in cloud.simulator.journal()[calls:] if entry.project_id == projects.vision.project_id
    ] == []


def test_a_clock_that_differs_is_measured_and_signed_by(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    cloud.simulator.set(clock_offset=3600.0)
    test = outcome_of_a_test(people, projects.vision)
    assert test.diagnosis == Diagnosis.CLOCK
    assert test.clock_offset is not None
    assert abs(test.clock_offset.total_seconds() - 3600) < 30
    assert test.clusters == 0


@pytest.mark.parametrize(
    ("endpoint", "diagnosis"),
    [
        ("http://127.0.0.1:1", Diagnosis.NETWORK),
        ("https://nowhere.invalid", Diagnosis.LOOKUP),
    ],
)
def test_a_way_that_leads_nowhere_is_told_from_one_that_is_closed(
    endpoint: str, diagnosis: str, people: People, settings: Settings
) -> None:
    settings.UPSTREAM_HOSTS = ["127.0.0.1", "nowhere.invalid"]
    project = services.connect_project(
        by=people.root,
        name="far",
        team=people.vision,
        endpoint=endpoint,
        project_id="c" * 32,
        credentials=KEY,
    )
    project.sources.update(run_after=timezone.now() + timedelta(hours=1))
    assert outcome_of_a_test(people, project).diagnosis == diagnosis


def test_a_key_that_cannot_be_read_is_said_and_sends_nothing(
    people: People, cloud: Cloud, projects: Projects, settings: Settings
) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    test = outcome_of_a_test(people, projects.vision)
    assert (test.diagnosis, test.cause) == (Diagnosis.NO_KEY, "unreadable_credentials")
    assert cloud.simulator.journal() == []
    assert Project.objects.get(pk=projects.vision.pk).probe_until is None


def test_a_test_under_way_is_not_begun_twice_and_goes_to_one_worker(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    first, second = (ask_test(by=people.root, project=projects.vision) for _ in range(2))
    assert first.pk == second.pk
    assert len(events(action="project:test:asked")) == 1
    test = ConnectionTest.objects.claim("one")
    assert test is not None
    assert ConnectionTest.objects.claim("two") is None
    run_test(test)
    run_test(test)  # a worker that comes back late
    assert len(events(action="project:test:ended")) == 1


def test_a_test_that_is_asked_for_wakes_the_workers_once(
    people: People, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakings: list[bool] = []
    monkeypatch.setattr(connections, "wake_workers", lambda: wakings.append(connection.in_atomic_block))
    for _ in range(2):
        ask_test(by=people.root, project=projects.vision)
    assert wakings == [True]  # within the transaction: PostgreSQL tells the workers when it commits
