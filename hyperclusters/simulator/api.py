"""ModelArts, CTS and IAM behind the gateway: what each call does and answers."""

import sqlite3
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from . import clusters, resources
from .answers import (
    MODELARTS_EXISTS,
    MODELARTS_INVALID,
    MODELARTS_NOT_FOUND,
    MODELARTS_QUOTA,
    Answer,
    json_answer,
    modelarts_error,
)
from .behaviours import Behaviours
from .clusters import SimulatedCluster
from .grammar import DEFAULT_TYPE, Call
from .journal import NO_EFFECT


@dataclass(frozen=True)
class Effect:
    """What ModelArts did and what it answers."""

    answer: Answer
    effect: str = NO_EFFECT


def perform(db: sqlite3.Connection, call: Call, behaviours: Behaviours, delay: float = 0) -> Effect:
    """Perform a call; with a delay, its effect begins that many seconds from now."""
    if call.problem:
        return Effect(modelarts_error(MODELARTS_INVALID, f"Invalid parameter: {call.problem}"))
    if call.kind == "create":
        return _create(db, call, behaviours, delay)
    if call.target.cluster_id:
        return _show_or_delete(db, call, behaviours, delay)
    if call.kind == "list":
        return Effect(_list(db, call, behaviours))
    if call.kind == "capacity":
        return Effect(_evaluate_capacity(db, call))
    return Effect(json_answer(HTTPStatus.OK, _report(db, call)))


def find(db: sqlite3.Connection, call: Call) -> SimulatedCluster | None:
    """The cluster of a path, if it belongs to that project and the requested type."""
    cluster = clusters.find(db, call.target.cluster_id)
    if cluster and (cluster.project_id, cluster.type) == (call.target.project_id, call.values.get("type")):
        return cluster
    return None


def name_of(db: sqlite3.Connection, call: Call) -> str:
    """The name of the cluster of a request; empty for a list, or if there is none."""
    if call.kind == "create":
        return str(call.values.get("name", ""))
    cluster = find(db, call) if call.target.cluster_id else None
    return cluster.name if cluster else ""


def _create(db: sqlite3.Connection, call: Call, behaviours: Behaviours, delay: float) -> Effect:
    project_id, name, subnet_id = (
        call.target.project_id,
        call.values["name"],
        call.values["hyper_cluster_subnet_id"],
    )
    existing = clusters.list_clusters(db, project_id)
    if behaviours.unique_names and any(each.name == name for each in existing):
        message = f"A hyper cluster named {name} already exists"
        return Effect(modelarts_error(MODELARTS_EXISTS, message, HTTPStatus.CONFLICT))
    if behaviours.quota is not None and len(existing) >= behaviours.quota:
        return Effect(modelarts_error(MODELARTS_QUOTA, "The quota of hyper clusters is used up"))
    cluster = clusters.new_cluster(
        project_id,
        name,
        call.values["type"],
        (subnet_id,) if subnet_id else (),
        cluster_id=clusters.odd_id() if behaviours.ids == "odd" else "",
    )
    clusters.add(db, cluster, delay=delay, list_lag=behaviours.list_lag)
    answer = json_answer(HTTPStatus.OK, cluster.as_answer(behaviours.network_info))
    return Effect(answer, f"created {cluster.id}")


def _show_or_delete(db: sqlite3.Connection, call: Call, behaviours: Behaviours, delay: float) -> Effect:
    cluster = find(db, call)
    if cluster is None:
        return Effect(_not_found(call.target.cluster_id))
    if call.kind == "show":
        return Effect(json_answer(HTTPStatus.OK, cluster.as_answer(behaviours.network_info)))
    clusters.remove(db, cluster.id, delay=delay)
    return Effect(Answer(HTTPStatus.NO_CONTENT), f"deleted {cluster.id}")


def _list(db: sqlite3.Connection, call: Call, behaviours: Behaviours) -> Answer:
    listing = clusters.visible(db, call.target.project_id, call.values["type"])
    if not listing and behaviours.error_on_empty_list:
        return modelarts_error(MODELARTS_NOT_FOUND, "There are no hyper clusters")
    rows = [cluster.as_answer(behaviours.network_info) for cluster in listing]
    return json_answer(HTTPStatus.OK, {"hyper_clusters": rows})


def _evaluate_capacity(db: sqlite3.Connection, call: Call) -> Answer:
    existing = clusters.list_clusters(db, call.target.project_id)
    names = {each.id: each.name for each in existing if each.type == DEFAULT_TYPE}
    cluster_ids = call.values["hyperinstance_cluster_ids"] or names
    for cluster_id in cluster_ids:
        if cluster_id not in names:
            return _not_found(cluster_id)
    names = {cluster_id: names[cluster_id] for cluster_id in cluster_ids}
    rows = resources.list_resources(db, "capacities", call.target.project_id)
    return json_answer(HTTPStatus.OK, resources.capacities(rows, names, call.values))


def _report(db: sqlite3.Connection, call: Call) -> dict[str, Any]:
    if call.kind == "projects":
        return resources.projects(resources.list_resources(db, "projects"))
    rows = resources.list_resources(db, call.kind, call.target.project_id)
    if call.kind == "traces":
        return resources.traces(rows, call.values)
    return resources.supernodes(rows) if call.kind == "hyperinstances" else resources.groups(rows)


def _not_found(cluster_id: str) -> Answer:
    return modelarts_error(MODELARTS_NOT_FOUND, f"Hyper cluster {cluster_id} does not exist")
