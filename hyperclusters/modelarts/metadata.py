"""Fetches the key of a cloud machine's agency from the metadata service, which only the machine itself can reach.

Source: `MetadataAccessor` of the vendor's SDK core 3.1.219 (paths, headers, field names, time format).
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hyperclusters.modelarts.grammar import is_header_safe
from hyperclusters.modelarts.transport import RawResponse, Transport
from hyperclusters.modelarts.types import Credentials

TOKEN_PATH = "/meta-data/latest/api/token"  # noqa: S105 -- a path
KEY_PATH = "/openstack/latest/securitykey"
TOKEN_SECONDS = 6 * 3600
TIMEOUT = 6.0  # seconds for each of the two calls
WITHOUT_TOKENS = {404, 405, 503}  # the answer of a metadata service without tokens
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class MetadataError(Exception):
    """There is no key. `cause` is a slug such as `metadata_unreachable`, without secrets."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """A key and its expiry."""

    credentials: Credentials = field(repr=False)
    until: datetime


def fetch_key(http: Transport, endpoint: str) -> TemporaryKey:
    """Ask the metadata service at `endpoint` (`http://host`) for the machine's key. Raises MetadataError."""
    headers = {}
    token = _call(
        http,
        endpoint,
        "PUT",
        TOKEN_PATH,
        {"X-Metadata-Token-Ttl-Seconds": str(TOKEN_SECONDS), "Content-Length": "0"},
    )
    if token.status == 200 and is_header_safe(text := token.body.decode("latin-1").strip()):
        headers["X-Metadata-Token"] = text
    elif token.status not in WITHOUT_TOKENS:
        raise MetadataError("metadata_refused")
    answer = _call(http, endpoint, "GET", KEY_PATH, headers)
    if answer.status == 401:
        raise MetadataError("metadata_no_agency")
    if answer.status != 200:
        raise MetadataError("metadata_refused")
    return _parse(answer.body)


def _call(http: Transport, endpoint: str, method: str, path: str, headers: dict[str, str]) -> RawResponse:
    everything = {
        "Host": endpoint.partition("://")[2],
        "Accept-Encoding": "identity",
        "User-Agent": "hyperclusters",
    }
    reply = http.send(
        method=method,
        origin=endpoint,
        target=path,
        headers=list((everything | headers).items()),
        body=b"",
        deadline=TIMEOUT,
        connect_timeout=TIMEOUT / 2,
    )
    if reply.failure:
        raise MetadataError("metadata_unreachable")
    return reply


def _parse(body: bytes) -> TemporaryKey:
    try:
        content: Any = json.loads(body)
        credential = content["credential"]
        credentials = Credentials(credential["access"], credential["secret"], credential["securitytoken"])
        until = datetime.strptime(credential["expires_at"], TIME_FORMAT).replace(tzinfo=UTC)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MetadataError("metadata_unreadable") from None
    if not all(
        map(is_header_safe, (credentials.access_key, credentials.secret_key, credentials.security_token))
    ):
        raise MetadataError("metadata_unreadable")
    return TemporaryKey(credentials, until)
