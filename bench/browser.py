"""A signed-in browser, or a program with a token. It keeps its connection and does as little as possible: its own cost is
not what is measured."""

from __future__ import annotations

import gzip
import http.client
import time
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

FORGERY_TOKEN = "bench" + "0" * 27  # any 32 characters, the same in cookie and form
IDLE = 1.0  # seconds; gunicorn closes connections that are idle for two


@dataclass(frozen=True, slots=True)
class Page:
    """An answer, read to its end."""

    status: int
    text: str
    location: str


class Browser:
    """One person's. `session` is a session's key, made by `people.sign_in`; a program has a `token` instead."""

    def __init__(self, address: str, session: str = "", *, token: str = "") -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self.cookies = f"session={session}; csrf={FORGERY_TOKEN}"
        self.identity = {"Authorization": f"Bearer {token}"} if token else {"Cookie": self.cookies}
        self._used_at = 0.0

    def get(self, path: str, **headers: str) -> Page:
        """A page, or empty where there is nothing new. Raises RuntimeError for any other answer."""
        return self._wanted({200, 204}, "GET", path, headers=headers)

    def post(self, path: str, **fields: str) -> Page:
        """Raises RuntimeError unless the answer leads on, as that to a form that was accepted does."""
        body = urlencode(fields | {"csrfmiddlewaretoken": FORGERY_TOKEN}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._wanted({302}, "POST", path, body, headers)

    def send_json(self, path: str, body: str, **headers: str) -> Page:
        """Raises RuntimeError unless it was accepted."""
        headers |= {"Content-Type": "application/json"}
        return self._wanted({202}, "POST", path, body.encode(), headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wanted(
        self,
        wanted: set[int],
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Page:
        if time.monotonic() - self._used_at > IDLE:
            self._connection.close()
        values = self.identity | {"Accept-Encoding": "gzip"} | (headers or {})
        self._connection.request(method, path, body or None, values)
        answer = self._connection.getresponse()
        content = answer.read()
        self._used_at = time.monotonic()
        if answer.status not in wanted:
            raise RuntimeError(f"{method} {path} was answered with {answer.status}: {content[:500]!r}")
        if answer.getheader("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        return Page(answer.status, content.decode(), answer.getheader("Location", ""))
