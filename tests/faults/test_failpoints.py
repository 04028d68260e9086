"""Failpoints do nothing where a real cloud could be called."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROBE = (
    "import django; django.setup(); from hyperclusters.clusters import failpoints as f; "
    "f.failpoint('intent_committed'); print(f.failpoint.__name__)"
)


def probe(**environ: str) -> subprocess.CompletedProcess[str]:
    """A process that has the killing order in its environment and passes the place."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings", "FAILPOINT": "intent_committed:1"}
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HYPERCLUSTERS_", "UPSTREAM_"))
    }
    command = [sys.executable, "-c", PROBE]
    return subprocess.run(
        command, env=clean | settings | environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"UPSTREAM_HOSTS": "127.0.0.1"},
        {"UPSTREAM_HOSTS": "127.0.0.1", "HYPERCLUSTERS_FAILPOINTS": "0"},
        {"UPSTREAM_HOSTS": "*.myhuaweicloud.com", "HYPERCLUSTERS_FAILPOINTS": "1"},
        {"UPSTREAM_HOSTS": "127.0.0.1,modelarts.example.com", "HYPERCLUSTERS_FAILPOINTS": "1"},
        {"UPSTREAM_HOSTS": "127.0.0.1.example.com", "HYPERCLUSTERS_FAILPOINTS": "1"},
    ],
)
def test_g03_failpoints_do_nothing_unless_asked_for_and_alone_with_this_machine(
    environ: dict[str, str],
) -> None:
    ended = probe(**environ)
    assert (ended.returncode, ended.stdout.strip()) == (0, "_nothing"), ended.stderr


def test_g03_failpoints_kill_where_both_conditions_hold() -> None:
    assert probe(UPSTREAM_HOSTS="127.0.0.1", HYPERCLUSTERS_FAILPOINTS="1").returncode == -9
