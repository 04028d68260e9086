"""A team's last admin may run out by their own date: everybody who can do something is warned before, and once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.utils import timezone

from hyperclusters.access import mail
from hyperclusters.access.leads import unled_for
from hyperclusters.access.models import Grant, Role
from hyperclusters.access.services import end_grant, grant
from hyperclusters.audit.alerts import ALERTS
from hyperclusters.audit.vocabulary import Action as Did
from tests.conftest import Cast, events
from tests.web.pages import SignIn, words

WEEK = timedelta(days=7)
SOON = "on nobody decides in Vision"
NOBODY = "Nobody decides in Vision"


def ends(cast: Cast, days: float) -> None:
    """Tom, who alone leads Vision, has been given his role until then."""
    Grant.objects.filter(person=cast.tom).update(until=timezone.now() + timedelta(days=days))


def noted() -> list[str]:
    return [event.team_name for event in events(action=Did.TEAM_UNLED)]


@pytest.mark.parametrize(("days", "said"), [(8, ""), (6, SOON), (-1, NOBODY)])
def test_pages_warn_a_week_before_nobody_decides_and_from_then_on(
    days: int, said: str, cast: Cast, as_: SignIn
) -> None:
    ends(cast, days)
    grant(person=cast.ada, role=Role.ADMIN, team=cast.speech, reason="leads the other team")
    for name, path in (("root", "/"), ("root", "/teams/vision/"), ("vera", "/teams/vision/"), ("tom", "/")):
        shown = words(as_(name).get(path))
        expected = "" if (name, days) == ("tom", -1) else said  # Tom has no team any more then
        assert (SOON in shown, NOBODY in shown) == (expected == SOON, expected == NOBODY), (name, path)
    assert not unled_for(cast.vera)
    assert [team.name for team in unled_for(cast.root)] == (["Vision"] if said else [])
    told = words(as_("root").get("/teams/?lead=none"))
    assert ("Vision" in told) == bool(said)
    assert "Speech" not in told


def test_the_warning_says_what_this_person_can_do(cast: Cast, as_: SignIn) -> None:
    ends(cast, 3)
    root, tom, vera = (as_(name).get("/teams/vision/") for name in ("root", "tom", "vera"))
    for answer in (root, tom):
        assert "/teams/vision/give/?role=admin&amp;until=open" in answer.content.decode()
    assert "root can appoint one." in words(vera)
    assert "/give/" not in vera.content.decode()
    form = as_("root").get("/teams/vision/give/?role=admin&until=open").content.decode()
    for value in ("admin", "open"):
        assert re.search(rf'value="{value}"[^>]* checked', form), value


def test_platform_admins_are_told_once_by_letter_and_the_audit_once_by_an_alert(cast: Cast) -> None:
    ends(cast, 8)
    assert (mail.send_due(), noted()) == (0, [])
    ends(cast, 6)
    assert [mail.send_due(), mail.send_due(), len(noted())] == [1, 0, 1]
    assert outbox.outbox[0].to == ["root@example.com"]
    assert "Nobody decides in Vision from" in outbox.outbox[0].subject
    ends(cast, 5)  # another moment is another warning
    assert [mail.send_due(), mail.send_due(), len(noted())] == [1, 0, 2]
    grant(person=cast.ada, role=Role.ADMIN, team=cast.vision, reason="leads too")
    assert [mail.send_due(), len(noted())] == [0, 2]
    end_grant(Grant.objects.active().get(person=cast.ada), reason="moves on")
    assert [mail.send_due(), len(noted())] == [1, 3]
    Grant.objects.filter(person=cast.tom).update(
        until=timezone.now() - timedelta(seconds=1)
    )  # what was said comes true: no news
    assert [mail.send_due(), len(noted())] == [0, 3]
    assert Did.TEAM_UNLED in ALERTS


def test_a_team_that_lost_its_admins_unnoticed_is_told_of_and_a_new_one_is_not(cast: Cast) -> None:
    Grant.objects.filter(person=cast.tom).update(until=timezone.now() - WEEK)
    assert [mail.send_due(), mail.send_due(), noted()] == [1, 0, ["Vision"]]
