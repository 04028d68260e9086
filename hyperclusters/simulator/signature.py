"""SDK-HMAC-SHA256 on the receiving side: the signature that a request should have.

Written from the signing guide alone, so that a signer is tested against a second opinion.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from .grammar import read_query
from .http_messages import Request

ALGORITHM = "SDK-HMAC-SHA256"
REQUIRED_HEADERS = frozenset({"host", "x-sdk-date"})
AUTHORIZATION = re.compile(
    ALGORITHM + r" Access=([^,\s]+), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class Claim:
    """The content of an Authorization header."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str


def read_claim(request: Request) -> Claim | None:
    """The claim of the Authorization header, or None if it is not of this algorithm.

    Any set of signed headers with host and x-sdk-date is accepted: without those two a signature could be replayed
    against another host or at another time.
    """
    match = AUTHORIZATION.fullmatch(request.header("authorization"))
    if not match:
        return None
    names = tuple(match[2].split(";"))
    return Claim(match[1], names, match[3]) if REQUIRED_HEADERS.issubset(names) else None


def read_date(text: str) -> datetime | None:
    """The time of an X-Sdk-Date, or None if it is none."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def is_signed_by(secret_key: str, claim: Claim, request: Request) -> bool:
    """Whether this secret made the claimed signature over exactly what was received."""
    if any(name not in request.headers for name in claim.signed_headers):
        return False
    return hmac.compare_digest(sign(secret_key, request, claim.signed_headers), claim.signature)


def sign(secret_key: str, request: Request, names: tuple[str, ...]) -> str:
    """The signature of a request at its X-Sdk-Date.

    It covers method, path with a trailing slash, sorted query, the headers of these names and the body's digest:
    always that of the received bytes, so a body that is declared unsigned does not pass.
    """
    path = quote(request.raw_path, safe="/~")
    pairs = sorted(read_query(request.query))
    query = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)
    lines = [request.method.encode(), (path if path.endswith("/") else path + "/").encode(), query.encode()]
    lines += [name.encode() + b":" + request.headers[name] for name in names]
    lines += [b"", ";".join(names).encode(), request.body_digest.encode()]
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest().encode()
    to_sign = b"\n".join([ALGORITHM.encode(), request.headers["x-sdk-date"], digest])
    return hmac.new(secret_key.encode(), to_sign, hashlib.sha256).hexdigest()
