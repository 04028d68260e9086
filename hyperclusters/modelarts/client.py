"""The calls of the ModelArts hyper-cluster API, and what ModelArts reports of a hyper cluster besides."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import unquote

from hyperclusters.modelarts import complaints, grammar, parsing, signing
from hyperclusters.modelarts.classification import classify, proves_absence
from hyperclusters.modelarts.complaints import named_ids, printable, redact
from hyperclusters.modelarts.errors import ModelArtsError, NotFound, Unavailable
from hyperclusters.modelarts.transport import MAX_BODY, RawResponse, Transport
from hyperclusters.modelarts.types import (
    Answer,
    Capacity,
    ClusterType,
    Credentials,
    Exchange,
    HyperCluster,
    Occupant,
    OccupantKind,
    Request,
)

log = logging.getLogger(__name__)
BODY_LIMIT = 4096  # characters of an answer that an Exchange keeps
LIST_LIMIT = 8 * 1024 * 1024  # bytes of a list, which grows with every cluster; about 20,000 clusters

_NEXT_PAGE = re.compile(r"""\brel\s*=\s*["']?[^"',;]*\bnext\b""", re.IGNORECASE)
LISTS = frozenset({"list", "supernodes", "groups"})  # may be as large as `list_limit`

T = TypeVar("T")
OnCall = Callable[[Exchange, ModelArtsError | None], None]


def _machine_clock() -> datetime:
    return datetime.now(UTC)


class Client:
    """One project at one endpoint, with one key. Immutable and thread-safe.

    - `endpoint`: `http(s)://host[:port]`.
    - `deadline`: seconds that one call may take in total, waiting for a connection included.
    - `connect_timeout`: seconds of those for DNS, TCP and TLS; a shared transport may allow fewer.
    - `clock`: returns the current time, aware; this machine's clock by default.
    - `clock_offset`: added to the clock when signing.
    - `on_call`: called with each exchange when it is over, and its error or None.
    - `list_limit`: the largest list in bytes. Every other answer may have 1 MiB.
    - `http`: the process's shared transport; without it the client creates its own, and closes it.

    Each call raises `InvalidRequest` if the grammar is broken, before anything is built, `Unavailable` if nothing was
    sent, and the other errors in `errors`. Only create and delete raise `OutcomeUnknown`.
    """

    needs_project = True  # a client of a service whose calls name no project says otherwise

    def __init__(
        self,
        *,
        endpoint: str,
        project_id: str = "",
        credentials: Credentials,
        deadline: float = 30.0,
        connect_timeout: float = 5.0,
        clock: Callable[[], datetime] = _machine_clock,
        clock_offset: timedelta = timedelta(0),
        list_limit: int = LIST_LIMIT,
        http: Transport | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        grammar.check("endpoint", endpoint, grammar.is_endpoint)
        if self.needs_project:
            grammar.check("project_id", project_id, grammar.is_project_id)
        grammar.check("access_key", credentials.access_key, grammar.is_header_safe)
        grammar.check("secret_key", credentials.secret_key, grammar.is_header_safe)
        grammar.check("security_token", credentials.security_token or "-", grammar.is_header_safe)
        self.endpoint = endpoint.lower()
        self.project_id = project_id
        self._credentials = credentials
        self._secrets = (credentials.secret_key, credentials.security_token, credentials.access_key)
        self._deadline = deadline
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._clock_offset = clock_offset
        self._list_limit = list_limit
        self._http = Transport(connect_timeout) if http is None else http
        self._owns_http = http is None
        self._on_call = on_call

    def create(
        self,
        *,
        name: str,
        type: ClusterType | None,  # noqa: A002 - the vendor's name
        subnet_id: str = "",
        signed_at: datetime | None = None,
    ) -> Answer[HyperCluster]:
        """Create a hyper cluster; the answer's cluster has exactly this name. A `type` of None is not sent.

        `signed_at`: an aware time to sign with as it is, for a caller that stores it before sending.
        """
        request = grammar.create_request(
            project_id=self.project_id, name=name, type=type, subnet_id=subnet_id
        )
        return self._call(request, partial(parsing.read_created, name=name), signed_at=signed_at)

    def list(self, *, type: ClusterType) -> Answer[tuple[HyperCluster, ...]]:  # noqa: A002 - the vendor's name
        """Every hyper cluster of this type; a list that is cut or has a bad row is `Unavailable`."""
        request = grammar.list_request(project_id=self.project_id, type=type)
        try:
            return self._call(request, parsing.read_clusters, max_body=self._list_limit)
        except NotFound as error:
            if error.exchange is not None and proves_absence(error):
                return Answer((), error.exchange)
            raise _unavailable(error) from error

    def list_occupants(self, kind: OccupantKind) -> Answer[tuple[Occupant, ...]]:
        """Every supernode, or every group, of the project, whatever hyper cluster it refers to.

        The path and the fields are those of the vendor's SDK. The vendor does not document whether the list names
        everything, how soon, or how it says that there is nothing. So only a whole list is an answer: one that is
        cut, has an unreadable row, has rows without any reference field or is an error of any kind, "not found"
        included, raises.
        """
        request = grammar.occupants_request(project_id=self.project_id, kind=kind)
        try:
            return self._call(request, partial(parsing.read_occupants, kind=kind), max_body=self._list_limit)
        except NotFound as error:
            raise _unavailable(error) from error

    def evaluate_capacity(self, *, cluster_id: str) -> Answer[tuple[Capacity, ...]]:
        """Which flavors ModelArts calls sold out for one HPS hyper cluster, and in which zones. Changes nothing.

        Path and fields are those of the vendor's SDK. What an answer is based on, how long it stays true and what an
        empty one means are not documented. More than 500 rows, or 1 MiB, raise.
        """
        request = grammar.capacity_request(project_id=self.project_id, cluster_id=cluster_id)
        return self._call(request, partial(parsing.read_capacities, cluster_id=cluster_id))

    def show(self, *, cluster_id: str, type: ClusterType) -> Answer[HyperCluster]:  # noqa: A002 - the vendor's name
        """One hyper cluster."""
        request = grammar.show_request(project_id=self.project_id, cluster_id=cluster_id, type=type)
        return self._call(request, partial(parsing.read_shown, cluster_id=cluster_id))

    def delete(
        self,
        *,
        cluster_id: str,
        type: ClusterType,  # noqa: A002 - the vendor's name
        signed_at: datetime | None = None,
    ) -> Answer[None]:
        """Delete a hyper cluster and its configuration permanently. `signed_at` as in `create`."""
        request = grammar.delete_request(project_id=self.project_id, cluster_id=cluster_id, type=type)
        return self._call(request, parsing.read_nothing, success_status=204, signed_at=signed_at)

    def close(self) -> None:
        """Close the connections, if the client created them."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(
        self,
        request: Request,
        parse: Callable[[bytes], T],
        *,
        success_status: int = 200,
        signed_at: datetime | None = None,
        max_body: int = MAX_BODY,
    ) -> Answer[T]:
        """Sign, send and read; `success_status` is the only status for which `parse` gets the body."""
        signed_at = self._moment(signed_at)
        reply = self._http.send(
            method=request.method,
            origin=self.endpoint,
            target=_target(request),
            headers=list(self._headers(request, signed_at).items()),
            body=request.body,
            deadline=self._deadline,
            connect_timeout=self._connect_timeout,
            max_body=max_body,
        )
        exchange = self._exchange(request, signed_at, reply)
        cause = reply.failure
        if cause == "too_large" and request.call in LISTS:
            cause = "list_too_large"  # a setting, not a broken answer
        if not cause and request.call in LISTS and _NEXT_PAGE.search(reply.headers.get("link", "")):
            cause = "incomplete_list"  # RFC 8288
        if not cause and reply.status == success_status:
            try:
                answer = Answer(parse(reply.body), exchange)
            except parsing.MalformedError as error:
                cause = error.cause
            else:
                self._note(exchange, None)
                return answer
        failure = classify(exchange, reply, cause=cause, secrets=self._secrets, now=self._clock())
        self._note(exchange, failure)
        raise failure

    def _note(self, exchange: Exchange, error: ModelArtsError | None) -> None:
        """Log one line without a body, and call `on_call`."""
        facts = {
            "call": exchange.request.call,
            "endpoint": exchange.endpoint,
            "project_id": self.project_id,
            "status": exchange.status,
            "seconds": round(exchange.elapsed, 3),
            "upstream_request_id": exchange.request_id,
        }
        if error is not None:
            facts |= {"cause": error.cause, "code": error.code, "proves": str(error.proves)}
        log.info("called the cloud", extra=facts)
        if self._on_call is not None:
            self._on_call(exchange, error)

    def _moment(self, signed_at: datetime | None) -> datetime:
        if signed_at is None:
            signed_at = self._clock() + self._clock_offset
        elif signed_at.tzinfo is None:
            raise ValueError("signed_at has no time zone")
        return signed_at.astimezone(UTC).replace(microsecond=0)

    def _headers(self, request: Request, signed_at: datetime) -> dict[str, str]:
        """The headers that the official client sends; beyond those that it signs, the transport's."""
        to_sign = {
            "Host": self.endpoint.partition("://")[2],
            "Content-Type": "application/json;charset=utf-8" if request.body else "application/json",
            "X-Sdk-Date": signing.sdk_date(signed_at),
        }
        if self.needs_project:
            to_sign["X-Project-Id"] = self.project_id
        if self._credentials.security_token:
            to_sign["X-Security-Token"] = self._credentials.security_token
        authorization = signing.authorization(
            method=request.method,
            path=request.path,
            query=request.query,
            headers=to_sign,
            body=request.body,
            access_key=self._credentials.access_key,
            secret_key=self._credentials.secret_key,
        )
        others = {
            "User-Agent": "hyperclusters",
            "Accept-Encoding": "identity",
            "Authorization": authorization,
        }
        if request.body:
            others["Content-Length"] = str(len(request.body))
        return to_sign | others

    def _exchange(self, request: Request, signed_at: datetime, reply: RawResponse) -> Exchange:
        request_id = reply.headers.get("x-request-id", "")
        ids: tuple[str, ...] = ()  # of the clusters that a create's answer may mean, a refusal's included
        if request.call == "create" and reply.status is not None:
            places = " ".join(reply.headers.get(name, "") for name in ("location", "content-location"))
            ids = named_ids(reply.body, unquote(places), in_words=200 <= reply.status <= 299)
        body = redact(complaints.decode(reply.body[: 8 * BODY_LIMIT]), self._secrets)
        return Exchange(
            request=request,
            endpoint=self.endpoint,
            signed_at=signed_at,
            status=reply.status,
            request_id=printable(redact(request_id, self._secrets), complaints.REQUEST_ID_LIMIT)
            or complaints.complaint(reply.body, self._secrets).request_id,
            body=printable(body, BODY_LIMIT),
            elapsed=reply.elapsed,
            server_date=parsing.http_date(reply.headers.get("date", "")),
            cluster_ids=ids,
        )


def _unavailable(error: NotFound) -> Unavailable:
    return Unavailable(
        error.message,
        code=error.code,
        request_id=error.request_id,
        exchange=error.exchange,
        cause=error.cause,
    )


def _target(request: Request) -> str:
    query = signing.query_string(request.query)
    return f"{request.path}?{query}" if query else request.path
