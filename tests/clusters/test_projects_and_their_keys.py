"""Connecting projects: which endpoints may be called, and keys that open for their own row alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from hyperclusters.access.permissions import NotPermitted
from hyperclusters.clusters import heartbeat
from hyperclusters.clusters.credentials import UnreadableCredentials, seal, unseal
from hyperclusters.clusters.models import Heartbeat, Project, State
from hyperclusters.clusters.projects import connect_project
from hyperclusters.clusters.upstream import is_allowed
from hyperclusters.modelarts import Credentials
from tests.conftest import KEY, Cloud, People, Projects, events, run_worker, submit_creation

VENDOR = ["*.myhuaweicloud.com", "gateway.example.com"]


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("https://modelarts.cn-southwest-2.myhuaweicloud.com", True),
        ("https://modelarts.cn-southwest-2.myhuaweicloud.com:8443", True),
        ("https://GATEWAY.example.com", True),
        ("http://modelarts.cn-southwest-2.myhuaweicloud.com", False),
        ("https://myhuaweicloud.com", False),
        ("https://evilmyhuaweicloud.com", False),
        ("https://a.myhuaweicloud.com.evil.example", False),
        ("https://a.myhuaweicloud.com@evil.example", False),
        ("https://evil.example#a.myhuaweicloud.com", False),
        ("https://evil.example/a.myhuaweicloud.com", False),
        ("https://evil.example?.myhuaweicloud.com", False),
        ("https://evil.example\\.myhuaweicloud.com", False),
        ("https://127.0.0.1", False),
        ("https://169.254.169.254", False),
        ("http://127.0.0.1:9000", False),
        ("http://localhost:9000", False),
        ("ftp://a.myhuaweicloud.com", False),
        ("https://", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_only_hosts_of_the_operator_s_list_may_be_called(
    endpoint: str, allowed: bool, settings: Settings
) -> None:
    settings.UPSTREAM_HOSTS = VENDOR
    assert is_allowed(endpoint) is allowed


def test_plain_http_is_for_a_listed_loopback_alone(settings: Settings) -> None:
    settings.UPSTREAM_HOSTS = ["127.0.0.1", "10.0.0.1", "*.example.com"]
    assert is_allowed("http://127.0.0.1:9000")
    assert not is_allowed("http://10.0.0.1")
    assert not is_allowed("http://a.example.com")


def connect(people: People, **changes: str) -> Project:
    values: dict[str, Any] = {
        "name": "new",
        "endpoint": "http://127.0.0.1:1",
        "project_id": "c" * 32,
    } | changes
    return connect_project(by=people.root, team=people.vision, credentials=KEY, **values)


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "https://evil.example"},
        {"endpoint": "http://127.0.0.1:1/"},
        {"endpoint": "http://127.0.0.1:1/path"},
        {"endpoint": "http://127.0.0.1:1?query"},
        {"endpoint": "http://user@127.0.0.1:1"},
        {"endpoint": "http://127.0.0.1:99999"},
        {"project_id": ""},
        {"project_id": "../../v2/keys"},
        {"project_id": "c" * 65},
        {"project_id": "cccc\n"},
        {"name": "two words"},
    ],
    ids=str,
)
def test_a_malformed_project_is_refused_when_it_is_connected_and_not_when_it_is_called(
    changes: dict[str, str], people: People
) -> None:
    with pytest.raises(ValidationError):
        connect(people, **changes)
    assert not Project.objects.exists()
    assert events(action="project:connected") == []


def test_a_project_is_connected_with_both_its_lists_and_an_event_without_its_key(people: People) -> None:
    project = connect(people)
    assert set(project.sources.values_list("type", flat=True)) == {"HPS", "ECS"}
    (event,) = events(action="project:connected")
    assert (event.person_name, event.team_name, event.object_name) == ("root", "Vision", "new")
    assert KEY.secret_key not in repr(vars(event))
    assert KEY.access_key not in repr(vars(event))


def test_one_project_of_the_cloud_is_connected_once(people: People) -> None:
    connect(people)
    with pytest.raises(ValidationError):
        connect(people, name="another")


@pytest.mark.parametrize("name", ["ada", "tom", "olga", "nina"])
def test_connecting_is_for_platform_admins(name: str, people: People) -> None:
    with pytest.raises(NotPermitted):
        connect_project(
            by=getattr(people, name),
            name="new",
            team=people.vision,
            endpoint="http://127.0.0.1:1",
            project_id="c",
            credentials=KEY,
        )


def test_g33_a_sealed_key_opens_for_its_own_row_alone_and_shows_nothing() -> None:
    sealed = seal(Credentials("AK", "SK-canary", "token-canary"), bound_to="https://a|1")
    assert "canary" not in sealed
    assert unseal(sealed, bound_to="https://a|1") == Credentials("AK", "SK-canary", "token-canary")
    for other in ("https://a|2", "https://b|1", ""):
        with pytest.raises(UnreadableCredentials):
            unseal(sealed, bound_to=other)


@pytest.mark.parametrize("sealed", ["", "garbage", "gAAAAA", "中文"])
def test_g33_what_no_key_opens_is_said_to_be_unreadable(sealed: str) -> None:
    with pytest.raises(UnreadableCredentials):
        unseal(sealed, bound_to="x")


def test_g33_an_older_key_still_opens_and_a_removed_one_does_not(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [old]
    sealed = seal(KEY, bound_to="x")
    settings.CREDENTIAL_KEYS = [new, old]
    assert unseal(sealed, bound_to="x") == KEY
    settings.CREDENTIAL_KEYS = [new]
    with pytest.raises(UnreadableCredentials):
        unseal(sealed, bound_to="x")


def test_g33_a_key_copied_from_another_project_sends_nothing(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    theirs = Project.objects.get(pk=projects.speech.pk).sealed_credentials
    Project.objects.filter(pk=projects.vision.pk).update(sealed_credentials=theirs)
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.cause) == (State.REFUSED, "unreadable_credentials")
    assert {entry.project_id for entry in cloud.simulator.journal()} == {projects.speech.project_id}


def test_a_worker_is_alive_for_a_minute_after_it_was_heard_of(database: None) -> None:
    assert not heartbeat.is_a_worker_alive()
    heartbeat.beat("one")
    heartbeat.beat("one")
    assert Heartbeat.objects.count() == 1
    assert heartbeat.is_a_worker_alive()
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=61))
    assert not heartbeat.is_a_worker_alive()


def test_pages_ask_once_a_minute_whether_a_worker_is_alive_and_say_no_when_the_minute_is_over(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not heartbeat.has_worker_beat()
    heartbeat.beat("one")
    with CaptureQueriesContext(connection) as queries:
        assert [heartbeat.has_worker_beat() for _ in range(3)] == [True] * 3
    assert len(queries) == 1
    over = timezone.now() + heartbeat.ALIVE
    monkeypatch.setattr("hyperclusters.clusters.heartbeat.clock.now", lambda: over)
    assert not heartbeat.has_worker_beat()
    heartbeat.beat("two")
    assert heartbeat.has_worker_beat()


def test_a_worker_that_ended_in_order_is_not_waited_for(database: None) -> None:
    heartbeat.beat("one")
    heartbeat.beat("two")
    heartbeat.remove("one")
    assert set(Heartbeat.objects.values_list("holder", flat=True)) == {"two"}


def test_a_worker_silent_for_a_day_is_forgotten(database: None) -> None:
    heartbeat.beat("lost")
    Heartbeat.objects.update(at=timezone.now() - timedelta(days=2))
    heartbeat.beat("alive")
    assert Heartbeat.objects.get().holder == "alive"
