"""G35: from the first release's schema, with data, to the newest; and replicas of both releases on it meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

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
