"""G34 on PostgreSQL: the drill of docs/operating.md, with the very commands that stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from hyperclusters.simulator import Simulator
from tests.deployment.site import ROOT, site
from tests.deployment.test_sqlite_backups import PILL, steps
from tests.postgres import programs

MANUAL = (ROOT / "docs/operating.md").read_text()


def test_g34_a_dump_is_restored_into_an_empty_database_and_serves_again(tmp_path: Path) -> None:
    place = programs()
    assert place is not None
    written = dict(re.findall(r"^(pg_dump|pg_restore) (.*)$", MANUAL, re.MULTILINE))
    assert set(written) == {"pg_dump", "pg_restore"}
    with (
        Simulator.start(tmp_path / "cloud", access_key="TESTKEY", secret_key="test-secret") as cloud,
        site(os.environ["DATABASE_URL"], tmp_path) as made,
    ):
        made.manage("migrate", "--verbosity", "0")
        people = (ROOT / "tests/deployment/people.py").read_text()
        made.manage("shell", "-c", people, PASSWORD="correct horse battery", PEOPLE="1", CLOUD=cloud.endpoint)
        variables = {"OWNER_DATABASE_URL": made.url, "FILE": str(tmp_path / "saved.dump")}
        run(place / "pg_dump", written["pg_dump"], variables)
        cloud.add_cluster("a" * 32, "made-since")
        made.manage("sync_clusters")
        made.manage("anchor_audit")  # it sees events that the dump does not have
        name = made.url.rpartition("/")[2]
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        run(place / "pg_restore", written["pg_restore"], variables)
        for step in steps("PostgreSQL"):
            if step[0] != "database_roles":  # there is one role here
                text = made.manage(*step)
                assert step[0] != "note_restore" or "acknowledged: rolled back" in text
        made.manage("shell", "-c", "from hyperclusters.audit import tasks; tasks.run_due()")
        assert made.manage("shell", "-v", "0", "-c", PILL).split() == ["intact", "1"]
        assert made.rows("SELECT name FROM clusters_cluster WHERE creation_id IS NULL") == [("made-since",)]
        with (
            psycopg.connect(made.url, autocommit=True) as connection,
            pytest.raises(psycopg.Error, match="append-only"),
        ):
            connection.execute("DELETE FROM audit_event")  # the triggers are back as well


def run(program: Path, arguments: str, variables: dict[str, str]) -> None:
    """Run a line of the manual, its variables filled in."""
    for name, value in variables.items():
        arguments = arguments.replace(f'"${name}"', value)
    subprocess.run([str(program), *arguments.split()], check=True, capture_output=True)
