"""The control surface under /_simulator/, for this machine only: behaviours, faults, journal, clusters, resources, and help."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Template

from . import resources
from .behaviours import Behaviours
from .cloud import Cloud
from .faults import KINDS, MATCHERS, Fault
from .grammar import CALLS, ClusterType, Name, ProjectId, Record, SubnetId
from .http_messages import JSON_TYPE, Answer, Request, json_answer

ROOT = "/_simulator"
NO_CONTENT = Answer(HTTPStatus.NO_CONTENT)
RECENT_ROWS = 50
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


class Cluster(Record):
    """A cluster to add."""

    project_id: ProjectId
    name: Name
    type: ClusterType = "HPS"
    subnet_ids: list[SubnetId] = []


def is_control(request: Request) -> bool:
    """Whether a request is for the control surface rather than for the simulated API."""
    return request.path == ROOT or request.path.startswith(ROOT + "/")


def respond(cloud: Cloud, request: Request) -> Answer:
    """Answer one control request; errors are one sentence."""
    if not _is_local(request):
        return _problem(HTTPStatus.FORBIDDEN, "the control surface answers only to this machine")
    try:
        return _route(cloud, request)
    except ValueError as problem:
        return _problem(HTTPStatus.BAD_REQUEST, str(problem))


def _route(cloud: Cloud, request: Request) -> Answer:
    resource, _, item_id = request.path.removeprefix(ROOT).removeprefix("/").partition("/")
    pattern = f"{resource}/*" if item_id else resource
    methods = sorted(method for method, path in ROUTES if path == pattern)
    if not methods:
        return _problem(HTTPStatus.NOT_FOUND, f"there is no such control; {ROOT}/ lists them")
    if request.method not in methods:
        refusal = _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this takes {', '.join(methods)}")
        return refusal.with_header("Allow", ", ".join(methods))
    # A web page elsewhere can make a browser here send a form, but not JSON.
    is_json = request.header("content-type").startswith(JSON_TYPE)
    if request.method in {"POST", "PUT"} and not is_json:
        return _problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send Content-Type: {JSON_TYPE}")
    result = ROUTES[request.method, pattern](cloud, request, item_id)
    if isinstance(result, Answer):
        return result
    if request.method == "DELETE":
        is_missing = result is False
        return _problem(HTTPStatus.NOT_FOUND, "nothing has this ID") if is_missing else NO_CONTENT
    return json_answer(HTTPStatus.CREATED if request.method == "POST" else HTTPStatus.OK, result)


def _show_help(cloud: Cloud, request: Request, _: str) -> Answer:
    """The page of every call, behaviour and fault, the current settings, commands, and the last requests."""
    template = Template((Path(__file__).parent / "page.html").read_text(), autoescape=True)
    state = cloud.behaviours()
    recent = [entry.as_json() for entry in cloud.journal()[: -RECENT_ROWS - 1 : -1]]
    html = template.render(
        root=f"http://{request.header('host')}{ROOT}",
        calls=[
            (kind, f"{call.method} {call.path}", ", ".join(call.content.model_fields))
            for kind, call in CALLS.items()
        ],
        switches=[
            (name, json.dumps(getattr(state, name)), field.description)
            for name, field in Behaviours.model_fields.items()
        ],
        rules=[[json.dumps(rule)] for rule in cloud.faults()],
        kinds=[
            *((kind, meaning, _parameters(names)) for kind, (meaning, names) in KINDS.items()),
            ("every fault", "", _parameters(MATCHERS)),
        ],
        heads=list(recent[0]) if recent else [],
        entries=[list(entry.values()) for entry in recent],
    )
    return Answer(HTTPStatus.OK, html.encode(), (("Content-Type", "text/html; charset=utf-8"),))


def _parameters(names: Sequence[str]) -> str:
    return "; ".join(f"{name}: {Fault.model_fields[name].description}" for name in names)


def _show_switches(cloud: Cloud, _: Request, __: str) -> Any:
    return {**cloud.behaviours().model_dump(), "faults": cloud.faults()}


def _change_switches(cloud: Cloud, request: Request, item_id: str) -> Any:
    content = request.json_object()
    cloud.set(faults_in_force=content.pop("faults", None), **content)
    return _show_switches(cloud, request, item_id)


def _add_cluster(cloud: Cloud, request: Request, _: str) -> Any:
    return asdict(cloud.add_cluster(**Cluster.read(request.json_object()).model_dump()))


ROUTES: dict[tuple[str, str], Callable[[Cloud, Request, str], Any]] = {
    ("GET", ""): _show_help,
    ("GET", "switches"): _show_switches,
    ("PUT", "switches"): _change_switches,
    ("DELETE", "switches"): lambda cloud, _, __: cloud.reset(),
    ("POST", "faults"): lambda cloud, request, _: cloud.add_fault(request.json_object()),
    ("DELETE", "faults"): lambda cloud, _, __: cloud.set(faults_in_force=[]),
    ("GET", "journal"): lambda cloud, _, __: {"entries": [each.as_json() for each in cloud.journal()]},
    ("GET", "clusters"): lambda cloud, _, __: {"clusters": [asdict(each) for each in cloud.clusters()]},
    ("POST", "clusters"): _add_cluster,
    ("DELETE", "clusters/*"): lambda cloud, _, cluster_id: cloud.remove_cluster(cluster_id),
}


def _add_routes(kind: str) -> None:
    """Add the routes of one kind of resource."""
    ROUTES["GET", kind] = lambda cloud, _, __: {kind: [each.model_dump() for each in cloud.resources(kind)]}
    ROUTES["POST", kind] = lambda cloud, request, _: cloud.add_resource(
        kind, request.json_object()
    ).model_dump()
    ROUTES["DELETE", kind] = lambda cloud, _, __: cloud.remove_resources(kind)
    ROUTES["DELETE", f"{kind}/*"] = lambda cloud, _, item_id: cloud.remove_resources(kind, item_id)


for _kind in resources.KINDS:
    _add_routes(_kind)


def _is_local(request: Request) -> bool:
    """Meant for a loopback address: a name that merely resolves to this machine is not enough."""
    try:
        return urlsplit(f"//{request.header('host')}").hostname in LOCAL_NAMES
    except ValueError:
        return False


def _problem(status: int, sentence: str) -> Answer:
    return json_answer(status, {"error": sentence})
