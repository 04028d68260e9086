"""The command against the running product: web server, worker and simulated cloud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from pytest_django.live_server_helper import LiveServer

from hyperclusters.accounts.models import Scope
from hyperclusters.audit import manifest
from hyperclusters.clusters.models import Cluster, Creation, Deletion
from tests.api.client import issue
from tests.conftest import Cloud, People, Projects, run_worker

from .conftest import Run
from .server import DROP, serve

pytestmark = pytest.mark.any_database
ROOT = Path(__file__).resolve().parents[2]
PROJECT = ("--project", "vision-cn-southwest-2")


@pytest.fixture
def worker(database: None) -> Iterator[None]:
    """A worker beside the test."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            run_worker()
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_create_watch_find_and_delete(
    run: Run, live_server: LiveServer, people: People, projects: Projects, cloud: Cloud, worker: None
) -> None:
    token = issue(people.ada)
    made = run("create", "train", *PROJECT, "--wait", "--json", url=live_server.url, token=token)
    assert made.code == 0, made.err
    row = json.loads(made.out)
    assert (row["state"], len(cloud.posts)) == ("created", 1)
    cluster = Cluster.objects.get()
    for name in ("train", str(cluster.pk), cluster.cluster_id):
        shown = json.loads(run("show", name, "--json", token=token).out)
        assert shown["cluster_id"] == cluster.cluster_id
    assert cluster.cluster_id in run("show", "train", token=token).out
    listed = run("list", token=token)
    assert listed.out.splitlines()[0].startswith("NAME")
    assert str(cluster.pk) in listed.out
    assert str(row["id"]) in run("creations", token=token).out
    assert "Created" in run("creations", row["id"], token=token).out
    assert json.loads(run("list", "--search", "nothing", "--json", token=token).out) == []
    assert run("delete", "train", "--confirm-name", "other", token=token).code == 1
    assert not Deletion.objects.exists()
    deleted = run("delete", "train", "--confirm-name", "train", "--wait", token=token)
    assert (deleted.code, "Deleted" in deleted.out) == (0, True), deleted.err
    assert run("show", "train", token=token).code == 4
    assert json.loads(run("list", "--gone", "--json", token=token).out)[0]["name"] == "train"


def test_reading_the_audit_and_the_grants(
    run: Run, live_server: LiveServer, people: People, projects: Projects
) -> None:
    token = issue(people.tom)
    people_of_vision = json.loads(run("grants", "vision", "--json", url=live_server.url, token=token).out)
    assert {row["person"] for row in people_of_vision} == {"tom", "ada", "vera"}
    assert "vera" in run("grants", "vision", token=token).out
    assert run("grants", "speech", token=token).code == 4
    assert "admin (vision)" in run("whoami", token=token).out
    seqs = [row["seq"] for row in json.loads(run("audit", "--limit", "3", "--json", token=token).out)]
    assert seqs == sorted(seqs, reverse=True)
    assert len(seqs) == 3
    assert run("audit", "--person", "root", token=token).out.splitlines()[0].startswith("SEQ")
    assert run("audit", "--range", "9y", token=token).code == 1
    exported = run("export", token=token)
    assert exported.code == 0, exported.err
    assert manifest.read(exported.out.splitlines()[-1])
    narrow = issue(people.tom, scopes=[Scope.CLUSTERS_READ])
    assert run("audit", token=narrow).code == 4
    assert run("create", "a", *PROJECT, token=narrow).code == 4
    assert run("create", "a", "--project", "speech-cn-north-9", token=token).code == 4


def test_g51_lost_answers_and_a_killed_client_make_one_creation(
    run: Run, live_server: LiveServer, people: People, projects: Projects, cloud: Cloud, tmp_path: Path
) -> None:
    token = issue(people.ada)
    command = ["create", "once", *PROJECT, "--key", "run-1", "--wait", "--json"]
    with serve(DROP, DROP, forward_to=live_server.url, reads_too=False) as proxy:
        environment = os.environ | {"HYPERCLUSTERS_URL": proxy.url, "HYPERCLUSTERS_TOKEN": token}
        with subprocess.Popen(
            [sys.executable, "-m", "hyperclusters.cli", *command],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stderr
            lines = iter(process.stderr.readline, "")
            assert any("Waiting to be sent" in line for line in lines)  # recorded, and not sent yet
            process.send_signal(signal.SIGKILL)
        assert proxy.keys == ["run-1"] * 3
        run_worker()
        again = run(*command, url=proxy.url, token=token)
    assert again.code == 0, again.err
    assert json.loads(again.out)["id"] == str(Creation.objects.get().pk)
    assert [entry.name for entry in cloud.posts] == ["once"]
    assert run("create", "other", *PROJECT, "--key", "run-1", url=live_server.url, token=token).code == 1


def test_following_the_audit_prints_each_event_once_and_ends_by_ctrl_c(
    live_server: LiveServer, people: People, run: Run
) -> None:
    environment = os.environ | {
        "HYPERCLUSTERS_URL": live_server.url,
        "HYPERCLUSTERS_TOKEN": issue(people.tom),
    }
    command = [sys.executable, "-m", "hyperclusters.cli", "audit", "--follow", "--json", "--limit", "2"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = [json.loads(process.stdout.readline())["seq"] for _ in range(2)]
        later = json.loads(process.stdout.readline())["seq"]  # that the audit was read is an event too
        process.send_signal(signal.SIGINT)
    assert [*first, later] == sorted({*first, later})
    assert process.returncode == 0
