"""Olga reviews what was made: each creation once, clusters made outside, and nobody else can."""

from __future__ import annotations

import re

import pytest
from django.test import Client as Browser

from hyperclusters.access.permissions import NotPermitted
from hyperclusters.clusters.creation_reviews import NoteRequired, account_for, review
from hyperclusters.clusters.models import Cluster, Creation, Judgement, Review
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import SignIn, body, main, value_of, words

QUEUE, MARK = "/audit/review/", "/audit/review/mark/"


@pytest.fixture
def creations(people: People, projects: Projects, cloud: Cloud) -> list[Creation]:
    """Three settled creations of two teams, one that is not, and a cluster made outside."""
    cloud.simulator.add_cluster(projects.vision.project_id, "outside", "ECS")
    creations = [
        submit_creation(people.ada, projects.vision, "one"),
        submit_creation(people.ada, projects.vision, "two"),
    ]
    creations.append(submit_creation(people.mallory, projects.speech, "three"))
    run_worker()
    return [*creations, submit_creation(people.ada, projects.vision, "waiting")]


def post(browser: Browser, creations: list[Creation], judgement: str = "reviewed", note: str = "") -> str:
    chosen = {"creation": [str(each.pk) for each in creations], "judgement": judgement, "note": note}
    return words(browser.post(MARK, chosen, follow=True))


def test_settled_creations_wait_until_they_are_marked_and_each_mark_is_an_event(
    creations: list[Creation], as_: SignIn
) -> None:
    olga = as_("olga")
    text = main(olga.get(QUEUE))
    assert all(name in text for name in ("one", "two", "three"))
    assert "waiting" not in text
    assert "3 creations to review" in words(olga.get("/"))
    assert "2 creations were marked" in post(olga, creations[:2], note="as agreed")
    text = main(olga.get(QUEUE))
    assert ("three" in text, "two" in text) == (True, False)
    marks = events(action="cluster:create:reviewed")
    assert {event.object_id for event in marks} == {str(each.pk) for each in creations[:2]}
    assert {(e.person_name, e.team_name, e.project_name, e.reason) for e in marks} == {
        ("olga", "Vision", "vision-cn-southwest-2", "as agreed")
    }


def test_a_follow_up_needs_a_note_and_stays_until_it_is_reviewed(
    creations: list[Creation], as_: SignIn
) -> None:
    olga = as_("olga")
    post(olga, creations[:1], "follow_up", "which budget?")
    assert "which budget?" in main(olga.get(f"{QUEUE}?show=follow-up"))
    post(olga, creations[:1])
    assert "Nothing needs follow-up" in words(olga.get(f"{QUEUE}?show=follow-up"))
    (mark,) = events(action="cluster:create:reviewed")
    assert mark.before == {"review": "follow_up", "note": "which budget?"}


def test_a_follow_up_without_a_note_keeps_what_was_ticked_and_asks_for_the_note(
    creations: list[Creation], as_: SignIn
) -> None:
    chosen = {"creation": [str(creations[1].pk)], "judgement": "follow_up", "note": "  "}
    answer = as_("olga").post(f"{MARK}?show=new", chosen)
    assert answer.status_code == 422
    assert re.findall(r'value="([^"]+)" checked', body(answer)) == [str(creations[1].pk)]
    assert "A follow-up needs a note" in main(answer)
    assert 'aria-describedby="note_error" autofocus' in body(answer)
    assert not Review.objects.exists()


def test_a_follow_up_of_nothing_says_that_nothing_was_chosen(creations: list[Creation], as_: SignIn) -> None:
    text = post(as_("olga"), [], "follow_up", "")
    assert "Select a creation first" in text
    assert "needs a note" not in text


def test_one_is_led_back_to_the_part_of_the_queue_that_one_came_from(
    creations: list[Creation], as_: SignIn
) -> None:
    olga = as_("olga")
    post(olga, creations[:1], "follow_up", "which budget?")
    assert f'action="{MARK}?show=follow-up"' in body(olga.get(f"{QUEUE}?show=follow-up"))
    chosen = {"creation": [str(creations[0].pk)], "judgement": "reviewed"}
    assert olga.post(f"{MARK}?show=follow-up", chosen)["Location"] == f"{QUEUE}?show=follow-up"
    assert olga.get(f"{MARK}?show=follow-up")["Location"] == f"{QUEUE}?show=follow-up"


def test_the_same_mark_again_and_one_without_an_outcome_change_nothing(
    creations: list[Creation], people: People
) -> None:
    ids = [each.pk for each in creations]
    assert review(by=people.olga, creations=ids, judgement=Judgement.REVIEWED) == 3
    assert review(by=people.olga, creations=ids, judgement=Judgement.REVIEWED) == 0
    assert len(events(action="cluster:create:reviewed")) == 3


def test_marking_nothing_or_garbage_marks_nothing(creations: list[Creation], as_: SignIn) -> None:
    olga = as_("olga")
    assert "Nothing was marked" in post(olga, [])
    garbage = olga.post(MARK, {"creation": ["x", "' OR 1=1", "\x00"], "judgement": "reviewed"}, follow=True)
    assert "Nothing was marked" in words(garbage)
    assert not Review.objects.exists()


def test_a_cluster_made_outside_waits_until_it_is_claimed_or_accepted(
    creations: list[Creation], as_: SignIn, people: People
) -> None:
    olga, cluster = as_("olga"), Cluster.objects.get(name="outside")
    assert "outside" in main(olga.get(f"{QUEUE}?show=outside"))
    empty = olga.post(f"{QUEUE}{cluster.pk}/", {"person": " "})
    assert (empty.status_code, "Choose an owner, or enter a reason" in words(empty)) == (422, True)
    olga.post(f"{QUEUE}{cluster.pk}/", {"person": "ada", "reason": "made in the console"})
    (event,) = events(action="cluster:outside:claimed")
    assert (event.after or {})["claimed_for"] == "ada"
    assert (event.team_name, event.object_name, event.reason) == ("Vision", "outside", "made in the console")
    assert "Every cluster has an owner or a reason" in words(olga.get(f"{QUEUE}?show=outside"))
    assert account_for(by=people.olga, cluster=cluster, reason="shared by all")
    assert len(events(action="cluster:outside:accepted")) == 1


def test_a_person_who_does_not_exist_is_said_and_what_was_typed_stays(
    creations: list[Creation], as_: SignIn
) -> None:
    cluster = Cluster.objects.get(name="outside")
    typed = {"person": "addda", "reason": "made in the console"}
    answer = as_("olga").post(f"{QUEUE}{cluster.pk}/?show=outside", typed)
    assert answer.status_code == 422
    assert "There is no person called addda. Nothing was saved." in main(answer)
    assert (value_of(answer, "person"), value_of(answer, "reason")) == ("addda", "made in the console")
    assert not Review.objects.exists()
    assert not events(action="cluster:outside:accepted")


def test_a_cluster_made_here_needs_no_account(creations: list[Creation], people: People) -> None:
    assert not account_for(by=people.olga, cluster=Cluster.objects.get(name="one"), reason="x")
    assert not Review.objects.exists()


def test_only_auditors_review(creations: list[Creation], people: People, as_: SignIn) -> None:
    cluster = Cluster.objects.get(name="outside")
    for name in ("ada", "tom", "vera", "mallory", "root", "nina"):
        person = getattr(people, name)
        with pytest.raises(NotPermitted):
            review(by=person, creations=[creations[0].pk], judgement=Judgement.REVIEWED)
        with pytest.raises(NotPermitted):
            account_for(by=person, cluster=cluster, reason="mine")
        assert QUEUE not in as_(name).get("/").content.decode()
    assert not Review.objects.exists()
    with pytest.raises(NoteRequired):
        account_for(by=people.olga, cluster=cluster)
