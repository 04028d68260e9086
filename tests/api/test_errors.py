"""What an error of the API says: each code is on the page, each value that is not valid is named, and no more is read
from the database than the answer needs."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

import hyperclusters.clusters.errors as refusals
from hyperclusters.access import access_requests, permissions, rules, services
from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.models import Role
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_team, grant
from hyperclusters.api import access as access_endpoints
from hyperclusters.api import app, audit, clusters, creations, errors, idempotency
from hyperclusters.api.errors import change_refused, invalid_model
from hyperclusters.api.views import CODES
from hyperclusters.clusters import creations as creation_services
from hyperclusters.clusters import deletions as deletion_services
from hyperclusters.clusters import quotas
from hyperclusters.web.shared import error_pages, problems
from tests.api.client import Api, issue
from tests.conftest import People, Projects, submit_creation

ENDPOINTS = (access_endpoints, audit, clusters, creations, idempotency, app)
SERVICES = (access_requests, permissions, rules, services, creation_services, deletion_services, quotas)


def functions_of(*modules: ModuleType) -> dict[str, list[ast.FunctionDef]]:
    """The functions by their name, which two modules may share."""
    functions = defaultdict(list)
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.FunctionDef):
                functions[node.name].append(node)
    return functions


def reachable() -> Iterator[ast.FunctionDef]:
    """The functions of services that endpoints call, and those that these call, by name."""
    services_by_name = functions_of(*SERVICES)
    waiting = [each for functions in functions_of(*ENDPOINTS).values() for each in functions]
    visited: set[str] = set()
    while waiting:
        for node in ast.walk(waiting.pop()):
            name = getattr(node, "id", "") or getattr(node, "attr", "")
            if name in services_by_name and name not in visited:
                visited.add(name)
                waiting += services_by_name[name]
    return (each for name in visited for each in services_by_name[name])


def raised() -> set[str]:
    """The causes of the refusals that these raise."""
    causes = set()
    for function in reachable():
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Cause":
                causes.add(str(Cause[node.attr]))
            elif isinstance(node, ast.Raise):
                name = getattr(getattr(node.exc, "func", node.exc), "id", "")
                causes.add(getattr(getattr(refusals, name, None), "cause", ""))
    return causes - {"", "token_used"}  # idempotency_key_reused, to a client


def literal() -> set[str]:
    """The codes in calls of `problem`."""
    codes = set(error_pages.CODES.values())
    for module in (*ENDPOINTS, errors, problems, error_pages):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "problem":
                codes |= texts(node.args[2])
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
                assert isinstance(node.value, ast.IfExp)
                codes |= texts(node.value.body) | texts(node.value.orelse)
    return codes


def texts(code: ast.expr) -> set[str]:
    return {code.value} if isinstance(code, ast.Constant) and isinstance(code.value, str) else set()


def test_the_page_has_every_code_that_can_be_answered_and_no_other() -> None:
    listed = [code for code, _status, _text in CODES]
    assert len(listed) == len(set(listed))
    assert set(listed) == literal() | raised()


def test_each_code_on_the_page_says_its_status(client: Any, database: None) -> None:
    page = client.get("/api/").content.decode()
    rows = re.findall(r'<dt id="(\w+)"><code>\1</code></dt>\s*<dd><code>(\d{3})</code> ', page)
    assert rows == [(code, str(status)) for code, status, _text in CODES]  # `type` of the error leads there


@pytest.mark.parametrize("cause", list(Cause))
def test_a_refusal_has_the_status_that_the_page_says(cause: Cause) -> None:
    answer = change_refused(RequestFactory().post("/api/v1/x"), ChangeRefused(cause, "vision"))
    listed = {code: status for code, status, _text in CODES}
    assert listed.get(cause, answer.status_code) == answer.status_code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValidationError({"name": ["short", "wrong"]}), [("name", "short"), ("name", "wrong")]),
        (ValidationError({"__all__": ["both"]}), [("body", "both")]),
        (ValidationError("no %(what)s", params={"what": "way"}), [("body", "no way")]),
        (ValidationError(["a", "b"]), [("body", "a"), ("body", "b")]),
        (ValidationError({"subnet_id": "x"}), [("hyper_cluster_subnet_id", "x")]),
    ],
)
def test_an_invalid_model_is_answered_as_other_invalid_values(
    error: ValidationError, expected: list[tuple[str, str]]
) -> None:
    answer = invalid_model(RequestFactory().post("/api/v1/x"), error)
    body = json.loads(answer.content)
    assert (answer.status_code, body["code"]) == (422, "invalid")
    assert [(each["field"], each["message"]) for each in body["errors"]] == expected


@pytest.mark.parametrize("text", ["[]", "null", '"x"', "7"])
def test_a_body_that_is_no_object_is_one_error_of_the_whole_body(people: People, text: str) -> None:
    answer = Api(issue(people.ada)).post("/creations", text, key="k")
    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, ["body"])


@pytest.mark.parametrize("service", ["speech.robot", "SPEECH.Robot", "speech.nobody", "speech.gone"])
def test_nobody_learns_which_service_identities_other_teams_have(
    people: People, as_: Any, service: str
) -> None:
    grant(person=people.nina, role=Role.ADMIN, team=people.speech, reason="leads")
    for name in ("robot", "gone"):
        identity = add_service_identity(
            team=people.speech, name=name, role=Role.VIEWER, reason="nightly", by=people.nina
        )
    identity.is_active = False
    identity.save()
    body = {"person": service, "role": "viewer", "reason": "x"}
    tom = Api(issue(people.tom))
    answer, absent = (
        tom.post("/teams/vision/grants", body | {"person": name}) for name in (service, "vision.none")
    )
    for answered in (answer, absent):
        assert answered.status_code == 422
    assert answer.json()["errors"] == absent.json()["errors"]
    form = {"who": service, "role": "viewer", "until": "7", "reason": "x"}
    pages = [as_("tom").post("/teams/vision/give/", form | {"who": who}) for who in (service, "vision.none")]
    assert {page.status_code for page in pages} == {422}
    assert len({str(page.context["form"].errors["who"]) for page in pages}) == 1


def test_an_admin_grants_their_own_service_identity_another_role(people: People) -> None:
    add_service_identity(team=people.vision, name="robot", role=Role.VIEWER, reason="n", by=people.tom)
    body = {"person": "vision.robot", "role": "creator", "reason": "x"}
    assert Api(issue(people.tom)).post("/teams/vision/grants", body).status_code == 201


def test_oneself_is_read_in_as_many_queries_with_many_grants_as_with_one(people: People) -> None:
    api, counts = Api(issue(people.ada)), []
    for team, admin in ((people.speech, people.nina), (add_team(slug="maps", name="Maps"), people.vera)):
        grant(person=admin, role=Role.ADMIN, team=team, reason="leads")
        grant(person=people.ada, role=Role.VIEWER, team=team, reason="both", by=admin)
        with CaptureQueriesContext(connection) as queries:
            me = api.get("/me").json()
        counts.append(len(queries))
    assert [each["granted_by"] for each in me["grants"]] == ["vera", "nina", None]
    assert counts[0] == counts[1]


def test_an_error_reads_and_says_nothing_that_only_a_page_shows(
    people: People, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign, vera = submit_creation(people.ada, projects.vision), Api(issue(people.vera))
    mallory = Api(issue(people.mallory))
    for name in ("who_helps", "ended_grants"):
        monkeypatch.setattr(error_pages, name, None)
    assert mallory.get(f"/creations/{foreign.pk}").status_code == 404
    assert vera.post(f"/creations/{foreign.pk}/withdraw").status_code == 403
    assert vera.get("/audit/events").status_code == 403
    assert vera.get("/nothing").status_code == 404
