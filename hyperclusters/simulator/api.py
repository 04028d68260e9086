"""ModelArts behind the gateway: the four documented calls on the store."""

import sqlite3
from dataclasses import dataclass
from http import HTTPStatus

from . import clusters
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
from .clusters import SimulatedCluster
from .grammar import CallKind, InvalidParameterError, Target, Wish, check_target, read_type, read_wish
from .journal import NO_EFFECT
from .request import Request
from .switches import Switches


@dataclass(frozen=True)
class Call:
    """A request that has been read: what is asked for, or what is wrong with it."""

    kind: CallKind
    target: Target
    type: str = ""
    wish: Wish | None = None
    problem: str = ""

    @property
    def changes(self) -> bool:
        """Whether this call may change what exists."""
        return self.kind in {"create", "delete"}


@dataclass(frozen=True)
class Deed:
    """What ModelArts did and what it answers."""

    answer: Answer
    effect: str = NO_EFFECT


def read_call(kind: CallKind, target: Target, request: Request) -> Call:
    """Read a request; a broken grammar is kept as the call's problem."""
    try:
        check_target(target)
        if kind == "create":
            wish = read_wish(request.body)
            return Call(kind, target, wish.type, wish)
        return Call(kind, target, read_type(request.query))
    except InvalidParameterError as problem:
        return Call(kind, target, problem=str(problem))


def perform(db: sqlite3.Connection, call: Call, switches: Switches, delay: float = 0) -> Deed:
    """Do what a call asks for; with a delay, a deed takes hold that many seconds from now."""
    if call.problem:
        return Deed(modelarts_error(MODELARTS_INVALID, f"Invalid parameter: {call.problem}"))
    if call.wish:
        return _create(db, call, call.wish, switches, delay)
    if call.kind == "list":
        return _list(db, call, switches)
    cluster = find(db, call)
    if cluster is None:
        return Deed(
            modelarts_error(MODELARTS_NOT_FOUND, f"Hyper cluster {call.target.cluster_id} does not exist")
        )
    if call.kind == "show":
        return Deed(json_answer(HTTPStatus.OK, cluster.as_answer(switches.network_info)))
    return _delete(db, cluster, switches, delay)


def find(db: sqlite3.Connection, call: Call) -> SimulatedCluster | None:
    """The cluster that a path names, if it is of that project and of the type asked for."""
    cluster = clusters.find(db, call.target.cluster_id or "")
    if cluster and (cluster.project_id, cluster.type) == (call.target.project_id, call.type):
        return cluster
    return None


def name_of(db: sqlite3.Connection, call: Call) -> str:
    """The name of the cluster a request is about; empty for a list, or where there is none."""
    if call.wish:
        return call.wish.name
    cluster = find(db, call) if call.target.cluster_id else None
    return cluster.name if cluster else ""


def _create(db: sqlite3.Connection, call: Call, wish: Wish, switches: Switches, delay: float) -> Deed:
    existing = (
        clusters.living(db, call.target.project_id)
        if switches.unique_names or switches.quota is not None
        else []
    )
    if switches.unique_names and any(each.name == wish.name for each in existing):
        message = f"A hyper cluster named {wish.name} already exists"
        return Deed(modelarts_error(MODELARTS_EXISTS, message, HTTPStatus.CONFLICT))
    if switches.quota is not None and len(existing) >= switches.quota:
        return Deed(
            modelarts_error(MODELARTS_QUOTA, f"The quota of {switches.quota} hyper clusters is used up")
        )
    cluster = clusters.new_cluster(
        call.target.project_id,
        wish.name,
        wish.type,
        (wish.subnet_id,) if wish.subnet_id else (),
        odd_id=switches.ids == "odd",
    )
    clusters.add(db, cluster, delay=delay, list_lag=switches.list_lag)
    answer = json_answer(HTTPStatus.OK, cluster.as_answer(switches.network_info))
    return Deed(answer, f"created {cluster.id}")


def _list(db: sqlite3.Connection, call: Call, switches: Switches) -> Deed:
    found = clusters.listed(db, call.target.project_id, call.type)
    if not found and switches.error_on_empty_list:
        return Deed(modelarts_error(MODELARTS_NOT_FOUND, "There are no hyper clusters"))
    rows = [cluster.as_answer(switches.network_info) for cluster in found]
    return Deed(json_answer(HTTPStatus.OK, {"hyper_clusters": rows}))


def _delete(db: sqlite3.Connection, cluster: SimulatedCluster, switches: Switches, delay: float) -> Deed:
    if cluster.id in switches.refuse_delete_in_use:
        message = f"Hyper cluster {cluster.id} is in use"
        return Deed(modelarts_error(SIMULATED_IN_USE, message, HTTPStatus.CONFLICT))
    clusters.remove(db, cluster.id, delay=delay)
    return Deed(Answer(HTTPStatus.NO_CONTENT), f"deleted {cluster.id}")
