"""The control surface under /_simulator/, for this machine only: behaviours, faults, journal, keys."""

import re
import time
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import access_keys, behaviours, cloud_reports, clusters, faults, hyperinstances, journal, page
from .access_keys import Key
from .answers import JSON_TYPE, Answer, json_answer
from .behaviours import BehaviourError, number, one_of, text
from .database import Database
from .grammar import NAME, PROJECT_ID, SUBNET_ID, TYPES
from .http_request import Request

ROOT = "/_simulator"
RECENT_ROWS = 50
ROW_NUMBER = re.compile(r"[0-9]{1,18}")
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


class MissingError(LookupError):
    """The target of a control path does not exist."""


def is_control(request: Request) -> bool:
    """Whether a request is for the control surface rather than for the simulated API."""
    return request.path == ROOT or request.path.startswith(ROOT + "/")


class Control:
    """Answers control requests."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._routes: dict[tuple[str, str], Callable[[Request, str], Answer]] = {
            ("GET", ""): self._help,
            ("GET", "switches"): self._show_switches,
            ("PUT", "switches"): self._change_switches,
            ("DELETE", "switches"): self._reset,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "journal"): self._journal,
            ("GET", "clusters"): self._show_clusters,
            ("POST", "clusters"): self._add_cluster,
            ("DELETE", "clusters/*"): self._remove_cluster,
            **self._hyperinstance_routes("hyperinstances", "all"),
            **self._hyperinstance_routes("groups", "groups"),
            **self._report_routes("capacities"),
            **self._report_routes("traces"),
            **self._report_routes("projects"),
            ("GET", "keys"): self._show_keys,
            ("POST", "keys"): self._add_key,
            ("DELETE", "keys/*"): self._remove_key,
            ("DELETE", "locks/*"): self._unlock_key,
        }

    def answer(self, request: Request) -> Answer:
        """Answer one control request; errors are one sentence."""
        try:
            return self._route(request)
        except MissingError as problem:
            return _problem(HTTPStatus.NOT_FOUND, str(problem.args[0]))
        except ValueError as problem:
            return _problem(HTTPStatus.BAD_REQUEST, str(problem))

    def _route(self, request: Request) -> Answer:
        if not _is_local(request):
            return _problem(HTTPStatus.FORBIDDEN, "the control surface answers only to this machine")
        resource, _, rest = request.path.removeprefix(ROOT).removeprefix("/").partition("/")
        pattern = f"{resource}/*" if rest else resource
        allowed = sorted(method for method, path in self._routes if path == pattern)
        if not allowed:
            raise MissingError(f"there is no such control; {ROOT}/ lists them")
        if request.method not in allowed:
            refusal = _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this takes {', '.join(allowed)}")
            return refusal.with_header("Allow", ", ".join(allowed))
        # A web page elsewhere can make a browser here send a form, but not JSON.
        is_json = request.header("content-type").startswith(JSON_TYPE)
        if request.method in {"POST", "PUT"} and not is_json:
            return _problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send Content-Type: {JSON_TYPE}")
        return self._routes[request.method, pattern](request, rest)

    def _help(self, request: Request, _: str) -> Answer:
        with self._database.read() as db:
            rows = journal.entries(db, newest=RECENT_ROWS)
            html = page.render(
                request.header("host"), behaviours.current(db), faults.rules_in_force(db), rows
            )
        return Answer(HTTPStatus.OK, html.encode(), (("Content-Type", "text/html; charset=utf-8"),))

    def _show_switches(self, _: Request, __: str) -> Answer:
        with self._database.read() as db:
            return json_answer(
                HTTPStatus.OK, {**asdict(behaviours.current(db)), "faults": faults.rules_in_force(db)}
            )

    def _change_switches(self, request: Request, rest: str) -> Answer:
        changes = request.json_object()
        rules = changes.pop("faults", None)
        with self._database.write() as db:
            behaviours.change(db, changes)
            if rules is not None:
                faults.replace(db, rules)
        return self._show_switches(request, rest)

    def _reset(self, _: Request, __: str) -> Answer:
        with self._database.write() as db:
            behaviours.reset(db)
            faults.replace(db, [])
        return Answer(HTTPStatus.NO_CONTENT)

    def _add_fault(self, request: Request, _: str) -> Answer:
        fault = faults.read(request.json_object())
        with self._database.write() as db:
            faults.add(db, fault)
        return json_answer(HTTPStatus.CREATED, fault.as_json())

    def _clear_faults(self, _: Request, __: str) -> Answer:
        with self._database.write() as db:
            faults.replace(db, [])
        return Answer(HTTPStatus.NO_CONTENT)

    def _journal(self, request: Request, _: str) -> Answer:
        after = parse_qs(request.query).get("after", ["0"])[-1]
        if not ROW_NUMBER.fullmatch(after):
            raise ValueError("after must be the number of a journal row")
        with self._database.read() as db:
            rows = journal.entries(db, after=int(after))
        return json_answer(HTTPStatus.OK, {"entries": [row.as_json() for row in rows]})

    def _show_clusters(self, _: Request, __: str) -> Answer:
        with self._database.read() as db:
            return json_answer(
                HTTPStatus.OK, {"clusters": [asdict(each) for each in clusters.list_clusters(db)]}
            )

    def _add_cluster(self, request: Request, _: str) -> Answer:
        wish = {"type": TYPES[0], "subnet_ids": [], **request.json_object()}
        if unknown := set(wish) - {"project_id", "name", "type", "subnet_ids"}:
            raise BehaviourError(f"a cluster has no {', '.join(sorted(unknown))}")
        project_id, name = text("project_id", wish.get("project_id")), text("name", wish.get("name"))
        subnet_ids = wish["subnet_ids"]
        if not PROJECT_ID.fullmatch(project_id) or not NAME.fullmatch(name):
            raise BehaviourError("project_id and name must match the documented grammar")
        if not isinstance(subnet_ids, list) or not all(SUBNET_ID.fullmatch(str(each)) for each in subnet_ids):
            raise BehaviourError("subnet_ids must be a list of UUIDs in lower case")
        cluster_type = one_of("type", wish["type"], TYPES)
        cluster = clusters.new_cluster(project_id, name, cluster_type, tuple(subnet_ids))
        with self._database.write(durable=True) as db:
            clusters.add(db, cluster)
        return json_answer(HTTPStatus.CREATED, asdict(cluster))

    def _remove_cluster(self, _: Request, cluster_id: str) -> Answer:
        with self._database.write(durable=True) as db:
            if not clusters.remove(db, cluster_id):
                raise MissingError("there is no cluster of this ID")
        return Answer(HTTPStatus.NO_CONTENT)

    def _hyperinstance_routes(
        self, resource: str, kind: str
    ) -> dict[tuple[str, str], Callable[[Request, str], Answer]]:
        """Listing, adding and removing supernodes or groups."""

        def show(_: Request, __: str) -> Answer:
            with self._database.read() as db:
                items = hyperinstances.list_hyperinstances(db, kind)
            return json_answer(HTTPStatus.OK, {resource: [asdict(each) for each in items]})

        def add(request: Request, _: str) -> Answer:
            item = hyperinstances.new_hyperinstance(kind, request.json_object())
            with self._database.write(durable=True) as db:
                hyperinstances.add(db, item)
            return json_answer(HTTPStatus.CREATED, asdict(item))

        def remove(_: Request, item_id: str) -> Answer:
            with self._database.write(durable=True) as db:
                if not hyperinstances.remove(db, kind, item_id):
                    raise MissingError(f"nothing of this ID is among the {resource}")
            return Answer(HTTPStatus.NO_CONTENT)

        return {("GET", resource): show, ("POST", resource): add, ("DELETE", f"{resource}/*"): remove}

    def _report_routes(self, kind: str) -> dict[tuple[str, str], Callable[[Request, str], Answer]]:
        """Listing and adding rows of one kind, and removing them all."""

        def show(_: Request, __: str) -> Answer:
            with self._database.read() as db:
                return json_answer(HTTPStatus.OK, {kind: cloud_reports.list_reports(db, kind)})

        def add(request: Request, _: str) -> Answer:
            row = cloud_reports.read_row(kind, request.json_object())
            with self._database.write() as db:
                cloud_reports.add(db, kind, row)
            return json_answer(HTTPStatus.CREATED, row)

        def remove(_: Request, __: str) -> Answer:
            with self._database.write() as db:
                cloud_reports.remove_all(db, kind)
            return Answer(HTTPStatus.NO_CONTENT)

        return {("GET", kind): show, ("POST", kind): add, ("DELETE", kind): remove}

    def _show_keys(self, _: Request, __: str) -> Answer:
        with self._database.read() as db:
            rows = [asdict(key) | {"is_temporary": bool(key.security_token)} for key in access_keys.every(db)]
        for row in rows:
            del row["secret_key"], row["security_token"]
        return json_answer(HTTPStatus.OK, {"keys": rows})

    def _add_key(self, request: Request, _: str) -> Answer:
        with self._database.write() as db:
            access_keys.put(db, _read_key(request.json_object()))
        return Answer(HTTPStatus.NO_CONTENT)

    def _remove_key(self, _: Request, access_key: str) -> Answer:
        with self._database.write() as db:
            if not access_keys.remove(db, access_key):
                raise MissingError("there is no such key")
        return Answer(HTTPStatus.NO_CONTENT)

    def _unlock_key(self, _: Request, access_key: str) -> Answer:
        with self._database.write() as db:
            access_keys.unlock(db, access_key)
        return Answer(HTTPStatus.NO_CONTENT)


def _read_key(content: dict[str, Any]) -> Key:
    if unknown := set(content) - {"access_key", "secret_key", "security_token", "expires_in", "projects"}:
        raise BehaviourError(f"a key has no {', '.join(sorted(unknown))}")
    expires_in, projects = content.get("expires_in"), content.get("projects")
    if projects is not None and not isinstance(projects, list):
        raise BehaviourError("projects must be a list of project IDs")
    return Key(
        text("access_key", content.get("access_key")),
        text("secret_key", content.get("secret_key")),
        text("security_token", content.get("security_token", "")),
        None if expires_in is None else time.time() + number("expires_in", expires_in),
        None if projects is None else tuple(text("project", each) for each in projects),
    )


def _is_local(request: Request) -> bool:
    """Meant for a loopback address: a name that merely resolves to this machine is not enough."""
    try:
        return urlsplit(f"//{request.header('host')}").hostname in LOCAL_NAMES
    except ValueError:
        return False


def _problem(status: int, sentence: str) -> Answer:
    return json_answer(status, {"error": sentence})
