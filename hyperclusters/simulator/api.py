"""ModelArts, CTS and IAM behind the gateway: what each call does and answers."""

import secrets
import sqlite3
from dataclasses import replace
from http import HTTPStatus

from . import clusters, resources
from .behaviours import Behaviours
from .clusters import SimulatedCluster
from .grammar import Call
from .http_messages import Answer, json_answer, modelarts_error

INVALID = "ModelArts.0104"
NOT_FOUND = "ModelArts.6404"
EXISTS = "ModelArts.0103"
QUOTA = "ModelArts.0106"


def perform(db: sqlite3.Connection, call: Call, behaviours: Behaviours, delay: float = 0) -> Answer:
    """Perform a call; with a delay, its effect begins that many seconds from now."""
    if call.problem:
        return modelarts_error(INVALID, f"Invalid parameter: {call.problem}")
    match call.kind:
        case "create":
            answer = _create(db, call, behaviours, delay)
        case "show" | "delete":
            answer = _show_or_delete(db, call, behaviours, delay)
        case "list":
            answer = _list(db, call, behaviours)
        case "capacity":
            answer = _evaluate_capacity(db, call)
        case "traces":
            answer = json_answer(HTTPStatus.OK, resources.find_traces(db, call.project_id, call.content))
        case _:
            answer = json_answer(HTTPStatus.OK, resources.list_all(db, call.kind, call.project_id))
    return answer


def find(db: sqlite3.Connection, call: Call) -> SimulatedCluster | None:
    """The cluster of a path, if it belongs to that project and the requested type."""
    cluster = clusters.find(db, call.cluster_id)
    is_meant = cluster and (cluster.project_id, cluster.type) == (call.project_id, call.type)
    return cluster if is_meant else None


def _create(db: sqlite3.Connection, call: Call, behaviours: Behaviours, delay: float) -> Answer:
    neighbours = clusters.list_clusters(db, call.project_id)
    if behaviours.unique_names and any(each.name == call.name for each in neighbours):
        message = f"A hyper cluster named {call.name} already exists"
        return modelarts_error(EXISTS, message, HTTPStatus.CONFLICT)
    if behaviours.quota is not None and len(neighbours) >= behaviours.quota:
        return modelarts_error(QUOTA, "The quota of hyper clusters is used up")
    subnet_id = call.content.hyper_cluster_subnet_id
    cluster = clusters.create(
        db,
        call.project_id,
        call.name,
        call.type,
        [subnet_id] if subnet_id else [],
        cluster_id=f"hyper.cluster_{secrets.token_hex(8)}" if behaviours.ids == "odd" else "",
        delay=delay,
        list_lag=behaviours.list_lag,
    )
    answer = json_answer(HTTPStatus.OK, cluster.as_answer(behaviours.network_info))
    return replace(answer, effect=f"created {cluster.id}")


def _show_or_delete(db: sqlite3.Connection, call: Call, behaviours: Behaviours, delay: float) -> Answer:
    cluster = find(db, call)
    if cluster is None:
        return _not_found(call.cluster_id)
    if call.kind == "show":
        return json_answer(HTTPStatus.OK, cluster.as_answer(behaviours.network_info))
    clusters.remove(db, cluster.id, delay=delay)
    return Answer(HTTPStatus.NO_CONTENT, effect=f"deleted {cluster.id}")


def _list(db: sqlite3.Connection, call: Call, behaviours: Behaviours) -> Answer:
    listing = clusters.visible(db, call.project_id, call.type)
    if not listing and behaviours.error_on_empty_list:
        return modelarts_error(NOT_FOUND, "There are no hyper clusters")
    rows = [cluster.as_answer(behaviours.network_info) for cluster in listing]
    return json_answer(HTTPStatus.OK, {"hyper_clusters": rows})


def _evaluate_capacity(db: sqlite3.Connection, call: Call) -> Answer:
    names = {each.id: each.name for each in clusters.list_clusters(db, call.project_id) if each.type == "HPS"}
    cluster_ids = call.content.hyperinstance_cluster_ids or names
    for cluster_id in cluster_ids:
        if cluster_id not in names:
            return _not_found(cluster_id)
    names = {cluster_id: names[cluster_id] for cluster_id in cluster_ids}
    body = resources.evaluate_capacity(db, call.project_id, names)
    return json_answer(HTTPStatus.OK, body)


def _not_found(cluster_id: str) -> Answer:
    return modelarts_error(NOT_FOUND, f"Hyper cluster {cluster_id} does not exist")
