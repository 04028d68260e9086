"""G34: a backup taken while people create is whole; what was made after it comes up as made outside."""

from __future__ import annotations

import base64
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from hyperclusters.simulator import Simulator
from tests.deployment.site import ROOT

pytestmark = pytest.mark.any_database

MANUAL = (ROOT / "docs/operating.md").read_text()
LOAD = """
import os, uuid
from hyperclusters.access.models import User
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.models import Project
from hyperclusters.clusters.worker import run_due
person, project = User.objects.get(username="person-0"), Project.objects.get()
for number in range(500):
    if os.path.exists("enough"):
        break
    request_creation(person=person, project=project, wish=CreateRequest(f"load-{number}", "HPS"), token=uuid.uuid4())
    run_due()
    print(number, flush=True)
"""
COUNT = """
from hyperclusters.audit.models import Event
from hyperclusters.clusters.models import Cluster, Creation
print(Creation.objects.count(), Cluster.objects.filter(creation=None).count(), Cluster.objects.count())
print(Event.objects.filter(action="cluster:seen:outside").count())
"""


PILL = """
from hyperclusters.audit.integrity import integrity_status
print(integrity_status().state, len(integrity_status().acknowledged))
"""
WORDS = {"$FILE": "saved.sqlite3", "$WHY": "the disk broke"}


def steps(database: str) -> list[list[str]]:
    """The commands that the manual gives for a restore on this database, in its order, behind `python manage.py`."""
    section = MANUAL.partition(f"To restore on {database}")[2].partition("```")[2].partition("```")[0]
    lines = re.findall(r"^python manage\.py (.*)$", section, re.MULTILINE)
    assert lines
    return [[WORDS.get(word, word) for word in shlex.split(line, comments=True)] for line in lines]


class Embedded:
    """An installation on SQLite, each command a process of its own."""

    def __init__(self, folder: Path, cloud: Simulator) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "hyperclusters.settings", "SECRET_KEY": "s" * 60,
            "CREDENTIAL_KEYS": Fernet.generate_key().decode(), "AUDIT_KEYS": "test:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "DATA_DIR": str(folder), "UPSTREAM_HOSTS": "127.0.0.1", "HTTPS": "0",
            "PASSWORD": "correct horse battery", "PEOPLE": "1", "CLOUD": cloud.endpoint,
        }  # fmt: skip

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *args],
            env=self.environment, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def manage(self, *args: str, status: int = 0) -> str:
        process = self.start(*args)
        text, _ = process.communicate()
        assert process.returncode == status, text
        return text

    def shell(self, code: str) -> str:
        return self.manage("shell", "-v", "0", "-c", code)


def test_g34_a_backup_under_load_is_restored_whole_and_what_came_after_is_found(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "cloud", access_key="TESTKEY", secret_key="test-secret") as cloud:
        (tmp_path / "site").mkdir()
        here = Embedded(tmp_path / "site", cloud)
        here.manage("migrate", "--verbosity", "0")
        here.shell((ROOT / "tests/deployment/people.py").read_text())
        load = here.start("shell", "-v", "0", "-c", LOAD)
        assert load.stdout is not None
        for line in load.stdout:
            if line.strip() == "3":
                break  # some are made, more are under way
        rest = threading.Thread(target=load.stdout.read)
        rest.start()
        text = here.manage("backup", "saved.sqlite3")
        (here.folder / "enough").touch()
        rest.join()
        assert load.wait() == 0
        load.stdout.close()
        assert "checked" in text
        saved = here.folder / "saved.sqlite3"
        assert saved.stat().st_mode & 0o77 == 0
        assert "overwrites nothing" in here.manage("backup", "saved.sqlite3", status=1)
        count = len(cloud.clusters())
        here.manage("anchor_audit")  # it sees events that the backup does not have
        for step in steps("SQLite"):
            text = here.manage(*step)
            if step[0] == "restore":
                assert "is kept as" in text
                assert "intact" in text
                assert "acknowledged: rolled back" in text
        here.shell("from hyperclusters.audit import tasks; tasks.run_due()")
        assert here.shell(PILL).split() == ["intact", "1"]
        creations, outside, every = map(int, here.shell(COUNT).split()[:3])
        assert 4 <= creations <= count
        assert every in {
            count - 1,
            count,
        }  # one may have been on its way: its name is left to the search for it
        assert outside >= count - creations - 1
        assert "events 1 to" in here.manage("archive_audit", "--before", "2999-01-01", "--to", "archive")
        assert "intact" in here.manage("verify_audit")
        (here.folder / "hyperclusters.sqlite3").write_bytes(b"damaged")
        assert "event" in here.manage("restore", "saved.sqlite3")
        assert int(here.shell(COUNT).split()[0]) == creations


def test_g34_what_is_no_backup_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(b"SQLite format 3\x00" + b"\x01" * 500)
    if connection.vendor != "sqlite":
        for command in ("backup", "restore"):
            with pytest.raises(CommandError, match="PostgreSQL"):
                call_command(command, str(tmp_path / "half"))
        return
    for path in ("half", "nothing"):
        with pytest.raises(CommandError, match="is no whole backup"):
            call_command("restore", str(tmp_path / path))


ASK = """
import uuid
from hyperclusters.access.models import User
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.models import Project
person, project = User.objects.get(username="person-0"), Project.objects.get()
request_creation(person=person, project=project, wish=CreateRequest("waits", "HPS"), token=uuid.uuid4())
"""
WORK = """
from hyperclusters.clusters.models import Creation
from hyperclusters.clusters.worker import run_due
run_due()
print(Creation.objects.get().state)
"""
KILL = """
import os, signal
from pathlib import Path
from django.core.management import call_command
from hyperclusters.clusters.management.commands import restore
real = getattr({owner}, "{step}")
def killed(*args, **options):
    if {is_done}:
        real(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr({owner}, "{step}", killed)
call_command("restore", "saved.sqlite3", acknowledge="the disk broke")
"""
STEPS = [("restore.shutil", "copyfile"), ("restore", "call_command"), ("restore", "note"), ("Path", "rename")]


def test_g03_a_restore_that_is_killed_lets_nothing_be_sent_twice(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "cloud", access_key="TESTKEY", secret_key="test-secret") as cloud:
        (tmp_path / "site").mkdir()
        here = Embedded(tmp_path / "site", cloud)
        here.manage("migrate", "--verbosity", "0")
        here.shell((ROOT / "tests/deployment/people.py").read_text())
        here.shell(ASK)
        here.manage("backup", "saved.sqlite3")
        assert here.shell(WORK).split()[-1] == "created"
        cloud.remove_cluster(cloud.clusters()[0].id)  # no list shows that it was sent
        for owner, step in STEPS:
            for is_done in (False, True):
                code = KILL.format(owner=owner, step=step, is_done=is_done)
                here.manage("shell", "-v", "0", "-c", code, status=-signal.SIGKILL)
                state = (
                    here.shell(WORK).split()[-1]
                    if (here.folder / "hyperclusters.sqlite3").exists()
                    else "none"
                )
                assert state == ("none" if (step, is_done) == ("rename", True) else "created")
        here.manage("restore", "saved.sqlite3", "--acknowledge", "the disk broke")
        assert here.shell(WORK).split()[-1] == "needs_attention"
        posts = [entry for entry in cloud.journal() if entry.method == "POST" and entry.accepted]
        assert len(posts) == 1
