"""Reads answers: strict where an answer is to be proof, loose where the vendor's documentation is.

Everything here takes bytes from outside and either gives a value or raises `MalformedError`, nothing else.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from hyperclusters.modelarts import grammar
from hyperclusters.modelarts.safetext import printable, without_secrets
from hyperclusters.modelarts.shapes import HyperCluster, Network

MESSAGE_LIMIT = 500
CODE_LIMIT = 64
REQUEST_ID_LIMIT = 128
_MOST_IDS = 4  # kept of one answer
_LONGEST_NAME = 255  # of a cluster made elsewhere; the documented limit is 64

_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_NAMED_ID = re.compile(r'"id"\s*:\s*"([^"]*)"')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class MalformedError(Exception):
    """An answer that isn't what was documented; `cause` is a slug such as `bad_json`."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error body says, safe to store; each part is empty where the body has none."""

    code: str = ""
    message: str = ""
    request_id: str = ""


def read_json(body: bytes) -> Any:
    """The JSON value. Duplicate keys, NaN, a byte order mark and anything but UTF-8 are malformed."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # integers of 5,000 digits, nesting without end
        raise MalformedError("bad_json") from error


def read_cluster(body: bytes) -> HyperCluster:
    """One hyper cluster."""
    return _cluster(_object(body))


def read_shown(body: bytes, cluster_id: str) -> HyperCluster:
    """The hyper cluster that a show answers with; it must be the one asked for."""
    cluster = read_cluster(body)
    if cluster.id != cluster_id:
        raise MalformedError("wrong_id")
    return cluster


def read_created(body: bytes, name: str) -> HyperCluster:
    """The hyper cluster that a create answers with; another name than the one asked for proves nothing."""
    cluster = read_cluster(body)
    if cluster.name != name:
        raise MalformedError("wrong_name")
    return cluster


def named_ids(body: bytes) -> tuple[str, ...]:
    """The usable IDs that the body of an answer names, in their order, at most 4.

    Wherever they stand: a body that is cut, wrapped, contradicts itself or is no JSON can still name a cluster.
    """
    text = body.decode(errors="replace").replace("\0", "")  # UTF-16 is ASCII with a NUL between
    found = filter(grammar.is_safe_id, _NAMED_ID.findall(text))
    return tuple(dict.fromkeys(found))[:_MOST_IDS]


def read_clusters(body: bytes) -> tuple[HyperCluster, ...]:
    """All hyper clusters of a list. One bad row makes it no list: nothing can be concluded from a part."""
    rows = _object(body).get("hyper_clusters")
    if not isinstance(rows, list):
        raise MalformedError("bad_list")
    try:
        clusters = tuple(_cluster(row) for row in rows)
    except MalformedError as error:
        raise MalformedError("bad_row") from error
    if len({cluster.id for cluster in clusters}) != len(clusters):
        raise MalformedError("bad_row")
    return clusters


def read_nothing(body: bytes) -> None:
    """The answer to a delete: 204 says it all."""


def complaint(body: bytes, secrets: Iterable[str]) -> Complaint:
    """What the body complains of, in any of the shapes the vendor uses, or nested in them one level."""
    try:
        data = read_json(body)
    except MalformedError:
        return Complaint()
    found = Complaint()
    for layer in _layers(data):
        found = Complaint(
            code=found.code or _word(layer, ("error_code", "errorCode", "code"), CODE_LIMIT, secrets),
            message=found.message
            or _word(layer, ("error_msg", "errorMsg", "message", "error_message"), MESSAGE_LIMIT, secrets),
            request_id=found.request_id
            or _word(layer, ("request_id", "requestId"), REQUEST_ID_LIMIT, secrets),
        )
    return found


def http_date(value: str) -> datetime | None:
    """The moment of an HTTP date in the one form that RFC 9110 lets senders use; None for anything else."""
    match = _HTTP_DATE.fullmatch(value)
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _object(body: bytes) -> dict[str, Any]:
    data = read_json(body)
    if not isinstance(data, dict):
        raise MalformedError("bad_shape")
    for layer in _layers(data):
        # The vendor can answer 200 with an error in it, in the old shape too.
        if layer.get("error_code") or layer.get("errorCode") or layer.get("is_success") is False:
            raise MalformedError("error_code")
    return data


def _cluster(data: Any) -> HyperCluster:
    if not isinstance(data, dict):
        raise MalformedError("bad_shape")
    cluster_id, name = data.get("id"), data.get("name")
    if not grammar.is_safe_id(cluster_id):
        raise MalformedError("bad_id")
    if not (isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()):
        raise MalformedError("bad_name")
    rows = data.get("network_info")
    return HyperCluster(
        id=cluster_id,
        name=name,
        networks=tuple(_networks(rows)) if isinstance(rows, list) else (),
        odd_id=not grammar.is_cluster_id(cluster_id),
    )


def _networks(rows: list[Any]) -> Iterator[Network]:
    """The networks that are well formed. A bad one is left out: it says nothing against the cluster."""
    for row in rows:
        if isinstance(row, dict) and grammar.is_name(subnet_id := row.get("hyper_cluster_subnet_id")):
            yield Network(subnet_id, is_default=row.get("is_default") is True)


def _layers(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
        yield from (value for value in data.values() if isinstance(value, dict))


def _word(layer: dict[str, Any], keys: tuple[str, ...], limit: int, secrets: Iterable[str]) -> str:
    for key in keys:
        value = layer.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value:
            return printable(without_secrets(value, secrets), limit)
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key twice")
    return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
