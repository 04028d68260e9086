"""`make demo` names the true reason where it cannot start, and never starts twice on one database."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hyperclusters.demo.processes import folder_lock, port_problem
from tests.deployment.site import ROOT


def demo(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py demo` in this folder, to its end."""
    command = [sys.executable, str(ROOT / "manage.py"), "demo"]
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder)} | environment
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_a_port_that_another_program_has_is_named_with_the_reason(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = demo(tmp_path, PORT=port)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"Port {port} cannot be used: Address already in use." in done.stderr


@pytest.mark.parametrize("code", [errno.EACCES, errno.EADDRNOTAVAIL])
def test_a_port_that_is_not_in_use_is_not_said_to_be(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("hyperclusters.demo.processes.socket.socket.bind", refuse)
    assert port_problem(80) == os.strerror(code)


def test_a_second_demo_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with folder_lock(tmp_path) as is_ours:
        assert is_ours
        done = demo(tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"Another demo runs in {tmp_path}." in done.stderr
    with folder_lock(tmp_path) as is_ours:
        assert is_ours
