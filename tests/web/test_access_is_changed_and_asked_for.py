"""Tom changes and reviews access, Nina asks for it: what the pages start from, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access import access_requests
from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.services import extend_grant
from tests.conftest import People, events
from tests.web.pages import SignIn, body, main, words


def held(person: User) -> Grant:
    return Grant.objects.active().select_related("person", "team").get(person=person)


def shown(browser: Browser, grant: Grant) -> dict[str, str]:
    """What the two forms of a grant's page start from: `role` and `until`, each with its preset and its day."""
    forms = browser.get(f"/teams/vision/grants/{grant.pk}/").context["forms"]
    return {
        name: f"{forms[name]['until'].value()} {forms[name]['date'].value() or ''}".strip()
        for name in ("role", "until")
    }


def change_role(browser: Browser, grant: Grant, **changes: str) -> None:
    """Send the form for another role as it is shown, with one role or another and these changes."""
    form = browser.get(f"/teams/vision/grants/{grant.pk}/").context["forms"]["role"]
    request = {form.add_prefix(name): str(form[name].value() or "") for name in ("until", "date")}
    request |= {"do": "role", "role-role": "viewer", "role-reason": "looks only"}
    request |= {form.add_prefix(name): value for name, value in changes.items()}
    assert browser.post(f"/teams/vision/grants/{grant.pk}/", request).status_code == 302


def test_another_role_leaves_open_ended_access_open_ended(people: People, as_: SignIn) -> None:
    tom = as_("tom")
    assert shown(tom, held(people.ada)) == {"role": "open", "until": "open"}
    change_role(tom, held(people.ada))
    assert (held(people.ada).role, held(people.ada).until) == (Role.VIEWER, None)


@pytest.mark.parametrize(
    ("end", "day"),
    [
        (datetime(2099, 3, 5, 15, 32, tzinfo=UTC), "2099-03-05"),
        (datetime(2099, 3, 5, tzinfo=UTC), "2099-03-04"),
    ],
)
def test_another_role_keeps_the_end_to_the_second_unless_another_is_chosen(
    end: datetime, day: str, people: People, as_: SignIn
) -> None:
    tom = as_("tom")
    extend_grant(held(people.ada), until=end, reason="x", by=people.tom)
    assert shown(tom, held(people.ada)) == {"role": f"date {day}", "until": f"date {day}"}
    change_role(tom, held(people.ada))
    assert (held(people.ada).role, held(people.ada).until) == (Role.VIEWER, end)
    change_role(tom, held(people.ada), role="creator", date="2099-03-07")
    assert held(people.ada).until == datetime(2099, 3, 8, tzinfo=UTC)
    change_role(tom, held(people.ada), until="open")
    assert held(people.ada).until is None


def test_a_review_in_which_nothing_is_decided_says_so_and_is_no_event(people: People, as_: SignIn) -> None:
    request = {f"g{held(people.ada).pk}": "later", "reason": "Access review"}
    text = words(as_("tom").post("/teams/vision/review/", request, follow=True))
    assert "Nothing was decided." in text
    assert "Reviewed:" not in text
    assert events(action="access:team:reviewed") == []


def test_who_has_asked_reads_who_decides_at_home_and_on_the_page_of_their_access(
    people: People, as_: SignIn
) -> None:
    nina = as_("nina")
    assert "You have no access yet" in main(nina.get("/"))
    access_requests.ask(
        person=people.nina, team=people.vision, role=Role.CREATOR, days=7, reason="evaluation"
    )
    home = nina.get("/")
    assert "You asked to be Creator in Vision: decided by tom." in main(home)
    assert "You have no access yet" not in main(home)
    assert 'href="/access/"' in body(home)
    assert (
        "· decided by tom"
        in main(nina.get("/access/")).partition("You have asked")[2].partition("Withdraw")[0]
    )


def test_who_asked_a_team_without_an_admin_reads_who_can_appoint_one(people: People, as_: SignIn) -> None:
    access_requests.ask(person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="evaluation")
    Grant.objects.filter(person=people.tom).update(ended_at=timezone.now() - timedelta(seconds=1))
    assert "You asked to be Viewer in Vision: root can appoint an admin." in main(as_("nina").get("/"))


def test_the_end_of_access_is_one_sentence_in_chinese(people: People, as_: SignIn) -> None:
    extend_grant(held(people.ada), until=timedelta(days=6), reason="x", by=people.tom)
    text = main(as_("tom").get("/teams/vision/", headers={"Accept-Language": "zh-hans"}))
    assert "6 天后 到期" in text  # the space stands for the tag between them
