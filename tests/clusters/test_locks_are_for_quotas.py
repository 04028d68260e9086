"""Rows of projects and teams are locked where a quota counts, and nowhere else: without one nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hyperclusters.access.models import Team
from hyperclusters.clusters import quotas
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import Cluster, Creation, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation

POSTGRESQL_ONLY = "SQLite has no locks of rows"


@pytest.fixture
def locks() -> Callable[[Callable[[], Any]], list[str]]:
    """The statements of an act that lock rows."""
    if connection.vendor != "postgresql":
        pytest.skip(POSTGRESQL_ONLY)

    def of(act: Callable[[], Any]) -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            act()
        return [
            query["sql"]
            for query in queries
            if "FOR NO KEY UPDATE" in query["sql"] or "FOR UPDATE" in query["sql"]
        ]

    return of


@pytest.mark.parametrize(
    ("of_project", "of_team", "of_approvals", "locked"),
    [
        (None, None, None, []),
        (9, None, None, ["clusters_project"]),
        (None, 9, None, ["access_team"]),
        (None, None, 9, ["access_team"]),
        (9, 9, None, ["clusters_project", "access_team"]),
    ],
)
def test_the_accept_step_locks_what_has_a_rule_that_counts(
    of_project: int | None,
    of_team: int | None,
    of_approvals: int | None,
    locked: list[str],
    projects: Projects,
    locks: Callable[[Callable[[], Any]], list[str]],
) -> None:
    Project.objects.update(quota=of_project)
    Team.objects.update(quota=of_team, approval_from=of_approvals)
    with transaction.atomic():
        statements = locks(lambda: quotas.read_project(projects.vision, for_approval=True))
    of = "".join(sql.partition(" OF ")[2] for sql in statements)
    assert [table for table in ("clusters_project", "access_team") if f'"{table}"' in of] == locked


def test_without_a_quota_neither_click_nor_intent_locks_project_or_team(
    people: People, projects: Projects, cloud: Cloud, locks: Callable[[Callable[[], Any]], list[str]]
) -> None:
    def click_and_send() -> None:
        submit_creation(people.ada, projects.vision)
        creation = CREATIONS.claim("A", State.QUEUED)
        assert creation
        CREATIONS.send(creation)

    statements = locks(click_and_send)
    assert Creation.objects.get().state == State.CREATED
    assert not [sql for sql in statements if "access_team" in sql]
    # The write budget alone, in a transaction of its own.
    assert ['"writes_until"' in sql for sql in statements if "clusters_project" in sql] == [True]


def test_a_deletion_locks_no_quota(
    people: People, projects: Projects, locks: Callable[[Callable[[], Any]], list[str]]
) -> None:
    Project.objects.update(quota=9)
    now = timezone.now()
    cluster = Cluster.objects.create(
        project=projects.vision, cluster_id="c", name="c", type="ECS", found_at=now, seen_at=now, owner=people.ada
    )  # fmt: skip
    assert not [
        sql
        for sql in locks(lambda: request_deletion(person=people.ada, cluster=cluster, typed_name="c"))
        if "clusters_project" in sql.partition(" OF ")[2]
    ]


@pytest.mark.parametrize("of", ["project", "team"])
def test_g28_a_first_quota_that_comes_after_the_claim_holds_before_the_call(
    of: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "one")
    submit_creation(people.ada, projects.vision, "two")
    waiting = [CREATIONS.claim("A", State.QUEUED), CREATIONS.claim("B", State.QUEUED)]
    rows = (
        Project.objects.filter(pk=projects.vision.pk)
        if of == "project"
        else Team.objects.filter(pk=people.vision.pk)
    )
    rows.update(quota=1)
    for creation in waiting:
        assert creation
        CREATIONS.send(creation)
    run_worker()
    found = Creation.objects.order_by("name").values_list("state", "cause")
    assert list(found) == [("refused", "quota_lowered"), ("created", "")]
    assert len(cloud.posts) == 1
