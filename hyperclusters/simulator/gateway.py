"""The API gateway: its access keys, and the checks before ModelArts sees a request: key, clock, signature, token."""

import sqlite3
import time
from collections.abc import Collection
from http import HTTPStatus

from . import signature
from .http_messages import MAX_BODY, Answer, Request, gateway_error

CLOCK_TOLERANCE_SECONDS = 15 * 60
FAILURES_ALLOWED = 5
LOCK_SECONDS = 300.0

AUTHENTICATION_FAILED = "APIGW.0301"
CLOCK_WRONG = "APIGW.0303"
NO_SUCH_API = "APIGW.0101"
BAD_REQUEST_SIZE = "APIGW.0201"


def put_key(db: sqlite3.Connection, access_key: str, secret_key: str, security_token: str) -> None:
    """Add or change a key. Its lock and count of failures stay: a restart unlocks nobody."""
    db.execute(
        "INSERT INTO keys (access_key, secret_key, security_token) VALUES (?, ?, ?) ON CONFLICT (access_key) "
        "DO UPDATE SET secret_key = excluded.secret_key, security_token = excluded.security_token",
        (access_key, secret_key, security_token),
    )


def remove_key(db: sqlite3.Connection, access_key: str) -> bool:
    """Remove a key; False if it was unknown."""
    return db.execute("DELETE FROM keys WHERE access_key = ?", (access_key,)).rowcount > 0


def path_refusal(request: Request, methods: Collection[str], request_id: str) -> Answer | None:
    """The answer to what is no call of the API or cannot be read, or None."""
    if not methods:
        return gateway_error(HTTPStatus.NOT_FOUND, NO_SUCH_API, "The API does not exist", request_id)
    if request.method not in methods:
        message = "The method is not allowed"
        answer = gateway_error(HTTPStatus.METHOD_NOT_ALLOWED, NO_SUCH_API, message, request_id)
        return answer.with_header("Allow", ", ".join(methods))
    if request.header("transfer-encoding"):
        message = "Content-Length is required"
        return gateway_error(HTTPStatus.LENGTH_REQUIRED, BAD_REQUEST_SIZE, message, request_id)
    if request.length > MAX_BODY:
        message = f"The request body is larger than {MAX_BODY} bytes"
        return gateway_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, BAD_REQUEST_SIZE, message, request_id)
    return None


def key_refusal(db: sqlite3.Connection, request: Request, request_id: str, now: float) -> Answer | None:
    """The answer to a request that is not rightly signed, or None. `now` is the gateway's clock."""
    try:
        _check_key(db, request, now)
    except PermissionError as refusal:
        code, message = refusal.args
        return gateway_error(HTTPStatus.UNAUTHORIZED, code, message, request_id)
    return None


def _check_key(db: sqlite3.Connection, request: Request, now: float) -> None:
    claim = signature.read_claim(request)
    if claim is None:
        raise _refusal("no usable Authorization header")
    key = db.execute("SELECT * FROM keys WHERE access_key = ?", (claim.access_key,)).fetchone()
    if key is None:
        raise _refusal("ak not exist")
    if time.time() < key["locked_until"]:
        # The wording is a guess; it is documented that even right signatures are refused.
        raise _refusal("ak is locked after too many failures")
    date = signature.read_date(request.header("x-sdk-date"))
    if date is None:
        raise _refusal("x-sdk-date is malformed")
    if abs(date.timestamp() - now) > CLOCK_TOLERANCE_SECONDS:
        message = "Incorrect app authentication information: x-sdk-date is more than 15 minutes off"
        raise PermissionError(CLOCK_WRONG, message)
    is_good = signature.is_signed_by(key["secret_key"], claim, request)
    _record(db, claim.access_key, is_good=is_good)
    if not is_good:
        raise _refusal("verify aksk signature fail")
    if request.header("x-security-token") != key["security_token"]:
        # The vendor's wording is not documented; the code and the status are those of any wrong key.
        raise _refusal("the security token does not belong to this key")


def _record(db: sqlite3.Connection, access_key: str, *, is_good: bool) -> None:
    """Count a bad signature, or end a series of them; one more than allowed locks the key, as documented."""
    count = "0" if is_good else "failures + 1"
    db.execute(f"UPDATE keys SET failures = {count} WHERE access_key = ?", (access_key,))  # noqa: S608 - constants
    db.execute(
        "UPDATE keys SET failures = 0, locked_until = ? WHERE access_key = ? AND failures > ?",
        (time.time() + LOCK_SECONDS, access_key, FAILURES_ALLOWED),
    )


def _refusal(reason: str) -> PermissionError:
    return PermissionError(AUTHENTICATION_FAILED, f"Incorrect IAM authentication information: {reason}")
