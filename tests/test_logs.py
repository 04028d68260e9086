"""The log: one line an entry, each with its request, through web, worker and the call to the cloud; and nothing secret."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils.log import CallbackFilter

from hyperclusters import logs
from hyperclusters.access.invitations import invite, token
from hyperclusters.access.models import Role
from hyperclusters.accounts.passwords import password_path
from hyperclusters.audit import clock, tasks
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ScheduledTask
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import KEY, PASSWORD, Cloud, People, Projects, confirm, events, run_worker
from tests.web.pages import PAYLOADS, SignIn, failing_database, submit

Read = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log() -> Iterator[Read]:
    """Everything logged at DEBUG, as the product's own formatter writes it."""
    configured = logs.configuration(level="DEBUG")
    stream = io.StringIO()
    line = configured["formatters"]["line"]
    maker = line.pop("()")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(maker(**line))
    faults = CallbackFilter(configured["filters"]["faults"]["callback"])
    root, requests = logging.getLogger(), logging.getLogger("django.request")
    requests.addFilter(faults)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(text) for text in stream.getvalue().splitlines()]
    root.setLevel(before)
    root.removeHandler(handler)
    requests.removeFilter(faults)


def test_one_request_can_be_followed_from_the_click_to_the_cloud(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects, log: Read
) -> None:
    answer = submit(as_("ada"), name="followed")
    request_id = answer["X-Request-Id"]
    run_worker()
    lines = [line for line in log() if line.get("request_id") == request_id]
    told = {(line["logger"], line["event"], line.get("call", "")) for line in lines}
    assert ("hyperclusters.web.shared.middleware", "answered", "") in told
    assert ("hyperclusters.modelarts.client", "called the cloud", "list") in told
    assert ("hyperclusters.modelarts.client", "called the cloud", "create") in told
    (call,) = [line for line in lines if line.get("call") == "create"]
    assert call["status"] == 200
    assert call["upstream_request_id"]
    assert call["level"] == "info"
    succeeded = events(action="cluster:create:succeeded")[0]
    assert (
        succeeded.request_id == request_id
    )  # the audit's line too: one pivot leads from the click to the verdict
    assert succeeded.source == "worker"


def test_g22_nothing_secret_is_logged_at_debug(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects, log: Read
) -> None:
    ada = as_("ada")
    submit(ada, name="quiet")
    confirm(as_("root")).post(
        f"{projects.vision.get_absolute_url()}key/", {"access_key": "CANARYAK", "secret_key": "canary-sk"}
    )
    reset = password_path(people.vera)
    invited = invite(
        by=people.tom,
        team=people.vision,
        email="new@example.com",
        role=Role.VIEWER,
        until=None,
        reason="To look",
    )
    link = reverse("access:invitation", args=[token(invited)])
    for path in (reset, link):
        assert Browser().get(path).status_code == 200
        assert Browser().post(path, {"new_password1": "x"}).status_code == 422
    ada.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
    ada.post("/accounts/login/", {"username": "ada", "password": "wrong-canary"})
    run_worker()
    text = json.dumps(log())
    session = ada.cookies["session"].value
    for secret in (
        KEY.access_key,
        KEY.secret_key,
        "CANARYAK",
        "canary-sk",
        PASSWORD,
        "wrong-canary",
        session,
        reset.split("/")[-2],
        link.split("/")[-2],
    ):
        assert secret not in text, [line for line in log() if secret in str(line)]


def test_a_refusal_is_one_line_without_a_traceback_and_an_alert_has_fields(
    as_: SignIn, people: People, projects: Projects, log: Read
) -> None:
    for browser, path in (
        (as_("ada"), "/people/"),
        (as_("ada"), "/nothing/"),
        (Browser(), "/api/v1/clusters"),
    ):
        request_id = browser.get(path)["X-Request-Id"]
        (line,) = [
            each for each in log() if each.get("request_id") == request_id and each["level"] != "debug"
        ]
        assert (line["event"], line["level"], line["method"]) == ("answered", "info", "GET")
        assert line["status"] in {401, 403, 404}
    with failing_database():
        assert Browser().get("/readyz").status_code == 503
    assert not [each for each in log() if each["level"] in {"warning", "error"}]
    ScheduledTask.objects.create(name="alerts", run_after=clock.now(), seq=0)
    record(EventType.CLUSTER_SEEN_OUTSIDE, Outcome.NOTED, on=Subject("cluster", "c-1", "made elsewhere"))
    tasks.run_due()
    (alert,) = [each for each in log() if each["event"].startswith("ALERT")]
    assert alert["audit_event"]["object_name"] == "made elsewhere"
    (anchor,) = [each for each in log() if each["event"] == "audit anchor"]
    assert anchor["anchor"]["seq"]


def test_nobody_writes_a_line_of_their_own_into_the_log() -> None:
    line = logs.configuration(level="INFO")["formatters"]["line"]
    formatter = line.pop("()")(**line)
    for payload in (
        *PAYLOADS,
        "a\nlevel=critical event=forged",
        "a\r\n{}",
        "\u2028x",
        "\x1b[31mred",
        '"} {"',
        "\x00",
    ):
        for entry in (
            logging.LogRecord("x", logging.INFO, "", 0, payload, None, None),
            logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "m", "path": payload}),
        ):
            written = formatter.format(entry)
            assert len(written.splitlines()) == 1
            assert written.isprintable()
