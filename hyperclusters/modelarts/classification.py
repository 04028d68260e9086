"""Classifies an answer, or the lack of one: by the cloud's code first, then by status.

Every line answers what is *proven* about a create or a delete. Only answers that are known to come before execution
count as a refusal; everything else is an unknown outcome.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from hyperclusters.modelarts import codes, errors
from hyperclusters.modelarts.complaints import Complaint, complaint, printable
from hyperclusters.modelarts.parsing import http_date
from hyperclusters.modelarts.transport import RawResponse
from hyperclusters.modelarts.types import Exchange, Request

ErrorType = type[errors.ModelArtsError]

_DOCUMENTED_STATUSES: Final = frozenset({400, 401, 403, 404, 405, 409, 411, 413, 414, 415, 422, 429})
_GATEWAY_REFUSES_HEADERS = 494  # only with its code: nobody else is known to use it

_BY_MEANING: Final[dict[codes.CodeMeaning, ErrorType]] = {
    codes.CodeMeaning.NOT_FOUND: errors.NotFound,
    codes.CodeMeaning.INVALID: errors.Invalid,
    codes.CodeMeaning.EXISTS: errors.Exists,
    codes.CodeMeaning.QUOTA: errors.Quota,
    codes.CodeMeaning.DENIED: errors.Denied,
    codes.CodeMeaning.CREDENTIALS: errors.CredentialsRefused,
    codes.CodeMeaning.CLOCK: errors.ClockSkew,
    codes.CodeMeaning.THROTTLED: errors.Throttled,
    codes.CodeMeaning.ENDPOINT: errors.Misconfigured,
    codes.CodeMeaning.GATEWAY: errors.Invalid,
}
_BY_STATUS: Final[dict[int, ErrorType]] = {
    401: errors.Denied,
    403: errors.Denied,
    404: errors.NotFound,
    429: errors.Throttled,
}
_SECONDS_PATTERN = re.compile(r"\d{1,9}", re.ASCII)


def classify(
    exchange: Exchange, reply: RawResponse, *, cause: str, secrets: Iterable[str], now: datetime
) -> errors.ModelArtsError:
    """The error that this exchange means.

    `cause`: why there is no answer, where the status alone doesn't say so; empty otherwise. `now`: by the clock that
    signed the request.
    """
    details = Complaint() if reply.status is None else complaint(reply.body, secrets)
    is_refusal = reply.status is not None and reply.status >= HTTPStatus.BAD_REQUEST
    proves = None
    kind: ErrorType | None
    if reply.failure and not reply.may_have_left:
        kind, proves = errors.Unavailable, errors.Proof.NOT_SENT
    elif reply.failure or reply.status is None:
        kind = None
    else:
        kind = _error_type(exchange.request, reply.status, details.code)
    if kind is None:
        kind = errors.Unavailable if exchange.request.only_reads else errors.OutcomeUnknown
    error = kind(
        details.message
        or (details.words if is_refusal or cause == "bad_json" else "")
        or printable(reply.detail, 500),
        code=details.code,
        request_id=exchange.request_id,
        exchange=exchange,
        proves=proves,
        cause=cause or f"status_{reply.status}",
    )
    if isinstance(error, errors.ClockSkew) and exchange.server_date:
        error.offset = exchange.server_date - now.replace(microsecond=0)
    if isinstance(error, errors.Throttled):
        error.retry_after = _seconds(reply.headers.get("retry-after", ""), exchange.server_date or now)
    return error


def proves_absence(error: errors.NotFound) -> bool:
    """Whether the cloud itself says that nothing is there: no clusters in a list, or no such cluster.

    Only its own code counts, and only with its status: a 404 of a wrong path or of some proxy must not count as an
    empty list or a deleted cluster.
    """
    return (
        error.exchange is not None
        and error.exchange.status in {400, 404}
        and codes.meaning_of(error.code) is codes.CodeMeaning.NOT_FOUND
    )


def _error_type(request: Request, status: int, code: str) -> ErrorType | None:
    """What a complete but unexpected answer proves; None if nothing."""
    code = codes.full_code(code)
    meaning = codes.meaning_of(code)
    by_code = _BY_MEANING[meaning] if meaning else None
    gateway_refused = status == _GATEWAY_REFUSES_HEADERS and code == "APIGW.0201"
    error_in_200 = status == HTTPStatus.OK and request.only_reads
    if gateway_refused or error_in_200:
        return by_code
    if status not in _DOCUMENTED_STATUSES:
        return None
    return by_code or _by_status(request, status, code)


def _by_status(request: Request, status: int, code: str) -> ErrorType | None:
    if status in {401, 403} and not request.only_reads and not codes.VENDOR_CODE.fullmatch(code):
        # Only the gateway and ModelArts are known to refuse before they act. Without a code of theirs this
        # may come from anything on the way, the way back included.
        return None
    if status == HTTPStatus.CONFLICT:
        return errors.Exists if request.call == "create" else errors.Invalid
    return _BY_STATUS.get(status, errors.Invalid)


def _seconds(value: str, now: datetime) -> float | None:
    """`Retry-After` in seconds; a date counts from the server's `Date`, else from `now`. None if unreadable."""
    if _SECONDS_PATTERN.fullmatch(value):
        return float(value)
    moment = http_date(value)
    if moment is None:
        return None
    return max((moment - now) / timedelta(seconds=1), 0.0)
