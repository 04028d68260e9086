"""The API gateway's checks, made before ModelArts sees a request: key, clock, signature, token, project."""

from datetime import datetime
from http import HTTPStatus

from . import access_keys, signature
from .access_keys import Key
from .answers import Answer, gateway_error
from .behaviours import Behaviours
from .database import Database
from .grammar import Target
from .http_request import MAX_BODY, Request

CLOCK_TOLERANCE_SECONDS = 15 * 60

AUTHENTICATION_FAILED = "APIGW.0301"
CLOCK_WRONG = "APIGW.0303"
NO_PERMISSION = "APIGW.0302"
NO_SUCH_API = "APIGW.0101"
BAD_REQUEST_SIZE = "APIGW.0201"


def refuse_path(request_id: str) -> Answer:
    """The vendor has no such path."""
    return gateway_error(HTTPStatus.NOT_FOUND, NO_SUCH_API, "The API does not exist", request_id)


def refuse_method(target: Target, request_id: str) -> Answer:
    """The path exists, but not with this method."""
    answer = gateway_error(
        HTTPStatus.METHOD_NOT_ALLOWED, NO_SUCH_API, "The method is not allowed", request_id
    )
    return answer.with_header("Allow", ", ".join(target.methods))


def refuse_size(request_id: str) -> Answer:
    """The body is larger than the gateway passes on."""
    message = f"The request body is larger than {MAX_BODY} bytes"
    return gateway_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, BAD_REQUEST_SIZE, message, request_id)


def refuse_length(request_id: str) -> Answer:
    """The body is sent in chunks, so its size is unknown beforehand."""
    return gateway_error(
        HTTPStatus.LENGTH_REQUIRED, BAD_REQUEST_SIZE, "Content-Length is required", request_id
    )


class Gateway:
    """Decides whether a request may pass to ModelArts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def refusal(
        self, request: Request, target: Target, behaviours: Behaviours, request_id: str, now: float
    ) -> Answer | None:
        """The answer that stops this request, or None if it may pass. `now` is the gateway's clock."""
        claim = signature.read_claim(request.header("authorization"))
        if claim is None:
            return _authentication_error("no usable Authorization header", request_id)
        with self._database.read() as db:
            key = access_keys.find(db, claim.access_key)
        if key is None:
            return _authentication_error("ak not exist", request_id)
        if key.is_locked:
            # The wording is a guess; it is documented that even right signatures are refused.
            return _authentication_error("ak is locked after too many failures", request_id)
        date = signature.read_date(request.header("x-sdk-date"))
        if date is None:
            return _authentication_error("x-sdk-date is malformed", request_id)
        return (
            _clock_refusal(date, now, request_id)
            or self._signature_refusal(request, claim, key, behaviours, request_id)
            or _token_refusal(request, key, request_id)
            or _project_refusal(target, key, request_id)
        )

    def _signature_refusal(
        self, request: Request, claim: signature.Claim, key: Key, behaviours: Behaviours, request_id: str
    ) -> Answer | None:
        received = signature.SignedParts(
            request.method, request.raw_path, request.query, request.headers, request.body_digest
        )
        if signature.is_signed_by(key.secret_key, claim, received):
            if key.failures:
                with self._database.write() as db:
                    access_keys.note_success(db, key.access_key)
            return None
        with self._database.write() as db:
            access_keys.note_failure(db, key.access_key, behaviours.lock_seconds)
        return _authentication_error("verify aksk signature fail", request_id)


def _clock_refusal(date: datetime, now: float, request_id: str) -> Answer | None:
    if abs(date.timestamp() - now) <= CLOCK_TOLERANCE_SECONDS:
        return None
    message = "Incorrect app authentication information: x-sdk-date is more than 15 minutes off"
    return gateway_error(HTTPStatus.UNAUTHORIZED, CLOCK_WRONG, message, request_id)


def _token_refusal(request: Request, key: Key, request_id: str) -> Answer | None:
    # The vendor's wording is not documented; the code and the status are those of any wrong key.
    if request.header("x-security-token") != key.security_token:
        return _authentication_error("the security token does not belong to this key", request_id)
    if key.is_expired:
        return _authentication_error("the temporary key has expired", request_id)
    return None


def _project_refusal(target: Target, key: Key, request_id: str) -> Answer | None:
    if not target.project_id or key.projects is None or target.project_id in key.projects:
        return None
    message = "The project of the path is not one that this key may use"
    return gateway_error(HTTPStatus.FORBIDDEN, NO_PERMISSION, message, request_id)


def _authentication_error(reason: str, request_id: str) -> Answer:
    message = f"Incorrect IAM authentication information: {reason}"
    return gateway_error(HTTPStatus.UNAUTHORIZED, AUTHENTICATION_FAILED, message, request_id)
