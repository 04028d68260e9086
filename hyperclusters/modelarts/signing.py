"""SDK-HMAC-SHA256, the vendor's way of signing a request; pure functions."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"


def sdk_date(moment: datetime) -> str:
    """An aware UTC time in the format of `X-Sdk-Date`."""
    return f"{moment:%Y%m%dT%H%M%SZ}"


def query_string(query: Iterable[tuple[str, str]]) -> str:
    """The query as it is signed and sent: sorted, all but letters, digits and `-_.~` escaped."""
    return "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(query))


def authorization(
    *,
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    access_key: str,
    secret_key: str,
) -> str:
    """The `Authorization` header for a request with exactly these headers, all of which are signed.

    `headers` must have `Host` and `X-Sdk-Date`. Tests compare it with the vendor's own signer.
    """
    pairs = sorted((name.lower(), value.strip()) for name, value in headers.items())
    names = ";".join(name for name, _ in pairs)
    segments = "/".join(quote(segment, safe="~") for segment in unquote(path).split("/"))
    canonical = "\n".join(
        (
            method.upper(),
            segments if segments.endswith("/") else segments + "/",
            query_string(query),
            *(f"{name}:{value}" for name, value in pairs),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    date = next(value for name, value in pairs if name == "x-sdk-date")
    to_sign = f"{ALGORITHM}\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(secret_key.encode(), to_sign.encode(), "sha256").hex()
    return f"{ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}"
