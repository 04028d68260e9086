"""`python -m bench.create_path`: the product's files that one create passes, and how often it goes on in another one.

From the form's POST over the worker to the page with the verdict, all in one thread, on a SQLite file. Warm: a create
before it has imported and cached what there is to import and cache.
"""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import django
from django.core.management import call_command
from django.test import Client as Browser

from bench.site import KEY, SECRET, Site, environ

PRODUCT = f"{Path(__file__).parent.parent / 'hyperclusters'}/"


@contextmanager
def files_of_calls() -> Iterator[list[str]]:
    """The file of each call of a function of the product, except where the call before was in the same file."""
    files: list[str] = []

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PRODUCT) and (not files or files[-1] != file):
            files.append(file)

    sys.setprofile(note)
    try:
        yield files
    finally:
        sys.setprofile(None)


def main() -> None:
    """Print each file with the number of times that a call went there."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ |= environ(folder, f"sqlite:///{folder}/bench.sqlite3")
        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        files = _create(folder)
    lines = [f"{count:6}  {file.removeprefix(PRODUCT)}" for file, count in Counter(files).most_common()]
    sys.stdout.write("\n".join([f"{len(set(files))} files, {len(files)} changes of file", *lines, ""]))


def _create(folder: Path) -> list[str]:
    from bench.people import crew  # noqa: PLC0415 -- its models want Django to be set up
    from hyperclusters.clusters.worker import run_due  # noqa: PLC0415
    from hyperclusters.simulator import Simulator  # noqa: PLC0415

    with Simulator.start(folder / "cloud", access_key=KEY, secret_key=SECRET) as cloud:
        team = crew(Site("", cloud.endpoint.removeprefix("http://"), folder / "log"), "vision", projects=1)
        browser = Browser(headers={"Host": "localhost"})
        browser.force_login(team.creator)
        project = team.projects[0].name
        run_due()
        for turn in range(2):
            with files_of_calls() as files:
                page = browser.post("/clusters/new/", _form(project, f"name-{turn}"))
                run_due()
                verdict = browser.get(page["Location"])
            if b'data-state="created"' not in verdict.content:
                raise RuntimeError(f"{page['Location']} did not come to a cluster")
    return files


def _form(project: str, name: str) -> dict[str, str]:
    return {"project": project, "name": name, "type": "HPS", "token": str(uuid.uuid4())}


if __name__ == "__main__":
    main()
