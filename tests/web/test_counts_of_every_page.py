"""The numbers in the frame of every page are counted by SQL that is built once: they equal what the lists show."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hyperclusters.access.models import Role, User
from hyperclusters.access.services import end_grant, grant
from hyperclusters.clusters.models import Creation
from hyperclusters.clusters.ownership import hand_over
from hyperclusters.statements import _numbers
from hyperclusters.web.shared.context import entries, frame_numbers, own_under_way
from hyperclusters.web.texts.notices import inbox, mark_read
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation
from tests.web.badges import badge

NAMES = ["ada", "tom", "vera", "olga", "root", "nina", "mallory"]


def assert_numbers_agree(moment: str) -> None:
    for name in NAMES:
        person = User.objects.get(username=name)
        visible = Creation.objects.visible_to(person).unresolved()
        mine = Creation.objects.unresolved().filter(requested_by=person)
        assert badge(person) == sum(notice.is_unread for notice in inbox(person)), (moment, name)
        assert badge(person, "creations:list") == visible.count(), (moment, name)
        assert bool(frame_numbers(person, entries(person))[own_under_way]) == mine.exists(), (moment, name)


def test_they_equal_the_lists_for_everybody_at_every_moment(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    _numbers.cache_clear()
    assert_numbers_agree("nothing")
    first = submit_creation(people.ada, projects.vision, "first")
    submit_creation(people.mallory, projects.speech, "theirs")
    assert_numbers_agree("under way")
    run_worker()
    assert_numbers_agree("settled")
    grant(person=people.vera, role=Role.CREATOR, team=people.vision, reason="helps", by=people.tom)
    hand_over(by=people.tom, cluster=Creation.objects.get(pk=first.pk).cluster, to="vera", reason="hers")
    assert_numbers_agree("handed over")
    mark_read(people.ada)
    assert_numbers_agree("read")
    soon = grant(
        person=people.nina, role=Role.CREATOR, team=people.speech, reason="a run", until=timedelta(days=2)
    )
    submit_creation(people.nina, projects.speech, "hers")
    assert_numbers_agree("one more team")
    end_grant(soon, reason="over")
    assert_numbers_agree("and gone again")


@pytest.mark.parametrize("days", [1, 13, 15])
def test_what_is_older_than_two_weeks_is_not_counted(
    days: int, people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "old")
    run_worker()
    Creation.objects.update(settled_at=timezone.now() - timedelta(days=days))
    assert badge(people.ada) == len(inbox(people.ada)) == (days < 14)
