"""A page that cannot show or do what one came for says why, as it is now, and who or what helps."""

from __future__ import annotations

import pytest

from hyperclusters.access.models import Grant, Team
from tests.conftest import People
from tests.web.pages import SignIn, body, main

pytestmark = pytest.mark.any_database


def test_a_new_installation_has_no_dead_end(as_: SignIn, people: People) -> None:
    Grant.objects.filter(team__isnull=False).delete()
    Team.objects.all().delete()
    root = as_("root")
    teams = root.get("/teams/")
    assert "No teams yet" in main(teams)
    assert 'href="/people/teams/"' in body(teams)
    assert "Request access" not in main(teams)
    assert 'placeholder="Name"' not in body(teams)
    assert "Go to Home" in main(root.get("/clusters/new/"))
    home = main(root.get("/"))
    assert "Start a worker" in home
    assert home.count("manage.py worker") == 1, "no card beside the step"
