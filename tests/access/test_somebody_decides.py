"""A team's last admin may run out by their own date: everybody who can do something is warned before, and once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.utils import timezone

from hyperclusters.access import mail
from hyperclusters.access.models import Grant, Role
from hyperclusters.access.services import end_grant, grant
from hyperclusters.access.team_admins import teams_without_admin_for
from hyperclusters.audit.alerts import ALERTS
from hyperclusters.audit.vocabulary import EventType
from tests.conftest import People, events
from tests.web.pages import SignIn, words

WEEK = timedelta(days=7)
SOON = "on nobody decides in Vision"
NOBODY = "Vision has no admin"


def ends(people: People, days: float) -> None:
    """Tom, who alone leads Vision, has been given his role until then."""
    Grant.objects.filter(person=people.tom).update(until=timezone.now() + timedelta(days=days))


def noted() -> list[str]:
    return [event.team_name for event in events(action=EventType.TEAM_UNLED)]


@pytest.mark.parametrize(("days", "text"), [(8, ""), (6, SOON), (-1, NOBODY)])
def test_pages_warn_a_week_before_nobody_decides_and_from_then_on(
    days: int, text: str, people: People, as_: SignIn
) -> None:
    ends(people, days)
    grant(person=people.ada, role=Role.ADMIN, team=people.speech, reason="leads the other team")
    for name, path in (("root", "/"), ("root", "/teams/vision/"), ("vera", "/teams/vision/"), ("tom", "/")):
        shown = words(as_(name).get(path))
        expected = "" if (name, days) == ("tom", -1) else text  # Tom has no team any more then
        assert (SOON in shown, NOBODY in shown) == (expected == SOON, expected == NOBODY), (name, path)
    assert not teams_without_admin_for(people.vera)
    assert [team.name for team in teams_without_admin_for(people.root)] == (["Vision"] if text else [])
    told = words(as_("root").get("/teams/?lead=none"))
    assert ("Vision" in told) == bool(text)
    assert "Speech" not in told


def test_the_warning_says_what_this_person_can_do(people: People, as_: SignIn) -> None:
    ends(people, 3)
    root, tom, vera = (as_(name).get("/teams/vision/") for name in ("root", "tom", "vera"))
    for answer in (root, tom):
        assert "/teams/vision/give/?role=admin&amp;until=open" in answer.content.decode()
    assert "root can appoint one." in words(vera)
    assert "/give/" not in vera.content.decode()
    form = as_("root").get("/teams/vision/give/?role=admin&until=open").content.decode()
    assert "<h1>Add team admin</h1>" in form
    assert re.search('<input type="hidden" name="role" value="admin"', form)
    assert re.search('value="open"[^>]* checked', form)


def test_a_platform_admin_grants_the_role_of_admin_and_no_other_whatever_the_address_says(
    people: People, as_: SignIn
) -> None:
    root = as_("root")
    for role in ("creator", "viewer", "nonsense"):
        page = root.get(f"/teams/vision/give/?role={role}").content.decode()
        assert '<input type="hidden" name="role" value="admin"' in page
    values = {"who": "nina", "role": "creator", "until": "7", "reason": "helps out"}
    assert root.post("/teams/vision/give/", values).status_code == 422
    assert root.post("/teams/vision/give/", values | {"role": "admin"}).status_code == 302
    assert Grant.objects.active().get(person=people.nina).role == Role.ADMIN


def test_platform_admins_are_told_once_by_letter_and_the_audit_once_by_an_alert(people: People) -> None:
    ends(people, 8)
    assert (mail.send_due(), noted()) == (0, [])
    ends(people, 6)
    assert [mail.send_due(), mail.send_due(), len(noted())] == [1, 0, 1]
    assert outbox.outbox[0].to == ["root@example.com"]
    assert "Vision has no admin from" in outbox.outbox[0].subject
    ends(people, 5)  # another moment is another warning
    assert [mail.send_due(), mail.send_due(), len(noted())] == [1, 0, 2]
    grant(person=people.ada, role=Role.ADMIN, team=people.vision, reason="leads too")
    assert [mail.send_due(), len(noted())] == [0, 2]
    end_grant(Grant.objects.active().get(person=people.ada), reason="moves on")
    assert [mail.send_due(), len(noted())] == [1, 3]
    Grant.objects.filter(person=people.tom).update(
        until=timezone.now() - timedelta(seconds=1)
    )  # what was said comes true: no news
    assert [mail.send_due(), len(noted())] == [0, 3]
    assert EventType.TEAM_UNLED in ALERTS


def test_a_team_that_lost_its_admins_unnoticed_is_told_of_and_a_new_one_is_not(people: People) -> None:
    Grant.objects.filter(person=people.tom).update(until=timezone.now() - WEEK)
    assert [mail.send_due(), mail.send_due(), noted()] == [1, 0, ["Vision"]]
