"""A throw-away PostgreSQL around a command: `python tests/postgres.py [--icu] [--fsync] COMMAND …` sets DATABASE_URL.

Its databases have a real locale, C.UTF-8 or with `--icu` ICU's root, because only these fold letters beyond ASCII.
It does not wait for the disk unless `--fsync` says so, as a measurement needs: no test cuts the power.
Needs PostgreSQL's server programs (Debian: postgresql). Exits with 77 and says so if they are not installed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = 77
ICU = ("--locale-provider=icu", "--icu-locale=und")


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, newest version first."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def server(*locale: str, fsync: bool = False) -> Iterator[str]:
    """A fresh server on a free port of this machine; yields its DATABASE_URL and removes everything afterwards.

    `locale`: more options for initdb. `fsync`: wait for the disk at each COMMIT.
    """
    place = programs()
    if place is None:
        raise FileNotFoundError("PostgreSQL's server programs are not installed")
    folder = Path(tempfile.mkdtemp(prefix="hyperclusters-pg-"))
    as_owner = _owner(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c max_connections=200"
    if not fsync:
        settings += " -c fsync=off -c full_page_writes=off"
    _run(
        as_owner,
        str(place / "initdb"),
        "-D",
        str(data),
        "-U",
        "tests",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        *locale,
    )
    try:
        _run(
            as_owner,
            str(place / "pg_ctl"),
            "-D",
            str(data),
            "-w",
            "-l",
            str(folder / "log"),
            "-o",
            settings,
            "start",
        )
        yield f"postgres://tests@127.0.0.1:{port}/postgres"
    finally:
        _run(as_owner, str(place / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop", check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _run(as_owner: list[str], *args: str, check: bool = True) -> None:
    subprocess.run([*as_owner, *args], check=check, stdout=subprocess.DEVNULL, cwd="/")


def _owner(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as the user postgres, which owns the folder."""
    if os.geteuid() != 0:
        return []
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def main() -> int:
    """Run the command of our own command line with a server around it."""
    if programs() is None:
        print("PostgreSQL's server is not installed, so nothing was run on it.", file=sys.stderr)
        return MISSING
    command = sys.argv[1:]
    options = set()
    while command and command[0] in {"--icu", "--fsync"}:
        options.add(command.pop(0))
    with server(*(ICU if "--icu" in options else ()), fsync="--fsync" in options) as url:
        return subprocess.run(command, env=os.environ | {"DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
