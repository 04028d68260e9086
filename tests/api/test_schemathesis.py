"""The running product does what its OpenAPI document says, whatever it is sent: schemathesis calls it as each role."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hyperclusters.access import access_requests
from hyperclusters.access.models import Role
from tests.api.client import issue
from tests.conftest import People, Projects, run_worker, submit_creation

# Of a token that is left out or wrong we answer what the document says; the check also wants each 401 to be the only
# answer of a request whose body is not valid, which nobody promises.
LEFT_OUT = "ignored_auth"


@pytest.mark.parametrize(
    ("name", "examples"), [("tom", 6), ("ada", 2), ("vera", 1), ("olga", 1), ("nina", 1)]
)
def test_every_answer_is_one_of_the_document(
    name: str,
    examples: int,
    people: People,
    projects: Projects,
    live_server: Any,
    settings: Any,
    tmp_path: Path,
) -> None:
    settings.API_REQUESTS_PER_MINUTE = settings.CREATIONS_PER_MINUTE = settings.EXPORTS_PER_MINUTE = 0
    submit_creation(people.ada, projects.vision)
    run_worker()
    access_requests.ask(person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="to look")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{live_server.url}/api/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {issue(getattr(people, name))}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", "15"),
            *("--exclude-checks", LEFT_OUT, "--no-color", "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
