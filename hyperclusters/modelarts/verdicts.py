"""What an answer, or the lack of one, means: by the cloud's code first, then by status.

The question behind every line is what is *proven* about a create or a delete. Only answers that are known to
come before execution count as a refusal; whatever is not listed here is an unknown outcome.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from hyperclusters.modelarts import errors
from hyperclusters.modelarts.line import Reply
from hyperclusters.modelarts.parsing import Complaint, complaint, http_date
from hyperclusters.modelarts.safetext import printable
from hyperclusters.modelarts.shapes import Exchange

Meaning = type[errors.ModelArtsError]

_LISTED: Final = frozenset({400, 401, 403, 404, 405, 409, 411, 413, 414, 415, 422, 429})
_GATEWAY_REFUSES_HEADERS = 494  # listed with its code only: nobody else is known to use it

_BY_CODE: Final[dict[str, Meaning]] = {
    **dict.fromkeys(
        ("ModelArts.6404", "ModelArts.6309", "ModelArts.6357", "ModelArts.0102"), errors.NotFound
    ),
    **dict.fromkeys(("ModelArts.0104", "ModelArts.6400", "ModelArts.50004000", "APIGW.0201"), errors.Invalid),
    **dict.fromkeys(("ModelArts.0103", "ModelArts.6301"), errors.Exists),
    **dict.fromkeys(
        ("ModelArts.0106", "ModelArts.0113", "ModelArts.0116", "ModelArts.0118", "ModelArts.6302"),
        errors.Quota,
    ),
    **dict.fromkeys(("ModelArts.6407", "APIGW.0302", "APIGW.0304", "APIGW.0306"), errors.Denied),
    **dict.fromkeys(
        ("APIGW.0101", "APIGW.0103", "APIGW.0104", "APIGW.0105", "APIGW.0106"), errors.Misconfigured
    ),
    "APIGW.0301": errors.CredentialsRefused,
    "APIGW.0303": errors.ClockSkew,
    "APIGW.0308": errors.Throttled,
}
_BY_STATUS: Final[dict[int, Meaning]] = {
    401: errors.Denied,
    403: errors.Denied,
    404: errors.NotFound,
    429: errors.Throttled,
}
_CODE_PATTERN = re.compile(r"(?:APIGW|ModelArts)\.\d{4,8}", re.ASCII)
_BARE_CODE_PATTERN = re.compile(r"\d{4}|\d{8}", re.ASCII)
_SECONDS_PATTERN = re.compile(r"\d{1,9}", re.ASCII)


def verdict(
    exchange: Exchange, reply: Reply, *, cause: str, secrets: Iterable[str], now: datetime
) -> errors.ModelArtsError:
    """The error that this exchange amounts to.

    `cause`: why the answer is none, where its status alone doesn't say so; empty otherwise. `now`: by the
    clock that signed the request.
    """
    said = Complaint() if reply.status is None else complaint(reply.body, secrets)
    changes = exchange.request.method != "GET"
    proves = None
    kind: Meaning | None
    if reply.failure and not reply.may_have_left:
        kind, proves = errors.Unavailable, errors.Proof.NOT_SENT
    elif reply.failure or reply.status is None:
        kind = None
    else:
        kind = _meaning(exchange.request.method, reply.status, said.code)
    if kind is None:
        kind = errors.OutcomeUnknown if changes else errors.Unavailable
    error = kind(
        said.message or printable(reply.detail, 500),
        code=said.code,
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
    """Whether the cloud itself says that there is none: a list without clusters, or one cluster that is not there.

    Only its own code counts, and only on the status that goes with it: a 404 of a wrong path, or of some proxy,
    must not pass for an empty list or for a deleted cluster.
    """
    return (
        error.exchange is not None
        and error.exchange.status in {400, 404}
        and _BY_CODE.get(_full(error.code)) is errors.NotFound
    )


def _meaning(method: str, status: int, code: str) -> Meaning | None:
    """What a whole answer other than the expected one proves; None if nothing."""
    code = _full(code)
    by_code = _BY_CODE.get(code)
    gateway_refused = status == _GATEWAY_REFUSES_HEADERS and code == "APIGW.0201"
    error_in_200 = status == HTTPStatus.OK and method == "GET"
    if gateway_refused or error_in_200:
        return by_code
    if status not in _LISTED:
        return None
    return by_code or _by_status(method, status, code)


def _by_status(method: str, status: int, code: str) -> Meaning | None:
    if status in {401, 403} and method != "GET" and not _CODE_PATTERN.fullmatch(code):
        # Only the gateway and ModelArts are known to refuse before they act. Without a code of theirs this
        # may come from anything on the way, the way back included.
        return None
    if status == HTTPStatus.CONFLICT:
        return errors.Exists if method == "POST" else errors.Invalid
    return _BY_STATUS.get(status, errors.Invalid)


def _full(code: str) -> str:
    """The code with its service's name: ModelArts is also seen to give the bare number."""
    return f"ModelArts.{code}" if _BARE_CODE_PATTERN.fullmatch(code) else code


def _seconds(value: str, now: datetime) -> float | None:
    """`Retry-After` in seconds; a date counts from `now`, by the server's own clock if it told it. None for anything unreadable."""
    if _SECONDS_PATTERN.fullmatch(value):
        return float(value)
    moment = http_date(value)
    if moment is None:
        return None
    return max((moment - now) / timedelta(seconds=1), 0.0)
