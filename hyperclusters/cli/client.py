"""Calls to the JSON API: repeated until there is an answer or the deadline passes, each time with the same key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import Any, Self

import httpx

from .config import Config
from .errors import ExitCode, Failure
from .output import progress

RETRY_SECONDS = 120.0  # how long one call is repeated
SHORTEST_ATTEMPT = 5.0  # an attempt gets at least so many seconds
LONGEST_SILENCE = 30.0  # and ends after so many without a byte
FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
RETRY_STATUSES = {429, 502, 503, 504}
DENIAL_STATUSES = {401, 403, 404}
# An answer to the key itself: no earlier attempt with it was recorded.
REFUSAL_STATUSES = {400, 409, 413, 422}
Query = dict[str, Any]


class Client:
    """A connection to one server. Use it as a context manager."""

    def __init__(self, config: Config) -> None:
        self._url = config.url
        try:
            self._http = httpx.Client(
                base_url=f"{config.url}/api/v1",
                headers={"Authorization": f"Bearer {config.token}", "User-Agent": "hyperclusters-cli"},
                timeout=httpx.Timeout(LONGEST_SILENCE, connect=10),
            )
        except (ImportError, OSError, ValueError) as error:
            message = f"The proxy or certificates that the environment names cannot be used: {error}."
            raise Failure(message, ExitCode.USAGE) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, *, seconds: float | None = None, **query: Any) -> Any:
        """The JSON at this path. Empty parameters are left out."""
        return self._call("GET", path, seconds, params=_without_blanks(query))

    def post(self, path: str, body: dict[str, Any], *, key: str, seconds: float | None = None) -> Any:
        """The answer to a write. `key` makes it safe to repeat."""
        return self._call("POST", path, seconds, json=body, headers={"Idempotency-Key": key})

    def pages(self, path: str, *, page_size: int = 200, **query: Any) -> Iterator[dict[str, Any]]:
        """The rows of a list, page by page."""
        cursor = ""
        cursors: set[str] = set()
        while cursor not in cursors:
            cursors.add(cursor)
            page = self.get(path, limit=page_size, cursor=cursor, **query)
            yield from page["items"]
            if not (cursor := page["next"] or ""):
                return
        raise self.unexpected_answer()

    @contextmanager
    def stream(self, path: str, query: Query) -> Iterator[Iterator[bytes]]:
        """The body of a long answer in pieces. Not repeated once it has begun."""
        try:
            with self._http.stream("GET", path, params=_without_blanks(query)) as response:
                if response.status_code != 200:
                    response.read()
                    raise self._refusal(response, is_open=False)
                yield response.iter_bytes()
        except httpx.RequestError as error:
            message = f"The answer of {self._url} broke off ({type(error).__name__}): it is not complete."
            raise Failure(message, ExitCode.UNREACHABLE) from None

    def _call(self, method: str, path: str, seconds: float | None, **request: Any) -> Any:
        deadline = time.monotonic() + (RETRY_SECONDS if seconds is None else min(seconds, RETRY_SECONDS))
        is_write = method != "GET"
        is_open, delay = False, FIRST_DELAY  # is_open: an earlier attempt may have been recorded
        while True:
            wait = delay * SystemRandom().uniform(0.5, 1)
            try:
                response = self._attempt(method, path, deadline, **request)
            except httpx.RequestError as error:
                is_open |= is_write and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                failure, reason = self._unreachable(error, is_open=is_open), "No answer"
            else:
                if response.is_success:
                    return self._json(response, is_write=is_write)
                if response.status_code in REFUSAL_STATUSES:
                    is_open = False
                is_open |= is_write and _may_be_recorded(response)
                failure = self._refusal(response, is_open=is_open)
                if response.status_code not in RETRY_STATUSES and not (
                    is_write and response.status_code == 500
                ):
                    raise failure
                wait = max(wait, retry_after(response.headers))
                reason = f"HTTP {response.status_code}"
            if time.monotonic() + wait > deadline:
                raise failure
            progress(f"{reason}; trying again in {wait:.1f} s")
            time.sleep(wait)
            delay = min(delay * 2, LONGEST_DELAY)

    def _attempt(self, method: str, path: str, deadline: float, **request: Any) -> httpx.Response:
        """The whole answer. Raises ReadTimeout if it is not there by the deadline, however slowly it comes."""
        seconds = max(deadline - time.monotonic(), SHORTEST_ATTEMPT)
        deadline = time.monotonic() + seconds
        timeout = httpx.Timeout(min(seconds, LONGEST_SILENCE), connect=min(seconds, 10))
        with self._http.stream(method, path, timeout=timeout, **request) as response:
            content = bytearray()
            for piece in response.iter_raw():
                content += piece
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer did not end in time", request=response.request)
        return httpx.Response(
            response.status_code, headers=response.headers, content=bytes(content), request=response.request
        )

    def unexpected_answer(self, *, is_write: bool = False) -> Failure:
        """For an answer that is not the API's. A write may have reached the API all the same."""
        message = f"{self._url} did not answer as the API does: is it the right address?"
        return Failure(message, ExitCode.UNKNOWN if is_write else ExitCode.FAILED)

    def _json(self, response: httpx.Response, *, is_write: bool) -> Any:
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise self.unexpected_answer(is_write=is_write) from None

    def _unreachable(self, error: httpx.RequestError, *, is_open: bool) -> Failure:
        if is_open:
            return Failure(
                f"{self._url} did not answer. The request may be recorded all the same.", ExitCode.UNKNOWN
            )
        return Failure(
            f"Cannot reach {self._url}: {str(error) or type(error).__name__}.", ExitCode.UNREACHABLE
        )

    def _refusal(self, response: httpx.Response, *, is_open: bool) -> Failure:
        """What a status outside 2xx means to the person who typed the command."""
        problem, status = _problem(response), response.status_code
        lines = [str(problem.get("detail") or f"{self._url} answered {status} {response.reason_phrase}.")]
        if response.has_redirect_location:
            lines.append(
                f"It points to {response.headers['Location']}: set HYPERCLUSTERS_URL to that server."
            )
        errors = problem.get("errors")
        errors = errors if isinstance(errors, list) else []
        lines += [
            f"  {each.get('field')}: {each.get('message')}" for each in errors if isinstance(each, dict)
        ]
        if seconds := retry_after(response.headers):
            lines.append(f"Try again in {seconds:.0f} s.")
        if request_id := problem.get("request_id"):
            lines.append(f"Request ID: {request_id}")
        if is_open:
            code = ExitCode.UNKNOWN
        elif status in DENIAL_STATUSES and (problem or status != 404):
            code = ExitCode.NOT_PERMITTED
        elif status in {502, 503, 504} and not problem:
            code = ExitCode.UNREACHABLE
        else:
            code = ExitCode.FAILED
        return Failure("\n".join(lines), code)


def retry_after(headers: httpx.Headers) -> float:
    """Seconds in `Retry-After`, which is a number or a date by the server's clock; 0 if it is neither."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
        return max(wait.total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def _may_be_recorded(response: httpx.Response) -> bool:
    """Whether a write that was answered like this may have been recorded: a gateway's answer does not tell."""
    return response.status_code >= 500 and _problem(response).get("sent") != "no"


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The body of an error; empty if it is not the API's."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return {}
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _without_blanks(query: Query) -> Query:
    return {name: value for name, value in query.items() if value not in ("", None) and value is not False}
