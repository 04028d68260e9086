"""Requests to the cloud and its answers, as frozen values."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class ClusterType(StrEnum):
    """The kind of servers that a hyper cluster connects. No answer has it; the request does."""

    HPS = "HPS"  # supernode servers
    ECS = "ECS"  # elastic cloud servers


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; with `security_token`, a temporary one. Its secrets stay out of `repr`."""

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Network:
    """One parameter-plane subnet of a hyper cluster. The vendor documents the answer's ID as a name."""

    subnet_id: str
    is_default: bool | None  # None: the answer does not say


@dataclass(frozen=True, slots=True)
class HyperCluster:
    """A hyper cluster as the cloud describes it.

    `id`: a UUID in lower case, however the answer spells it. `odd_id`: the ID is safe to use but doesn't match the
    documented pattern. It is kept, because it proves that the cluster exists, and flagged. `networks_complete`: the
    answer has a `network_info` and all of it is readable. Otherwise the cluster may have more networks than
    `networks`.
    """

    id: str
    name: str
    networks: tuple[Network, ...]
    odd_id: bool = False
    networks_complete: bool = True


class OccupantKind(StrEnum):
    """What can refer to a hyper cluster."""

    SUPERNODE = "supernode"  # the vendor's "hyperinstance"
    GROUP = "group"  # of supernodes


@dataclass(frozen=True, slots=True)
class Occupant:
    """A supernode or a group, and the hyper cluster that it refers to.

    `cluster_id`: a UUID in lower case; empty if it refers to none. The other values are text to show, with
    unprintable characters as escapes, and may be empty. `status` is the vendor's word, such as `ACTIVE`; groups have
    none.
    """

    kind: OccupantKind
    id: str
    name: str
    status: str
    cluster_id: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """Whether ModelArts calls one flavor sold out in one zone, for one hyper cluster.

    `flavor`, `resource_flavor` and `zone` are text to show, as the answer has it, with unprintable characters as
    escapes; each may be empty. `is_sold_out` is None if the answer does not say.
    """

    flavor: str
    resource_flavor: str
    zone: str
    is_sold_out: bool | None


@dataclass(frozen=True, slots=True)
class Request:
    """What will be sent, byte for byte, except the headers that signing adds."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes
    call: str = ""  # create, list, show, delete, supernodes, groups, capacity, traces or projects

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing in the cloud. The POST for a capacity reads too."""
        return self.method == "GET" or self.call == "capacity"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call as it happened, without secrets and anything that a database would refuse.

    `signed_at` is the `X-Sdk-Date` sent: UTC, whole seconds. `status` is None if no answer began; `body` is the
    answer's start, at most 4,096 characters, unprintable ones as escapes such as `\\x00`; `elapsed` is in seconds;
    `server_date` is the answer's `Date` header. `cluster_ids` are the IDs in an answer to a create,
    readable or not: candidates for what the create made.
    """

    request: Request
    endpoint: str
    signed_at: datetime
    status: int | None
    request_id: str
    body: str
    elapsed: float
    server_date: datetime | None
    cluster_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A value from the cloud, with the exchange that is its evidence."""

    value: T
    exchange: Exchange
