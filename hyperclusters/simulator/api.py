"""ModelArts, CTS and IAM behind the gateway: the four documented calls, and what is reported besides."""

import sqlite3
from dataclasses import dataclass
from http import HTTPStatus

from . import cloud_reports, clusters, hyperinstances
from .answers import (
    MODELARTS_EXISTS,
    MODELARTS_INVALID,
    MODELARTS_NOT_FOUND,
    MODELARTS_QUOTA,
    SIMULATED_IN_USE,
    Answer,
    json_answer,
    modelarts_error,
)
from .behaviours import Behaviours
from .clusters import SimulatedCluster
from .grammar import (
    DEFAULT_TYPE,
    CallKind,
    CapacityBody,
    CreateBody,
    InvalidParameterError,
    Target,
    TraceQuery,
    check_target,
    read_capacity_body,
    read_create_body,
    read_trace_query,
    read_type,
)
from .http_request import Request
from .journal import NO_EFFECT


@dataclass(frozen=True)
class Call:
    """A parsed request: what it asks for, or what is wrong with it."""

    kind: CallKind
    target: Target
    type: str = ""
    create_body: CreateBody | None = None
    capacity_body: CapacityBody | None = None
    trace_query: TraceQuery | None = None
    problem: str = ""

    @property
    def changes(self) -> bool:
        """Whether this call may change what exists."""
        return self.kind in {"create", "delete"}


@dataclass(frozen=True)
class Effect:
    """What ModelArts did and what it answers."""

    answer: Answer
    effect: str = NO_EFFECT


def read_call(kind: CallKind, target: Target, request: Request) -> Call:
    """Parse a request; a broken grammar is stored as the call's problem."""
    try:
        check_target(target)
        if kind == "create":
            create_body = read_create_body(request.body)
            return Call(kind, target, create_body.type, create_body)
        if kind == "capacity":
            return Call(kind, target, capacity_body=read_capacity_body(request.body))
        if kind == "traces":
            return Call(kind, target, trace_query=read_trace_query(request.query))
        if target.hyperinstances:
            return Call(kind, target)
        return Call(kind, target, read_type(request.query))
    except InvalidParameterError as problem:
        return Call(kind, target, problem=str(problem))


def perform(db: sqlite3.Connection, call: Call, behaviours: Behaviours, delay: float = 0) -> Effect:
    """Perform a call; with a delay, its effect begins that many seconds from now."""
    if call.problem:
        return Effect(modelarts_error(MODELARTS_INVALID, f"Invalid parameter: {call.problem}"))
    if call.create_body:
        return _create(db, call, call.create_body, behaviours, delay)
    if call.kind not in {"show", "delete"}:
        return _list(db, call, behaviours)
    cluster = find(db, call)
    if cluster is None:
        return Effect(
            modelarts_error(MODELARTS_NOT_FOUND, f"Hyper cluster {call.target.cluster_id} does not exist")
        )
    if call.kind == "show":
        return Effect(json_answer(HTTPStatus.OK, cluster.as_answer(behaviours.network_info)))
    return _delete(db, cluster, behaviours, delay)


def find(db: sqlite3.Connection, call: Call) -> SimulatedCluster | None:
    """The cluster of a path, if it belongs to that project and the requested type."""
    cluster = clusters.find(db, call.target.cluster_id or "")
    if cluster and (cluster.project_id, cluster.type) == (call.target.project_id, call.type):
        return cluster
    return None


def name_of(db: sqlite3.Connection, call: Call) -> str:
    """The name of the cluster of a request; empty for a list, or if there is none."""
    if call.create_body:
        return call.create_body.name
    cluster = find(db, call) if call.target.cluster_id else None
    return cluster.name if cluster else ""


def _create(
    db: sqlite3.Connection, call: Call, create_body: CreateBody, behaviours: Behaviours, delay: float
) -> Effect:
    existing = (
        clusters.list_clusters(db, call.target.project_id)
        if behaviours.unique_names or behaviours.quota is not None
        else []
    )
    if behaviours.unique_names and any(each.name == create_body.name for each in existing):
        message = f"A hyper cluster named {create_body.name} already exists"
        return Effect(modelarts_error(MODELARTS_EXISTS, message, HTTPStatus.CONFLICT))
    if behaviours.quota is not None and len(existing) >= behaviours.quota:
        return Effect(modelarts_error(MODELARTS_QUOTA, "The quota of hyper clusters is used up"))
    cluster = clusters.new_cluster(
        call.target.project_id,
        create_body.name,
        create_body.type,
        (create_body.subnet_id,) if create_body.subnet_id else (),
        odd_id=behaviours.ids == "odd",
    )
    clusters.add(db, cluster, delay=delay, list_lag=behaviours.list_lag)
    answer = json_answer(HTTPStatus.OK, cluster.as_answer(behaviours.network_info))
    return Effect(answer, f"created {cluster.id}")


def _list(db: sqlite3.Connection, call: Call, behaviours: Behaviours) -> Effect:
    if call.capacity_body:
        return _evaluate_capacity(db, call.target.project_id, call.capacity_body)
    if call.trace_query:
        return Effect(
            json_answer(HTTPStatus.OK, cloud_reports.traces(db, call.target.project_id, call.trace_query))
        )
    if call.kind == "projects":
        return Effect(json_answer(HTTPStatus.OK, cloud_reports.projects(db)))
    if call.target.hyperinstances:
        items = hyperinstances.list_hyperinstances(db, call.target.hyperinstances, call.target.project_id)
        return Effect(json_answer(HTTPStatus.OK, hyperinstances.as_list(items)))
    listing = clusters.visible(db, call.target.project_id, call.type)
    if not listing and behaviours.error_on_empty_list:
        return Effect(modelarts_error(MODELARTS_NOT_FOUND, "There are no hyper clusters"))
    rows = [cluster.as_answer(behaviours.network_info) for cluster in listing]
    return Effect(json_answer(HTTPStatus.OK, {"hyper_clusters": rows}))


def _evaluate_capacity(db: sqlite3.Connection, project_id: str, body: CapacityBody) -> Effect:
    names = {
        each.id: each.name for each in clusters.list_clusters(db, project_id) if each.type == DEFAULT_TYPE
    }
    for cluster_id in body.cluster_ids:
        if cluster_id not in names:
            message = f"Hyper cluster {cluster_id} does not exist"
            return Effect(modelarts_error(MODELARTS_NOT_FOUND, message))
    if body.cluster_ids:
        names = {cluster_id: names[cluster_id] for cluster_id in body.cluster_ids}
    return Effect(json_answer(HTTPStatus.OK, cloud_reports.capacities(db, project_id, names, body.filters)))


def _delete(
    db: sqlite3.Connection, cluster: SimulatedCluster, behaviours: Behaviours, delay: float
) -> Effect:
    if cluster.id in behaviours.refuse_delete_in_use:
        message = f"Hyper cluster {cluster.id} is in use"
        return Effect(modelarts_error(SIMULATED_IN_USE, message, HTTPStatus.CONFLICT))
    clusters.remove(db, cluster.id, delay=delay)
    return Effect(Answer(HTTPStatus.NO_CONTENT), f"deleted {cluster.id}")
