"""What an event says (`before`, `after`, `request`, `response`) has one JSON type per path: search engines take no two."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from hyperclusters.access.access_report import note_export
from hyperclusters.access.models import Team, User
from hyperclusters.audit import clock
from hyperclusters.audit.chain import DOCUMENTS
from hyperclusters.audit.models import Event
from hyperclusters.audit.verification import verify
from hyperclusters.audit.visits import note_read
from hyperclusters.clusters import breaker, inventory
from hyperclusters.clusters.models import Project
from hyperclusters.demo.seed import make
from hyperclusters.demo.simulated_cloud import SimulatedCloud
from hyperclusters.modelarts.errors import Throttled
from hyperclusters.simulator import Simulator
from tests.audit.facts import TYPES, paths
from tests.conftest import KEY, People


def conflicts_in_the_ledger() -> dict[str, dict[str, set[str]]]:
    """The paths with more than one type, and which actions say which."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in Event.objects.all():
        for name in DOCUMENTS:
            for path, kind in paths(getattr(event, name), name):
                found[path][kind].add(event.action)
    return {path: dict(kinds) for path, kinds in found.items() if len(kinds) > 1}


@pytest.fixture
def past(database: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's history, and what people and workers do besides."""
    monkeypatch.setattr(clock, "_has_events", lambda: False)  # of tests before this one
    settings.DEMO = True
    with Simulator.start(tmp_path, access_key=KEY.access_key, secret_key=KEY.secret_key) as simulator:
        make(SimulatedCloud(simulator.endpoint, KEY))
    settings.DEMO = False
    olga, tom, vision = (
        User.objects.get(username="olga"),
        User.objects.get(username="tom"),
        Team.objects.get(slug="vision"),
    )
    for form in ("csv", "jsonl"):
        call_command(
            "export_audit",
            "--format",
            form,
            "--output",
            "/dev/null",
            "--until",
            "2026-11-25",
            "--team",
            "vision",
        )
    note_read(
        person=olga, page="list", filters={"since": "2026-11-25", "until": "2026-11-25", "team": "vision"}
    )
    note_read(person=olga, page="event", filters={"seq": "5"})
    note_export(vision, by=tom, rows=3)
    inventory.note_export(person=olga, kind="csv", filters={"q": "train"}, count=2)
    project = Project.objects.get(name="vision-cn-southwest-2")
    breaker.record_failure(project, Throttled("slow down"))
    verify()


@pytest.mark.any_database  # only the demo writes a history, and the demo runs on SQLite
def test_an_event_s_facts_have_one_type_per_path(past: None) -> None:
    assert Event.objects.filter(action__in=["audit:exported", "project:calls:stopped"]).count() >= 2
    assert conflicts_in_the_ledger() == {}
    said = {
        path
        for event in Event.objects.all()
        for name in DOCUMENTS
        for path, _ in paths(getattr(event, name), name)
    }
    assert said <= TYPES.keys(), "enter new paths in types_of_facts.json: every test compares with it"


def test_a_fact_of_another_type_than_before_fails_the_test_that_records_it(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TYPES, "after.rows", "text")
    with pytest.raises(AssertionError, match=r"after\.rows is number"):
        note_export(people.vision, by=people.tom, rows=3)
