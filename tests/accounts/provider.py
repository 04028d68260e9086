"""A company's OpenID Connect provider as a program of its own: oidc-provider-mock, on loopback."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

CALLBACK = "http://testserver/accounts/company/callback/"


@dataclass
class Provider:
    """Where it is, and what this dashboard is called there."""

    issuer: str
    client_id: str = ""
    client_secret: str = ""

    def knows(self, sub: str, **claims: Any) -> None:
        """Let it say this of a person."""
        httpx.put(f"{self.issuer}/users/{sub}", json=claims).raise_for_status()

    def register(self, callback: str) -> None:
        """Make this dashboard known there; only this secret and this callback are accepted then."""
        params = {"redirect_uris": [callback], "token_endpoint_auth_method": "client_secret_post"}
        answer = httpx.post(f"{self.issuer}/oauth2/clients", json=params).raise_for_status().json()
        self.client_id, self.client_secret = answer["client_id"], answer["client_secret"]

    def lets_in(self, sub: str, authorize: str) -> str:
        """A person proves who they are there; the address that their browser is sent back to."""
        answer = httpx.post(authorize, data={"sub": sub})
        assert answer.status_code == 302, re.sub(r"<[^>]+>", " ", answer.text)[:500]
        return answer.headers["Location"]

    def turns_away(self, authorize: str) -> str:
        """Somebody clicks Deny there."""
        return httpx.post(authorize, data={"action": "deny"}).headers["Location"]


@contextmanager
def running() -> Iterator[Provider]:
    """The process, with this dashboard registered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-registration",
        "true",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    provider = Provider(f"http://localhost:{port}")
    try:
        _wait(provider, process)
        provider.register(CALLBACK)
        yield provider
    finally:
        process.terminate()
        process.wait()


def _wait(provider: Provider, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(f"{provider.issuer}/.well-known/openid-configuration").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the OpenID provider did not start")
