"""Of two who take the same name at the same moment, the second gets the error that one gets a moment later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from hyperclusters.access.models import Role
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_person, add_team, rename_team
from hyperclusters.clusters.projects import connect_project
from tests.conftest import KEY, People
from tests.faults.concurrency import run_concurrently

ACTS: dict[str, Callable[[People], Any]] = {
    "person": lambda _: add_person(username="new", email="new@example.com"),
    "team": lambda people: add_team(slug="new", name="New", by=people.root),
    "service identity": lambda people: add_service_identity(
        team=people.vision, name="new", role=Role.CREATOR, reason="a pipeline", by=people.tom
    ),
    "project": lambda people: connect_project(
        by=people.root,
        name="new",
        team=people.vision,
        endpoint="https://127.0.0.1:1",
        project_id="a" * 32,
        credentials=KEY,
    ),
}


@pytest.mark.parametrize("what", ACTS)
def test_g48_the_second_of_two_learns_that_the_name_is_taken(what: str, people: People) -> None:
    results = run_concurrently(*[lambda: ACTS[what](people)] * 4)
    refusals = [each for each in results if isinstance(each, ValidationError)]
    others = [each for each in results if isinstance(each, Exception) and each not in refusals]
    assert (len(refusals), others) == (3, [])


def test_g48_of_two_teams_one_gets_the_new_name(people: People) -> None:
    results = run_concurrently(
        *[
            lambda team=team: rename_team(team, name="Sound", by=people.root, reason="merged")
            for team in (people.vision, people.speech)
        ]
    )
    assert sorted(type(each).__name__ for each in results) == ["NoneType", "ValidationError"]
