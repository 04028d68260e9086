"""SDK-HMAC-SHA256 on the receiving side: the signature that a request should have.

Written from the signing guide alone, so that a signer is tested against a second opinion.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from .grammar import read_query

ALGORITHM = "SDK-HMAC-SHA256"
REQUIRED_HEADERS = frozenset({"host", "x-sdk-date"})
AUTHORIZATION = re.compile(
    ALGORITHM + r" Access=([^,\s]+), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)
SDK_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


@dataclass(frozen=True)
class Claim:
    """The content of an Authorization header."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True)
class SignedParts:
    """The parts of a request that a signature covers. Header names in lower case, values as received."""

    method: str
    path: bytes
    query: str
    headers: Mapping[str, bytes]
    body_digest: str


def read_claim(authorization: str) -> Claim | None:
    """The claim of an Authorization header, or None if it is not of this algorithm.

    Any set of signed headers with host and x-sdk-date is accepted: without those two a signature could be replayed
    against another host or at another time.
    """
    match = AUTHORIZATION.fullmatch(authorization.strip())
    if not match:
        return None
    names = tuple(match[2].split(";"))
    return Claim(match[1], names, match[3]) if REQUIRED_HEADERS.issubset(names) else None


def read_date(text: str) -> datetime | None:
    """The time of an X-Sdk-Date, or None if it is none."""
    if not SDK_DATE.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def is_signed_by(secret_key: str, claim: Claim, request: SignedParts) -> bool:
    """Whether this secret made the claimed signature over exactly what was received."""
    if any(name not in request.headers for name in claim.signed_headers):
        return False
    expected = sign(secret_key, canonical_request(request, claim.signed_headers), request.headers)
    return hmac.compare_digest(expected, claim.signature)


def sign(secret_key: str, canonical: bytes, headers: Mapping[str, bytes]) -> str:
    """The signature of a canonical request at the X-Sdk-Date of its headers."""
    date = headers["x-sdk-date"].strip()
    digest = hashlib.sha256(canonical).hexdigest().encode()
    to_sign = b"\n".join([ALGORITHM.encode(), date, digest])
    return hmac.new(secret_key.encode(), to_sign, hashlib.sha256).hexdigest()


def canonical_request(request: SignedParts, names: tuple[str, ...]) -> bytes:
    """Method, path with a trailing slash, sorted query, the signed headers and the body's digest.

    The digest is always that of the received bytes: a body that is declared unsigned does not pass.
    """
    path = quote(request.path, safe="/~")
    pairs = sorted(read_query(request.query))
    query = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)
    lines = [request.method.encode(), (path if path.endswith("/") else path + "/").encode(), query.encode()]
    lines += [name.encode() + b":" + request.headers[name].strip() for name in names]
    return b"\n".join([*lines, b"", ";".join(names).encode(), request.body_digest.encode()])
