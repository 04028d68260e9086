"""A team's name changes; its slug, and so every address, stays."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import Team
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.services import rename_team
from tests.conftest import People, events
from tests.web.pages import SignIn, words


def test_a_platform_admin_renames_a_team_with_one_event(people: People, as_: SignIn) -> None:
    form = {"name": "  Vision   lab ", "reason": "A new name for the group"}
    answer = as_("root").post("/teams/vision/name/", form, follow=True)
    assert "Team renamed." in words(answer)
    team = Team.objects.get(slug="vision")
    assert team.name == "Vision lab"
    (event,) = events(action="access:team:changed")
    assert (event.before, event.after) == ({"name": "Vision"}, {"name": "Vision lab"})
    assert event.reason == "A new name for the group"
    rename_team(team, name="Vision lab", by=people.root, reason="the same")
    assert len(events(action="access:team:changed")) == 1
    with pytest.raises(ValidationError):
        Team(slug="third", name="VISION LAB").full_clean()
    Team(slug="third", name="Vision").full_clean()  # free again


@pytest.mark.parametrize("name", ["Speech", "SPEECH", "Ѕpeech", "", "Vision\u200blab", "x" * 101])
def test_a_bad_or_existing_name_is_refused(name: str, people: People, as_: SignIn) -> None:
    assert as_("root").post("/teams/vision/name/", {"name": name, "reason": "x"}).status_code == 422
    assert Team.objects.get(slug="vision").name == "Vision"


def test_nobody_else_renames_and_nobody_without_a_reason(people: People, as_: SignIn) -> None:
    for name in ("tom", "ada", "olga"):
        assert as_(name).post("/teams/vision/name/", {"name": "X", "reason": "x"}).status_code == 403
        with pytest.raises(NotPermitted):
            rename_team(people.vision, name="X", by=getattr(people, name), reason="x")
    with pytest.raises(ChangeRefused, match="no_reason"):
        rename_team(people.vision, name="X", by=people.root, reason=" ")
