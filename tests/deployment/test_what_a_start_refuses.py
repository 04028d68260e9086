"""What `check`, `migrate` and the web server say at the start about a database that would fail later."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.deployment.site import ROOT, Site, site

SERVER = os.environ.get("DATABASE_URL", "")
FOR_THE_SERVER = {
    "HTTPS": "1",
    "TRUSTED_PROXIES": "1",
    "ALLOWED_HOSTS": "127.0.0.1",
    "EMAIL_URL": "dummymail://",
}


def end_of(installed: Site, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the product to its end, whatever it answers."""
    line = [sys.executable, *command]
    return subprocess.run(
        line, env=installed.environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_store_chinese_is_refused_at_the_start(encoding: str, tmp_path: Path) -> None:
    name = f"other_{secrets.token_hex(4)}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        make = "CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0"
        connection.execute(sql.SQL(make).format(sql.Identifier(name), sql.Literal(encoding)))
    with site(SERVER, tmp_path, **FOR_THE_SERVER) as installed:
        installed.manage("collectstatic", "--noinput", "--verbosity", "0")
        installed.environment["DATABASE_URL"] = urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        for command in (
            ("manage.py", "check", "--database", "default"),
            ("manage.py", "migrate"),
            ("-m", "gunicorn", "hyperclusters.wsgi", "--bind", "127.0.0.1:0"),
        ):
            done = end_of(installed, *command)
            assert done.returncode != 0, command
            assert f"The database's encoding is {encoding}; it must be UTF8." in done.stderr, command
            assert "ENCODING 'UTF8' TEMPLATE template0" in done.stderr, command
    with psycopg.connect(urlsplit(SERVER)._replace(path=f"/{name}").geturl()) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)


def test_serving_as_the_owner_of_the_audit_is_named_and_as_its_own_role_is_not(tmp_path: Path) -> None:
    with site(SERVER, tmp_path, **FOR_THE_SERVER) as installed:
        installed.manage("collectstatic", "--noinput", "--verbosity", "0")
        installed.manage("migrate", "--verbosity", "0")
        check = ("manage.py", "check", "--deploy", "--database", "default")
        assert "audit.W002" in end_of(installed, *check).stderr
        host = urlsplit(installed.url).netloc.rpartition("@")[2]
        role = f"app_{secrets.token_hex(4)}"
        app = urlsplit(installed.url)._replace(netloc=f"{role}:made-up@{host}").geturl()
        installed.manage("database_roles", APP_DATABASE_URL=app)
        installed.environment["DATABASE_URL"] = app
        done = end_of(installed, *check)
        assert (done.returncode, "W002" in done.stderr) == (0, False), done.stderr
