"""Parses answers: strict where an answer is proof, lenient where the vendor's documentation is.

Everything here takes bytes from outside and either returns a value or raises `MalformedError`.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

from hyperclusters.modelarts import grammar
from hyperclusters.modelarts.complaints import CODE_KEYS, MESSAGE_KEYS, printable
from hyperclusters.modelarts.paging import has_more, plain
from hyperclusters.modelarts.types import Capacity, HyperCluster, Network, Occupant, OccupantKind

_MOST_CAPACITIES = 500  # rows of one answer
_LONGEST_NAME = 255  # of a cluster made elsewhere; the documented limit is 64
_COUNTS = ("count", "total_count", "total")
_REFERENCES = {OccupantKind.SUPERNODE: "hps_cluster_id", OccupantKind.GROUP: "hyperinstance_cluster_id"}
_NO_CAPACITY = Capacity("", "", "", None)
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
# Keys as `plain` has them.
_ID_KEYS = {"id", "clusterid", "hyperclusterid"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class MalformedError(Exception):
    """An answer that isn't what was documented; `cause` is a slug such as `bad_json`."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def read_json(body: bytes) -> Any:
    """The JSON value. Duplicate keys, NaN, a byte order mark and anything but UTF-8 are malformed."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # integers of 5,000 digits, nesting without end
        raise MalformedError("bad_json") from error


def read_cluster(body: bytes) -> HyperCluster:
    """One hyper cluster."""
    return _cluster(read_object(body))


def read_shown(body: bytes, cluster_id: str) -> HyperCluster:
    """The hyper cluster of a show's answer; it must be the requested one."""
    cluster = read_cluster(body)
    if cluster.id != grammar.canonical_id(cluster_id):
        raise MalformedError("wrong_id")
    return cluster


def read_created(body: bytes, name: str) -> HyperCluster:
    """The hyper cluster of a create's answer; another name than the requested one, or an ID that is no text, proves
    nothing."""
    data = read_object(body)
    cluster = _cluster(data)
    if not isinstance(data["id"], str):
        raise MalformedError("bad_id")
    if cluster.name != name:
        raise MalformedError("wrong_name")
    return cluster


def read_clusters(body: bytes) -> tuple[HyperCluster, ...]:
    """All hyper clusters of a list. One bad row makes it malformed, and so does a row elsewhere in the answer, such as
    under another spelling of `hyper_clusters`: a part proves nothing."""
    data = read_object(body)
    counts = [data[key] for key in _COUNTS if type(data.get(key)) is int]
    rows = data.get("hyper_clusters")
    if rows is None and _says_empty(data, counts):
        rows = []
    if not isinstance(rows, list):
        raise MalformedError("bad_list")
    if any(count > len(rows) for count in counts):
        raise MalformedError("incomplete_list")
    try:
        clusters = tuple(dict.fromkeys(_cluster(row) for row in rows))
    except MalformedError as error:
        raise MalformedError("bad_row") from error
    ids = {cluster.id for cluster in clusters}
    if len(ids) != len(clusters):
        raise MalformedError("contradicting_rows")
    elsewhere = map(grammar.canonical_id, _row_ids({**data, "hyper_clusters": None}))
    if has_more(data, len(rows)) or not ids.issuperset(elsewhere):
        raise MalformedError("incomplete_list")
    return clusters


def read_occupants(body: bytes, kind: OccupantKind) -> tuple[Occupant, ...]:
    """All supernodes or groups of a list. Names and states are read leniently, references and the end strictly: a
    part of a list proves nothing, and neither do rows none of which has the field that names a cluster."""
    data = read_object(body)
    counts = [data[key] for key in _COUNTS if type(data.get(key)) is int]
    rows = data.get("data", "")
    if rows is None and 0 in counts:
        rows = []
    if not isinstance(rows, list):
        raise MalformedError("bad_list")
    if has_more(data, len(rows)):
        raise MalformedError("incomplete_list")
    occupants = tuple(_occupant(row, kind) for row in rows)
    if rows and not any(_REFERENCES[kind] in row for row in rows):
        raise MalformedError(
            "no_references"
        )  # a field of another name, or of none: either way it tells nothing
    return occupants


def read_capacities(body: bytes, cluster_id: str) -> tuple[Capacity, ...]:
    """The capacities of one hyper cluster, each once. Rows about another cluster, and rows that say nothing, are left
    out. `{"capacities": null}` is an empty list; `{}` is no list."""
    rows = read_object(body).get("capacities", "")
    if rows is None:
        rows = []
    if not isinstance(rows, list):
        raise MalformedError("bad_list")
    if len(rows) > _MOST_CAPACITIES:
        raise MalformedError("too_large")
    mine = (_capacity(row) for row in rows if _is_about(row, cluster_id))
    return tuple(dict.fromkeys(capacity for capacity in mine if capacity != _NO_CAPACITY))


def read_nothing(body: bytes) -> None:
    """The answer to a delete: a 204 is enough."""


YEARS = range(1970, 2200)


def http_date(value: str) -> datetime | None:
    """The time of an HTTP date in the only form that RFC 9110 lets senders use; None for anything else, and for a year
    that no clock is at: the time is added to ours and must not run out of the calendar."""
    match = _HTTP_DATE.fullmatch(value)
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    if year not in YEARS:
        return None
    try:
        return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer that states no error."""
    data = read_json(body)
    if not isinstance(data, dict):
        raise MalformedError("bad_shape")
    for layer in (data, *(value for value in data.values() if isinstance(value, dict))):
        # The vendor can answer 200 with an error in it, in the old shape too.
        if (
            any(layer.get(key) for key in ("error_code", "errorCode", "errors"))
            or layer.get("is_success") is False
        ):
            raise MalformedError("error_code")
    return data


def _says_empty(data: dict[str, Any], counts: list[int]) -> bool:
    """Whether a list without rows says that it is empty: by null, or by a count of 0 and nothing else.

    An answer that also has a code or a message may be an error.
    """
    if any(data.get(key) for key in (*CODE_KEYS, *MESSAGE_KEYS)):
        return False
    return "hyper_clusters" in data or (0 in counts and set(data) <= set(_COUNTS))


def _row_ids(data: Any) -> Iterator[str]:
    """The IDs of all objects that are in a list, at any depth."""
    rest = [data]
    for each in rest:  # grows meanwhile: an answer can be nested deeper than calls can
        parts = list(each.values()) if isinstance(each, dict) else each
        rest += (part for part in parts if isinstance(part, dict | list))
        for row in parts if isinstance(each, list) else ():
            pairs = row.items() if isinstance(row, dict) else ()
            yield from (str(value) for key, value in pairs if plain(key) in _ID_KEYS)


def _cluster(data: Any) -> HyperCluster:
    if not isinstance(data, dict):
        raise MalformedError("bad_shape")
    cluster_id, name = data.get("id"), data.get("name")
    if type(cluster_id) is int:
        cluster_id = str(cluster_id)
    if not grammar.is_safe_id(cluster_id):
        raise MalformedError("bad_id")
    if not (isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()):
        raise MalformedError("bad_name")
    cluster_id = grammar.canonical_id(cluster_id)
    networks, networks_complete = _networks(data.get("network_info"))
    return HyperCluster(
        id=cluster_id,
        name=name,
        networks=networks,
        odd_id=not grammar.is_cluster_id(cluster_id),
        networks_complete=networks_complete,
    )


def _occupant(data: Any, kind: OccupantKind) -> Occupant:
    if not isinstance(data, dict):
        raise MalformedError("bad_row")
    cluster_id = data.get(_REFERENCES[kind])
    if cluster_id and not grammar.is_safe_id(cluster_id):
        raise MalformedError("bad_row")
    return Occupant(
        kind=kind,
        id=read_text(data.get("id")),
        name=read_text(data.get("name")),
        status=read_text(data.get("status")),
        cluster_id=grammar.canonical_id(cluster_id or ""),
    )


def _is_about(data: Any, cluster_id: str) -> bool:
    """Whether a row is about this cluster, or does not say about which."""
    if not isinstance(data, dict):
        raise MalformedError("bad_row")
    other = data.get("hyperinstance_cluster_id")
    return not isinstance(other, str) or other.lower() in {"", cluster_id.lower()}


def _capacity(data: dict[str, Any]) -> Capacity:
    is_sold_out = data.get("is_sold_out")
    return Capacity(
        flavor=read_text(data.get("flavor")),
        resource_flavor=read_text(data.get("resource_flavor")),
        zone=read_text(data.get("availability_zone")),
        is_sold_out=is_sold_out if isinstance(is_sold_out, bool) else None,
    )


def read_text(value: Any) -> str:
    """Text to show; empty for what is no text."""
    return printable(value, _LONGEST_NAME) if isinstance(value, str) else ""


def _networks(rows: Any) -> tuple[tuple[Network, ...], bool]:
    """The readable networks, each once, and whether they are all in the answer.

    A bad row says nothing against the cluster. Two rows that contradict each other state no default.
    """
    if not isinstance(rows, list):
        return (), False
    defaults: dict[str, set[bool]] = {}
    readable = 0
    for row in rows:
        if isinstance(row, dict) and grammar.is_name(subnet_id := row.get("hyper_cluster_subnet_id")):
            values = defaults.setdefault(subnet_id, set())
            if isinstance(row.get("is_default"), bool):
                values.add(row["is_default"])
            readable += 1
    networks = (
        Network(subnet_id, is_default=values.pop() if len(values) == 1 else None)
        for subnet_id, values in defaults.items()
    )
    return tuple(networks), readable == len(rows)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key twice")
    return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
