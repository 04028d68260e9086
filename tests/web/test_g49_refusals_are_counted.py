"""G49: what one person is refused or denied again and again, at any route, is one event with a count per window."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F

from hyperclusters.audit import denials
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import DenialWindow
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Cluster, Creation
from tests.conftest import Cloud, People, Projects, confirm, events, run_worker
from tests.web.pages import NEW, VISION, SignIn, main, post_by_hand, submit

pytestmark = pytest.mark.any_database

TIMES = 9
ASK = {"team": "speech", "role": "viewer", "days": "7", "reason": "r{n}"}
GIVE = {"who": "tom", "role": "viewer", "until": "7", "reason": "r{n}"}
# Who, to which address, what is posted ({n} differs each time), which cause the audit has.
REFUSALS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "asking while a request waits": ("ada", "/access/ask/", ASK, "asked"),
    "giving to oneself": ("tom", "/teams/vision/give/", GIVE, "oneself"),
    "a name that breaks the grammar": ("ada", NEW, {"name": "bad name {n}"}, "invalid"),
    "a name that is taken": ("ada", NEW, {"name": "outside", "reason": "r{n}"}, "name_taken"),
    "a project that is none": ("ada", NEW, {"name": "n{n}", "project": "p{n}"}, "invalid"),
    "a hand-over to nobody here": ("tom", "/clusters/{pk}/owner/", {"person": "x{n}", "reason": "r"}, "not_in_team"),
    "a lock without a reason": ("ada", "/clusters/{pk}/lock/", {"reason": ""}, "no_reason"),
    "a deletion by another name": ("tom", "/clusters/{pk}/delete/", {"name": "x{n}", "reason": "r"}, "wrong_name_typed"),
}  # fmt: skip
DENIALS: dict[str, tuple[str, str, dict[str, str]]] = {
    "giving without the right": ("vera", "/teams/vision/give/", GIVE),
    "creating without the right": ("vera", NEW, {"name": "n{n}", "project": VISION}),
    "deleting what nobody owns": ("ada", "/clusters/{pk}/delete/", {"name": "outside"}),
    "handing over without the right": ("ada", "/clusters/{pk}/owner/", {"person": "ada", "reason": "r"}),
    "unlocking without the right": ("ada", "/clusters/{pk}/unlock/", {"reason": "r"}),
    "deleting without the right": ("vera", "/clusters/{pk}/delete/", {"name": "outside"}),
    "a closed page": ("ada", "/people/", {}),
    "a wrong password": ("ada", "/accounts/confirm/", {"password": "w{n}"}),
}


def post_often(browser: Any, path: str, posted: dict[str, str]) -> set[int]:
    if path == NEW:
        sent = [{name: text.format(n=n) for name, text in posted.items()} for n in range(TIMES)]
        return {post_by_hand(browser, **values).status_code for values in sent}
    if not posted:
        return {browser.get(path).status_code for _ in range(TIMES)}
    return {
        browser.post(path, {name: text.format(n=n) for name, text in posted.items()}).status_code
        for n in range(TIMES)
    }


@pytest.fixture
def outside(projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster of Vision's project that was made outside."""
    cloud.simulator.add_cluster(projects.vision.project_id, "outside")
    run_worker()
    return Cluster.objects.get(name="outside")


@pytest.mark.parametrize("kind", REFUSALS)
def test_g49_repeated_refusals_for_one_cause_are_one_event_and_a_count(
    kind: str, outside: Cluster, as_: SignIn
) -> None:
    name, path, posted, cause = REFUSALS[kind]
    browser, path = confirm(as_(name)), path.format(pk=outside.pk)
    if cause == "asked":
        browser.post(path, posted)
    statuses = post_often(browser, path, posted)
    assert not statuses & {403, 404, 500}, statuses
    (event,) = events(outcome="refused")
    assert (event.person_name, event.evidence) == (name, cause)
    DenialWindow.objects.update(opened_at=F("opened_at") - denials.WINDOW)
    denials.close_windows()
    first, summary = events(outcome="refused")
    assert (summary.action, summary.person_name, summary.team_name) == (first.action, name, first.team_name)
    assert summary.after
    assert summary.after["count"] == TIMES - 1
    assert not Creation.objects.exists()


@pytest.mark.parametrize("kind", DENIALS)
def test_g49_repeated_denials_are_a_handful_of_events(kind: str, outside: Cluster, as_: SignIn) -> None:
    name, path, posted = DENIALS[kind]
    post_often(as_(name), path.format(pk=outside.pk), posted)
    assert 0 < len(events(outcome="denied")) <= denials.FIRST + 1
    assert sum(DenialWindow.objects.values_list("count", flat=True)) >= TIMES - denials.FIRST - 1


def test_g49_refusals_for_other_causes_have_events_of_their_own(outside: Cluster, as_: SignIn) -> None:
    ada = as_("ada")
    for name in ("bad name", "outside", "worse name", "outside"):
        submit(ada, name=name)
    assert [event.evidence for event in events(outcome="refused")] == ["invalid", "name_taken"]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.DENIED])
def test_g49_no_kind_of_event_is_left_out(outcome: Outcome, people: People) -> None:
    kinds = set(EventType) - {EventType.AUDIT_KEY_ACTIVATED}  # which the chain writes by itself
    with request_context(RequestContext("page", "198.51.100.9", "")):
        for action in kinds:
            for n in range(3):
                subject = Subject("page", "", "/p/")
                record(action, outcome, on=subject, by=people.ada, reason=f"r{n}", evidence="cause")
    assert sorted(event.action for event in events(outcome=outcome)) == sorted(kinds)


def test_g49_a_refusal_by_a_command_or_a_worker_has_an_event_each(people: People) -> None:
    with request_context(RequestContext("command")):
        for _ in range(5):
            record(EventType.GRANT_REFUSED, Outcome.REFUSED, by=people.ada, evidence="cause")
    assert len(events(outcome="refused")) == 5


def test_a_creator_whose_team_has_no_project_reads_what_is_missing(as_: SignIn) -> None:
    answer = as_("ada").get(NEW)
    assert answer.status_code == 403
    assert "Your team has no project yet. Ask a platform admin to connect one." in main(answer)
    assert "needs the role" not in main(answer)
    assert "You need the Creator role in a team" in main(as_("vera").get(NEW))
