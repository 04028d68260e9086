"""The only place that builds a client of the cloud."""

from datetime import datetime, timedelta
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings

from hyperclusters import tracing
from hyperclusters.audit import clock
from hyperclusters.modelarts import (
    Client,
    ClusterType,
    Credentials,
    Exchange,
    ModelArtsError,
    ProjectClient,
    TraceClient,
    Transport,
    cts_endpoint,
    iam_endpoint,
    is_endpoint,
)

from . import counters, machine
from .credentials import UnusableKey, unseal
from .models import KeyKind, Project

C = TypeVar("C", bound=Client)


def bound_to(*, endpoint: str, project_id: str) -> str:
    """What a project's credentials are sealed for."""
    return f"{endpoint}|{project_id}"


class NoTraceService(Exception):
    """Where CTS is for this project is not known, or its host is not on the operator's list."""


def client_for(project: Project) -> Client:
    """A client with the project's credentials, over this process's one connection pool. Raises UnusableKey."""
    return _project_client(Client, project, project.endpoint)


def trace_client_for(project: Project) -> TraceClient:
    """The same for CTS in the project's region. Raises UnusableKey, NoTraceService."""
    endpoint = cts_endpoint(project.endpoint)
    if not is_allowed(endpoint):
        raise NoTraceService(project.endpoint)
    return _project_client(TraceClient, project, endpoint)


def iam_client(endpoint: str, credentials: Credentials | None, clock_offset: timedelta) -> ProjectClient:
    """A client of IAM in the region of a ModelArts endpoint, for a key that no project has yet; None for the machine's
    own. Raises UnusableKey."""
    key = credentials or machine.key(_transport())
    return _client(ProjectClient, iam_endpoint(endpoint), "", key, clock_offset)


def _project_client(kind: type[C], project: Project, endpoint: str) -> C:
    return _client(kind, endpoint, project.project_id, _key(project), project.clock_offset)


def _client(
    kind: type[C], endpoint: str, project_id: str, credentials: Credentials, clock_offset: timedelta
) -> C:
    return kind(
        endpoint=endpoint,
        project_id=project_id,
        credentials=credentials,
        deadline=settings.UPSTREAM_DEADLINE,
        clock=clock.now,
        clock_offset=clock_offset,
        list_limit=settings.UPSTREAM_LIST_MIB * 1024 * 1024,
        http=_transport(),
        on_call=_note,
    )


def _note(exchange: Exchange, error: ModelArtsError | None) -> None:
    """Count the call and record it as a span."""
    counters.count_call(exchange, error)
    tracing.record_span(
        f"ModelArts {exchange.request.call}",
        exchange.elapsed,
        result=type(error).__name__ if error else "Answer",
        http__response__status_code=exchange.status or 0,
        upstream_request_id=exchange.request_id,
    )


def _key(project: Project) -> Credentials:
    if project.key_kind == KeyKind.MACHINE:
        return machine.key(_transport())
    if project.has_key_ended():
        raise UnusableKey("the temporary key has ended", cause="key_ended")
    sealed_for = bound_to(endpoint=project.endpoint, project_id=project.project_id)
    return unseal(project.sealed_credentials, bound_to=sealed_for)


def signing_time(project: Project) -> datetime:
    """The X-Sdk-Date of a request signed now: whole seconds, by the cloud's clock as far as known."""
    return (clock.now() + project.clock_offset).replace(microsecond=0)


def other_type(kind: ClusterType) -> ClusterType:
    """The other cluster type. The cloud keeps the two apart: a call sees the clusters of one type only."""
    return ClusterType.ECS if kind == ClusterType.HPS else ClusterType.HPS


def is_allowed(endpoint: str) -> bool:
    """Whether the operator's allow-list has this endpoint's host. Plain http is only for loopback."""
    if not is_endpoint(endpoint):
        return False
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host == "127.0.0.1"):
        return False
    return any(host == pattern or _is_below(host, pattern) for pattern in settings.UPSTREAM_HOSTS)


def _is_below(host: str, pattern: str) -> bool:
    return pattern.startswith("*.") and host.endswith(pattern[1:])


@cache
def _transport() -> Transport:
    return Transport(connect_timeout=settings.UPSTREAM_CONNECT_TIMEOUT)
