"""G35: from the first release's schema, with data, to the newest; and replicas of both releases on it meanwhile."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from hyperclusters.audit import duties, verification
from hyperclusters.audit.chain import COLUMNS, GENESIS, Entry, digest
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.clusters.models import KeyKind, Project, State

FIRST = [("access", "0001_initial"), ("clusters", "0001_initial")]


def migrate(targets: list[tuple[str, str]]) -> Any:
    """Take the schema there; the models as they were then."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


@pytest.fixture
def newest(database: None) -> Any:
    """The names of the newest migrations; the schema is back at them afterwards, whatever happened."""
    targets = list(MigrationExecutor(connection).loader.graph.leaf_nodes())
    yield targets
    migrate(targets)


def test_g35_data_of_the_first_release_is_read_by_the_newest_and_both_can_write(newest: Any) -> None:
    old = migrate(FIRST)
    person = old.get_model("access", "User").objects.create(username="ada", password="!")
    team = old.get_model("access", "Team").objects.create(slug="vision", name="Vision")

    def connect(apps: Any, name: str) -> Any:
        return apps.get_model("clusters", "Project").objects.create(
            name=name, team_id=team.pk, endpoint="http://127.0.0.1:1", project_id=name, sealed_credentials="x"
        )

    def ask(apps: Any, project: Any) -> Any:
        return apps.get_model("clusters", "Creation").objects.create(
            project_id=project.pk, name="one", type="HPS", token=project.name.ljust(32, "0").encode().hex()[:32],
            requested_by_id=person.pk, state="created", settled_at=timezone.now(),
        )  # fmt: skip

    first = connect(old, "before")
    ask(old, first)
    migrate(newest)
    held = Project.objects.get(name="before")
    assert (held.key_kind, held.sealed_with, held.key_until) == (KeyKind.STATIC, "", None)
    assert held.creations.get().state == State.CREATED
    meanwhile = connect(old, "meanwhile")  # a replica of the old release, not yet replaced
    ask(old, meanwhile)
    assert Project.objects.get(name="meanwhile").key_kind == KeyKind.STATIC
    assert Project.objects.get(name="meanwhile").creations.get().asked_in == ""


def test_g35_every_migration_goes_back(newest: Any) -> None:
    migrate([("clusters", "0001_initial"), ("audit", "0001_initial")])


LAST_KEYS = [("k2", b"2" * 32), ("k1", b"1" * 32)]  # newest first: the second was replaced by a restart


def append_as_before(count: int, key_id: str) -> None:
    """Events as the release before activations wrote them: it moved the chain's end and named no key there."""
    with connection.cursor() as cursor:
        for _ in range(count):
            cursor.execute("SELECT seq, digest FROM audit_head")
            seq, previous = cursor.fetchone()
            event = Event(at=timezone.now(), action="audit:read", outcome="done", source="page", seq=seq + 1)
            key = dict(LAST_KEYS)[key_id]
            event.key_id = key_id
            event.canonical, event.digest = Entry(event).link(seq + 1, previous, key_id, key)
            cursor.execute(
                f"INSERT INTO audit_event ({', '.join(chr(34) + name + chr(34) for name in COLUMNS)}) "
                f"VALUES ({', '.join(['%s'] * len(COLUMNS))})",
                [event.at if name == "at" else getattr(event, name) for name in COLUMNS],
            )
            cursor.execute("UPDATE audit_head SET seq = %s, digest = %s", [seq + 1, event.digest])


def test_g35_a_ledger_of_the_release_before_is_intact_without_any_act(
    newest: Any, settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_KEYS, settings.AUDIT_ANCHORS = LAST_KEYS, tmp_path / "anchors.jsonl"
    old = migrate([("audit", "0006_pairs")])
    append_as_before(3, "k1")
    append_as_before(3, "k2")
    head = old.get_model("audit", "Head").objects.get()
    old.get_model("audit", "Verification").objects.create(
        kind="whole", at=timezone.now(), seconds=1, count=6, seq=6, digest=head.digest
    )
    later = timezone.now() + timedelta(hours=20)
    old.get_model("audit", "Duty").objects.create(name="verify whole", due_at=later)
    first = Event.objects.values_list("digest", flat=True).get(seq=2)
    segment = old.get_model("audit", "Segment")(
        first=1, last=2, previous=GENESIS, digest=first, file="f", sha256="s", archived_at=timezone.now(), key_id="k2"
    )  # fmt: skip
    said = (1, 2, GENESIS, first, "f", "s")
    segment.seal = digest(LAST_KEYS[0][1], "\n".join(map(str, said)))
    segment.save()
    Event.objects.filter(seq__lte=2)._raw_delete("default")
    migrate(newest)
    assert verification.standing().state == "never"  # that one had no seal
    append_as_before(1, "k2")  # a replica of the old release, not yet replaced
    duties.run_due()
    assert verification.standing().state == "intact"
    record(Did.AUDIT_READ, Outcome.DONE)
    assert Event.objects.order_by("seq").values_list("key_id", flat=True).last() == "k2"
    append_as_before(1, "k2")
    record(Did.AUDIT_READ, Outcome.DONE)
    assert verification.verify().findings == verification.verify_new().findings == []
