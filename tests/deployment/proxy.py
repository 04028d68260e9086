"""The proxy that people reach the dashboard by: Caddy with the very file in deploy/, and a certificate of a local authority."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.deployment.site import ROOT

CADDY = shutil.which("caddy")
ISSUE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"


def certificates(folder: Path) -> Path:
    """A local authority and what it issues for localhost, as docs/operating.md does; the authority's certificate."""
    for name, more in (
        ("ca", "-subj /CN=authority"),
        ("cert", "-subj /CN=localhost -addext subjectAltName=DNS:localhost -CA ca.pem -CAkey ca.key"),
    ):
        command = f"{ISSUE} {more} -keyout {name}.key -out {name}.pem"
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem"


@contextmanager
def proxy(folder: Path, port: int, addresses: list[str]) -> Iterator[ssl.SSLContext]:
    """Serve https://localhost:port before these web processes. Yields what a browser needs to trust it."""
    authority = certificates(folder)
    text = (ROOT / "deploy/Caddyfile").read_text()
    for shipped, ours in (
        ("{$HOST} {", f"{{$HOST}} {{\n\ttls {folder}/cert.pem {folder}/cert.key"),
        ("web:8000", " ".join(addresses)),
    ):
        assert shipped in text
        text = text.replace(shipped, ours, 1)
    quiet = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"  # or it would want port 80 of this machine
    (folder / "Caddyfile").write_text(quiet + text)
    environment = {"HOST": f"localhost:{port}", "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            [str(CADDY), "run", "--config", "Caddyfile"], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, (folder / "proxy.log").read_text()
            time.sleep(0.05)
        yield ssl.create_default_context(cafile=str(authority))
    finally:
        process.terminate()
        process.wait(20)
