"""The control surface shows everything that can be set, and obeys this machine alone."""

import shlex
from html import unescape
from typing import get_args

import pytest

from hyperclusters.simulator import Behaviours, Simulator
from hyperclusters.simulator.faults import KINDS, MATCHERS, GarbageKind
from tests.simulator.simulator_caller import PROJECT, Caller


def page(caller: Caller) -> str:
    reply = caller.control("GET", "")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return unescape(reply.body.decode())


def test_the_help_page_names_every_call_switch_fault_and_parameter(caller: Caller) -> None:
    text = page(caller)
    parameters = {name for _, parameters in KINDS.values() for name in parameters}
    for name in (
        *Behaviours.model_fields,
        *KINDS,
        *MATCHERS,
        *parameters,
        *get_args(GarbageKind),
    ):
        assert name in text, name
    for request in (
        "POST /v1/{project_id}/dev-servers/hyper-clusters",
        "DELETE /v1/{project_id}/dev-servers",
    ):
        assert request in text


def test_the_help_page_shows_what_is_set_and_what_was_asked_last(
    simulator: Simulator, caller: Caller
) -> None:
    simulator.set(quota=47)
    simulator.fault("lost_answer", "delete", times=3)
    caller.create("<b>bold</b>")
    made = caller.create("seen-here").json
    text = caller.control("GET", "").body.decode()
    assert "<td>47</td>" in text
    assert "&#34;lost_answer&#34;" in text
    assert "seen-here" in text
    assert made["id"] in text
    assert "<b>" not in text


def test_what_anybody_sends_is_text_on_the_help_page_and_no_markup(caller: Caller) -> None:
    hostile = "<script>alert(1)<%2Fscript>"
    assert caller.bare("GET", f"/v1/{hostile}/dev-servers/hyper-clusters").status == 404
    assert caller.bare("GET", "/v1/<script>/dev-servers/hyper-clusters").status == 401
    body = caller.control("GET", "").body
    assert b"<script>" not in body
    assert b"&lt;script&gt;" in body


def test_the_help_page_shows_the_last_fifty_requests(caller: Caller) -> None:
    for number in range(52):
        caller.create(f"row-{number:02}")
    text = page(caller)
    assert "row-01" not in text
    assert text.index("row-51") < text.index("row-02")


def test_every_command_of_the_help_page_works_as_written(simulator: Simulator, caller: Caller) -> None:
    commands = [line for line in page(caller).splitlines() if "curl " in line]
    assert len(commands) == 18
    for command in commands:
        words = shlex.split(command[command.index("curl ") :])
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        url = next(word for word in words if word.startswith("http"))
        body = words[words.index("-d") + 1] if "-d" in words else ""
        if "THE-ID" in url:
            resource = url.split("/")[-2]
            existing = caller.control("GET", resource).json[resource]
            url = url.replace("THE-ID", existing[0]["id"])
        headers = dict(word.split(": ") for word in words if word.startswith("Content-Type"))
        reply = caller.bare(method, url.removeprefix(simulator.endpoint), body.encode(), headers)
        assert reply.status in {200, 201, 202, 204}, (command, reply)


def test_switches_can_be_read_changed_in_part_and_put_back(caller: Caller) -> None:
    changed = caller.control("PUT", "switches", {"unique_names": True}).json
    assert caller.control("PUT", "switches", {"quota": 3}).json == {**changed, "quota": 3}
    assert caller.control("GET", "switches").json == {**changed, "quota": 3}
    assert caller.control("DELETE", "switches").status == 204
    assert caller.control("GET", "switches").json["unique_names"] is False


def test_what_is_read_can_be_put_back_as_it_is(simulator: Simulator, caller: Caller) -> None:
    simulator.set(ids="odd", clock_offset=-3)
    for name in KINDS:
        simulator.fault(name, "create", times=2)
    read = caller.control("GET", "switches").json
    simulator.reset()
    assert caller.control("PUT", "switches", read).json == read


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"nope": 1}, "nope"),
        ({"quota": "many"}, "quota"),
        ({"quota": 1, "faults": [{"fault": "nope"}]}, "nope"),
        ({"faults": "all"}, "faults"),
        ([], "JSON object"),
    ],
)
def test_a_wrong_switch_is_refused_in_a_sentence_and_changes_nothing(
    caller: Caller, content: object, text: str
) -> None:
    before = caller.control("GET", "switches").json
    refused = caller.control("PUT", "switches", content)
    assert (refused.status, text in refused.json["error"]) == (400, True)
    assert caller.control("GET", "switches").json == before


def test_faults_can_be_added_and_taken_away(caller: Caller) -> None:
    assert caller.control("POST", "faults", {"fault": "error", "call": "list"}).status == 201
    assert caller.list().status == 503
    assert caller.control("DELETE", "faults").status == 204
    assert caller.list().status == 200


def test_the_journal_can_be_read(simulator: Simulator, caller: Caller) -> None:
    caller.create("a")
    (row,) = caller.control("GET", "journal").json["entries"]
    assert row == simulator.journal()[0].as_json()


def test_clusters_can_be_made_and_ended_from_outside(simulator: Simulator, caller: Caller) -> None:
    request = {"project_id": PROJECT, "name": "outside", "type": "ECS"}
    made = caller.control("POST", "clusters", request).json
    assert caller.control("GET", "clusters").json["clusters"] == [made]
    assert caller.list("ECS").json["hyper_clusters"][0]["id"] == made["id"]
    assert caller.control("POST", "clusters", {**request, "name": "a b"}).status == 400
    assert caller.control("POST", "clusters", {**request, "color": "red"}).status == 400
    assert caller.control("DELETE", f"clusters/{made['id']}").status == 204
    assert caller.control("DELETE", f"clusters/{made['id']}").status == 404
    assert simulator.clusters() == []


def test_control_requests_leave_no_row_in_the_journal(simulator: Simulator, caller: Caller) -> None:
    caller.control("GET", "clusters")
    assert simulator.journal() == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "simulator:9000", ""])
def test_a_name_that_is_not_this_machine_gets_no_control(caller: Caller, host: str) -> None:
    reply = caller.bare("GET", "/_simulator/switches", headers={"Host": host})
    assert reply.status == 403


def test_a_form_from_a_web_page_gets_no_control(caller: Caller) -> None:
    reply = caller.bare("POST", "/_simulator/faults", b'{"fault": "error"}', {"Content-Type": "text/plain"})
    assert reply.status == 415


def test_an_unknown_control_and_a_wrong_method_are_said(caller: Caller) -> None:
    assert caller.control("GET", "nowhere").status == 404
    refused = caller.control("PATCH", "switches")
    assert (refused.status, refused.headers["Allow"]) == (405, "DELETE, GET, PUT")
