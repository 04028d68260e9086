"""A whole database moves from SQLite to PostgreSQL and back; the audit stays proved, and its chain goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import programs, server
from tests.templates import create_migrated

pytestmark = pytest.mark.any_database  # it brings both
ROOT = Path(__file__).resolve().parent.parent.parent
PAST = """
from hyperclusters.access.services import add_person
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome
root = add_person(username="root")
for number in range(3):
    record(EventType.CREATE_FAILED, Outcome.FAILED, on=Subject("creation", str(number), 'a "b" é'), by=root,
           reason='why "so"\\nand \\\\ so', after={"tiny": 1e-7, "huge": 1e16, "one": 1.0, "z": [1, None, True], "é": "\\x00"})
"""


def run(url: str, folder: Path, *args: str, source: str = "") -> str:
    """One of our commands, in a process of its own."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "hyperclusters.settings",
        "DATABASE_URL": url,
        "SOURCE_DATABASE_URL": source,
        "DATA_DIR": str(folder),
        "SECRET_KEY": "only-for-tests-" + "x" * 50,
        "CREDENTIAL_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
        "AUDIT_KEYS": "tests:dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(programs() is None, reason="PostgreSQL's server is not installed (Debian: postgresql)")
def test_g21_a_database_moves_to_postgresql_and_back_and_its_audit_stays_proved(tmp_path: Path) -> None:
    old, new = (f"sqlite:///{tmp_path / name}.sqlite3" for name in ("old", "new"))
    for file in (old, new):
        create_migrated(file)
    run(old, tmp_path, "shell", "-v0", "-c", PAST)
    run(old, tmp_path, "anchor_audit")
    count = run(old, tmp_path, "verify_audit").split("intact: ")[1].split()[0]
    with server() as url:
        run(url, tmp_path, "migrate", "-v0")
        for source, target in ((old, url), (url, new)):
            assert f"{count} audit events" in run(target, tmp_path, "copy_database", source=source)
            assert f"intact: {count} events" in run(target, tmp_path, "verify_audit")
            run(
                target,
                tmp_path,
                "shell",
                "-v0",
                "-c",
                PAST.replace('root = add_person(username="root")', "root = None"),
            )
            run(target, tmp_path, "anchor_audit")
            count = str(int(count) + 3)
            assert f"intact: {count} events" in run(target, tmp_path, "verify_audit")


EDIT = """
from django.apps import apps
from django.db import connection
from hyperclusters.audit import triggers
with connection.schema_editor() as editor:
    for step in (triggers.remove_keeping, triggers.remove, triggers.remove_head):
        step(apps, editor)
with connection.cursor() as cursor:
    cursor.execute("UPDATE audit_event SET reason = 'approved é' WHERE seq = 3")
    cursor.execute("UPDATE audit_event SET after = '{}' WHERE seq = 4")
    cursor.execute("UPDATE audit_event SET at = '2026-01-01 00:00:00' WHERE seq = 2")
with connection.schema_editor() as editor:
    for step in (triggers.install_head, triggers.install, triggers.install_keeping):
        step(apps, editor)
"""


@pytest.mark.skipif(programs() is None, reason="PostgreSQL's server is not installed (Debian: postgresql)")
def test_g21_acknowledged_findings_stay_acknowledged_when_a_database_moves(tmp_path: Path) -> None:
    old, new = (f"sqlite:///{tmp_path / name}.sqlite3" for name in ("old", "new"))
    for file in (old, new):
        create_migrated(file)
    run(old, tmp_path, "shell", "-v0", "-c", PAST)
    run(old, tmp_path, "shell", "-v0", "-c", EDIT)
    run(old, tmp_path, "acknowledge_audit", "--reason", "known")
    expected = run(old, tmp_path, "verify_audit").partition(", 3 acknowledged findings")[2]
    assert expected
    with server() as url:
        run(url, tmp_path, "migrate", "-v0")
        for source, target in ((old, url), (url, new)):
            run(target, tmp_path, "copy_database", source=source)
            assert run(target, tmp_path, "verify_audit").endswith(expected)
