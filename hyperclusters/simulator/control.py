"""The control surface under /_simulator/, for this machine only: behaviours, faults, journal, clusters, resources."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from . import behaviours, clusters, faults, journal, page, resources
from .answers import JSON_TYPE, Answer, json_answer
from .database import Database
from .fields import Field, list_of, matching, one_of, read
from .grammar import DEFAULT_TYPE, NAME, PROJECT_ID, SUBNET_ID, TYPES
from .http_request import Request

ROOT = "/_simulator"
RECENT_ROWS = 50
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}
CLUSTER = {
    "project_id": Field(PROJECT_ID),
    "name": Field(NAME),
    "type": Field(one_of(*TYPES), DEFAULT_TYPE),
    "subnet_ids": Field(list_of(SUBNET_ID), ()),
}
AFTER = {"after": Field(matching(r"\d{1,18}"), "0")}


class MissingError(LookupError):
    """The target of a control path does not exist."""


def is_control(request: Request) -> bool:
    """Whether a request is for the control surface rather than for the simulated API."""
    return request.path == ROOT or request.path.startswith(ROOT + "/")


def respond(database: Database, request: Request) -> Answer:
    """Answer one control request; errors are one sentence."""
    try:
        return _route(database, request)
    except MissingError as problem:
        return _problem(HTTPStatus.NOT_FOUND, str(problem.args[0]))
    except ValueError as problem:
        return _problem(HTTPStatus.BAD_REQUEST, str(problem))


def _route(database: Database, request: Request) -> Answer:
    if not _is_local(request):
        return _problem(HTTPStatus.FORBIDDEN, "the control surface answers only to this machine")
    resource, _, item_id = request.path.removeprefix(ROOT).removeprefix("/").partition("/")
    pattern = f"{resource}/*" if item_id else resource
    allowed = sorted(method for method, path in ROUTES if path == pattern)
    if not allowed:
        raise MissingError(f"there is no such control; {ROOT}/ lists them")
    if request.method not in allowed:
        refusal = _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this takes {', '.join(allowed)}")
        return refusal.with_header("Allow", ", ".join(allowed))
    # A web page elsewhere can make a browser here send a form, but not JSON.
    is_json = request.header("content-type").startswith(JSON_TYPE)
    if request.method in {"POST", "PUT"} and not is_json:
        return _problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send Content-Type: {JSON_TYPE}")
    return ROUTES[request.method, pattern](database, request, item_id)


def _show_help(database: Database, request: Request, _: str) -> Answer:
    with database.read() as db:
        rows = journal.entries(db, newest=RECENT_ROWS)
        html = page.render(request.header("host"), behaviours.current(db), faults.rules_in_force(db), rows)
    return Answer(HTTPStatus.OK, html.encode(), (("Content-Type", "text/html; charset=utf-8"),))


def _show_switches(database: Database, _: Request, __: str) -> Answer:
    with database.read() as db:
        return json_answer(
            HTTPStatus.OK, {**asdict(behaviours.current(db)), "faults": faults.rules_in_force(db)}
        )


def _change_switches(database: Database, request: Request, item_id: str) -> Answer:
    changes = request.json_object()
    rules = changes.pop("faults", None)
    with database.write() as db:
        behaviours.change(db, changes)
        if rules is not None:
            faults.replace_all(db, rules)
    return _show_switches(database, request, item_id)


def _reset(database: Database, _: Request, __: str) -> Answer:
    with database.write() as db:
        behaviours.reset(db)
        faults.replace_all(db, [])
    return Answer(HTTPStatus.NO_CONTENT)


def _add_fault(database: Database, request: Request, _: str) -> Answer:
    with database.write() as db:
        return json_answer(HTTPStatus.CREATED, faults.add(db, request.json_object()).as_json())


def _clear_faults(database: Database, _: Request, __: str) -> Answer:
    with database.write() as db:
        faults.replace_all(db, [])
    return Answer(HTTPStatus.NO_CONTENT)


def _show_journal(database: Database, request: Request, _: str) -> Answer:
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    with database.read() as db:
        rows = journal.entries(db, after=int(read(AFTER, query, strict=False)["after"]))
    return json_answer(HTTPStatus.OK, {"entries": [row.as_json() for row in rows]})


def _show_clusters(database: Database, _: Request, __: str) -> Answer:
    with database.read() as db:
        return json_answer(HTTPStatus.OK, {"clusters": [asdict(each) for each in clusters.list_clusters(db)]})


def _add_cluster(database: Database, request: Request, _: str) -> Answer:
    cluster = clusters.new_cluster(*read(CLUSTER, request.json_object()).values())
    with database.write() as db:
        clusters.add(db, cluster)
    return json_answer(HTTPStatus.CREATED, asdict(cluster))


def _remove_cluster(database: Database, _: Request, cluster_id: str) -> Answer:
    with database.write() as db:
        if not clusters.remove(db, cluster_id):
            raise MissingError("there is no cluster of this ID")
    return Answer(HTTPStatus.NO_CONTENT)


def _show_resources(kind: str, database: Database, _: Request, __: str) -> Answer:
    with database.read() as db:
        rows = [each.as_json() for each in resources.list_resources(db, kind)]
    return json_answer(HTTPStatus.OK, {kind: rows})


def _add_resource(kind: str, database: Database, request: Request, _: str) -> Answer:
    with database.write() as db:
        return json_answer(HTTPStatus.CREATED, resources.add(db, kind, request.json_object()).as_json())


def _remove_resources(kind: str, database: Database, _: Request, item_id: str) -> Answer:
    with database.write() as db:
        if not resources.remove(db, kind, item_id) and item_id:
            raise MissingError(f"nothing of this ID is among the {kind}")
    return Answer(HTTPStatus.NO_CONTENT)


ROUTES: dict[tuple[str, str], Callable[[Database, Request, str], Answer]] = {
    ("GET", ""): _show_help,
    ("GET", "switches"): _show_switches,
    ("PUT", "switches"): _change_switches,
    ("DELETE", "switches"): _reset,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "journal"): _show_journal,
    ("GET", "clusters"): _show_clusters,
    ("POST", "clusters"): _add_cluster,
    ("DELETE", "clusters/*"): _remove_cluster,
}
for _kind in resources.FIELDS:
    ROUTES |= {
        ("GET", _kind): partial(_show_resources, _kind),
        ("POST", _kind): partial(_add_resource, _kind),
        ("DELETE", _kind): partial(_remove_resources, _kind),
        ("DELETE", f"{_kind}/*"): partial(_remove_resources, _kind),
    }


def _is_local(request: Request) -> bool:
    """Meant for a loopback address: a name that merely resolves to this machine is not enough."""
    try:
        return urlsplit(f"//{request.header('host')}").hostname in LOCAL_NAMES
    except ValueError:
        return False


def _problem(status: int, sentence: str) -> Answer:
    return json_answer(status, {"error": sentence})
