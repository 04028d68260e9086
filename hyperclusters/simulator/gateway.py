"""The API gateway's checks, made before ModelArts sees a request: key, clock, signature, token."""

import sqlite3
from http import HTTPStatus

from . import access_keys, signature
from .access_keys import Key
from .answers import Answer, gateway_error
from .grammar import Target
from .http_request import MAX_BODY, Request
from .signature import Claim

CLOCK_TOLERANCE_SECONDS = 15 * 60

AUTHENTICATION_FAILED = "APIGW.0301"
CLOCK_WRONG = "APIGW.0303"
NO_SUCH_API = "APIGW.0101"
BAD_REQUEST_SIZE = "APIGW.0201"


def path_refusal(request: Request, target: Target, request_id: str) -> Answer | None:
    """The answer to what is no call of the API or cannot be read, or None."""
    if not target.methods:
        return gateway_error(HTTPStatus.NOT_FOUND, NO_SUCH_API, "The API does not exist", request_id)
    if request.method not in target.methods:
        message = "The method is not allowed"
        answer = gateway_error(HTTPStatus.METHOD_NOT_ALLOWED, NO_SUCH_API, message, request_id)
        return answer.with_header("Allow", ", ".join(target.methods))
    if request.header("transfer-encoding"):
        message = "Content-Length is required"
        return gateway_error(HTTPStatus.LENGTH_REQUIRED, BAD_REQUEST_SIZE, message, request_id)
    if request.length > MAX_BODY:
        message = f"The request body is larger than {MAX_BODY} bytes"
        return gateway_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, BAD_REQUEST_SIZE, message, request_id)
    return None


def key_refusal(db: sqlite3.Connection, request: Request, request_id: str, now: float) -> Answer | None:
    """The answer to a request that is not rightly signed, or None. `now` is the gateway's clock."""
    claim = signature.read_claim(request)
    if claim is None:
        return _authentication_error("no usable Authorization header", request_id)
    key = access_keys.find(db, claim.access_key)
    if key is None:
        return _authentication_error("ak not exist", request_id)
    if key.is_locked:
        # The wording is a guess; it is documented that even right signatures are refused.
        return _authentication_error("ak is locked after too many failures", request_id)
    date = signature.read_date(request.header("x-sdk-date"))
    if date is None:
        return _authentication_error("x-sdk-date is malformed", request_id)
    if abs(date.timestamp() - now) > CLOCK_TOLERANCE_SECONDS:
        message = "Incorrect app authentication information: x-sdk-date is more than 15 minutes off"
        return gateway_error(HTTPStatus.UNAUTHORIZED, CLOCK_WRONG, message, request_id)
    return _signature_refusal(db, request, claim, key, request_id)


def _signature_refusal(
    db: sqlite3.Connection, request: Request, claim: Claim, key: Key, request_id: str
) -> Answer | None:
    if not signature.is_signed_by(key.secret_key, claim, request):
        access_keys.record_failure(db, key)
        return _authentication_error("verify aksk signature fail", request_id)
    access_keys.record_success(db, key)
    if request.header("x-security-token") != key.security_token:
        # The vendor's wording is not documented; the code and the status are those of any wrong key.
        return _authentication_error("the security token does not belong to this key", request_id)
    return None


def _authentication_error(reason: str, request_id: str) -> Answer:
    message = f"Incorrect IAM authentication information: {reason}"
    return gateway_error(HTTPStatus.UNAUTHORIZED, AUTHENTICATION_FAILED, message, request_id)
