"""An OpenID Connect provider on loopback whose every answer can be bent: what it says, how, and whether it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client as Browser
from jwt.algorithms import RSAAlgorithm

CALLBACK = "/accounts/company/callback/"
START = "/accounts/company/"
CLIENT = "dashboard"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
Sender = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class BentProvider:
    """`claims` go into both the ID token and userinfo; each can be changed for itself. `answers` replaces whole answers."""

    issuer: str
    claims: dict[str, Any] = field(default_factory=dict)
    id_token: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, bytes | tuple[int, bytes] | Sender] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    nonce: str = ""
    nonce_of: Callable[[str], str | None] | None = None  # by code, where several sign-ins are under way
    closing: threading.Event = field(default_factory=threading.Event)

    def says(self, **claims: Any) -> None:
        """What both answers say of the person; nothing else is bent."""
        self.claims = {"sub": "zoe-1", "email": "zoe@example.com", "email_verified": True} | claims
        self.id_token, self.userinfo, self.discovery, self.token, self.answers = {}, {}, {}, {}, {}
        self.sign, self.nonce_of = None, None

    def body(self, path: str, code: str = "") -> bytes:
        """What an upright provider would answer, but for what is bent."""
        if path == "/userinfo":
            return json.dumps(_without_none(self.claims | self.userinfo)).encode()
        if path == "/token":
            return json.dumps(
                _without_none(
                    {"access_token": "a", "token_type": "Bearer", "id_token": self._id_token(code)}
                    | self.token
                )
            ).encode()
        if path == "/jwks":
            key = json.loads(RSAAlgorithm.to_jwk(KEY.public_key())) | {
                "kid": "k1",
                "use": "sig",
                "alg": "RS256",
            }
            return json.dumps({"keys": [key]}).encode()
        config = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        return json.dumps(_without_none(config | self.discovery)).encode()

    def _id_token(self, code: str) -> str:
        now = int(time.time())
        nonce = self.nonce_of(code) if self.nonce_of else self.nonce
        standard = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = _without_none(standard | self.claims | self.id_token)
        if self.sign:
            return self.sign(claims)
        return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k1"})

    def visit(self, browser: Browser | None = None, path: str = START) -> tuple[Browser, Any]:
        """There and back again; the answer is the last one here."""
        browser = browser or Browser()
        there = browser.get(path)
        if not there["Location"].startswith(self.issuer):
            return browser, there
        params = parse_qs(urlsplit(there["Location"]).query)
        self.nonce = params["nonce"][0]
        return browser, browser.get(CALLBACK, {"code": "c", "state": params["state"][0]})


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """A value that is None is left out; `NULL` stands for a null."""
    return {name: None if value is NULL else value for name, value in values.items() if value is not None}


class Null:
    """A claim that is there, and null."""

    def __repr__(self) -> str:
        return "null"


NULL = Null()


@contextmanager
def bent() -> Iterator[BentProvider]:
    """The provider, answering until the end of the block."""
    provider: BentProvider

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = "/discovery" if self.path.startswith("/.well-known/") else urlsplit(self.path).path
            posted = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
            bend = provider.answers.get(path)
            if callable(bend):
                bend(self)
                return
            status, body = bend if isinstance(bend, tuple) else (200, bend)
            code = posted.get("code", [""])[0]
            content = provider.body(path, code) if body is None else body
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 -- the name that the standard library calls

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider = BentProvider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        provider.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
