"""SQL that is built once gives the rows of its queryset, whoever asks, whenever, and from every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import CharField, QuerySet
from django.test.utils import CaptureQueriesContext

from hyperclusters.access.models import Grant, User
from hyperclusters.access.permissions import Permission, anyone_like, may
from hyperclusters.audit import clock
from hyperclusters.clusters.models import Creation
from hyperclusters.statements import NOW, PERSON, Slot, count, rows
from tests.conftest import Cloud, People, Projects, submit_creation

NAMES = ["ada", "tom", "vera", "olga", "root", "nina", "mallory"]


def _visible(person: Any) -> QuerySet[Creation]:
    creations = Creation.objects.visible_to(person).select_related("project__team", "requested_by")
    return creations.order_by("requested_at", "pk")


def _named() -> QuerySet[User]:
    return User.objects.filter(username=Slot("username", CharField()))


def _ending() -> QuerySet[Grant]:
    return Grant.objects.filter(person=PERSON, until__gt=NOW).order_by("pk")


def _ending_now() -> QuerySet[Grant]:
    return Grant.objects.filter(until__gt=clock.now())


def _joined_today() -> QuerySet[User]:
    return User.objects.filter(joined_at__date=clock.today())


def _nothing() -> QuerySet[User]:
    return User.objects.filter(pk__in=[])


def test_everybody_gets_what_the_queryset_gives_with_what_it_names(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "one")
    submit_creation(people.mallory, projects.speech, "two")
    for name in [*NAMES, *NAMES]:
        person = User.objects.get(username=name)
        found = rows(_visible, anyone_like(person), most=None, person=person.pk)
        assert found == list(_visible(person)), name
        assert count(_visible, anyone_like(person), person=person.pk) == len(found)
        with CaptureQueriesContext(connection) as queries:
            named = [(each.project.team.name, each.requested_by.username) for each in found]
        assert len(named) == len(found)
        assert not queries


@pytest.mark.parametrize(
    "value", ["ada", "", "%s", "%", "'", '"', "\\", "x'; DROP TABLE access_user; --", "İ", "\u2028", "{0}"]
)
def test_a_value_stays_a_value(value: str, people: People) -> None:
    expected = list(User.objects.filter(username=value))
    for _ in range(2):
        assert rows(_named, most=5, username=value) == expected


def test_no_more_rows_come_than_were_asked_for(people: People, projects: Projects, cloud: Cloud) -> None:
    for name in ("one", "two", "three"):
        submit_creation(people.ada, projects.vision, name)
    ada = anyone_like(people.ada)
    assert [len(rows(_visible, ada, most=most)) for most in (2, None, 1, 2)] == [2, 3, 1, 2]


def test_the_time_is_that_of_the_call(people: People) -> None:
    now = clock.now()
    Grant.objects.filter(person=people.ada).update(until=now + timedelta(hours=1))
    held = rows(_ending, most=None, person=people.ada.pk, now=now)
    assert held == list(Grant.objects.filter(person=people.ada))
    assert not rows(_ending, most=None, person=people.ada.pk, now=now + timedelta(hours=2))
    assert not rows(_ending, most=None, person=people.tom.pk, now=now)


@pytest.mark.parametrize("build", [_ending_now, _joined_today])
def test_a_time_that_would_never_pass_is_refused(build: Any, people: People) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="use a Slot"):
            rows(build, most=None)
        with pytest.raises(ValueError, match="use a Slot"):
            count(build)


def test_what_no_row_can_fit_asks_the_database_nothing(people: People) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert (rows(_nothing, most=None), count(_nothing)) == ([], 0)
    assert not queries


def test_who_stands_for_a_person_may_do_nothing(people: People) -> None:
    root = anyone_like(people.root)
    assert not any(may(root, permission) for permission in Permission)  # type: ignore[arg-type]


@pytest.mark.django_db(transaction=True)
def test_threads_get_their_own_rows(people: People) -> None:
    def ask(name: str) -> bool:
        try:
            return all(
                [each.username for each in rows(_named, most=5, username=name)] == [name] for _ in range(50)
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, ["ada", "tom", "vera", "root"]))
