"""A migrated database to copy: every worker of pytest and every world of faults needs one, and migrations take seconds."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "TESTS_FOLDER"  # the variable that names the folder of this run, which all its processes share
TEMPLATE = "template_hyperclusters"


def create_migrated(url: str) -> None:
    """Create the database of this URL, in place of one that is there, with every table and the migrations' own rows."""
    folder = Path(os.environ[FOLDER])
    template = beside(url, TEMPLATE if _is_postgres(url) else f"{folder}/template.sqlite3")
    with (folder / "template.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / f"template.{urlsplit(url).scheme}"
        if not done.exists():
            if _is_postgres(url):
                _create(template)
            _migrate(template)
            done.touch()
    if _is_postgres(url):
        _create(url, f' TEMPLATE "{TEMPLATE}"')
    else:
        shutil.copyfile(_path(template), _path(url))


def beside(url: str, name: str) -> str:
    """The URL of another database on the same server, or of another file."""
    return urlsplit(url)._replace(path=f"/{name}").geturl() if _is_postgres(url) else f"sqlite:///{name}"


def _migrate(url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], cwd=ROOT, env=environ, check=True)


def _create(url: str, clause: str = "") -> None:
    name = _path(url)
    with psycopg.connect(beside(url, "postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name}"{clause}'.encode())


def _is_postgres(url: str) -> bool:
    return url.startswith("postgres")


def _path(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
