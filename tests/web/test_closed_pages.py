"""Pages that are closed or absent: whoever is signed in keeps the menu, and is sent to nobody who cannot help."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from tests.conftest import People
from tests.web.pages import SignIn, body, main

pytestmark = pytest.mark.any_database

MENU = '<nav class="side"'


@pytest.mark.parametrize(("path", "status"), [("/audit/", 403), ("/nowhere/", 404), ("/teams/speech/", 404)])
def test_a_signed_in_person_keeps_the_menu_on_a_page_that_is_closed_or_absent(
    path: str, status: int, people: People, as_: SignIn
) -> None:
    answer = as_("ada").get(path)
    assert answer.status_code == status
    assert MENU in body(answer)
    assert MENU not in body(Browser().get(path))


@pytest.mark.parametrize("path", ["/people/", "/projects/", "/audit/review/"])
def test_where_no_team_s_admin_can_help_nobody_is_sent_to_one(path: str, people: People, as_: SignIn) -> None:
    answer = as_("tom").get(path)
    assert answer.status_code == 403
    assert "no team role gives it" in main(answer)
    assert "Who can help: root." in main(answer)
    assert "Request access" not in main(answer)
    assert "team admin" not in main(answer)


def test_where_a_team_s_admin_can_help_the_page_leads_to_asking(people: People, as_: SignIn) -> None:
    text = main(as_("ada").get("/teams/vision/messages/"))
    assert "A team admin can give you access." in text
    assert "Request access" in text
    assert "sent to the cloud" not in text  # nothing would have been


def test_who_may_not_read_the_audit_reads_who_may_and_who_appoints_auditors(
    people: People, as_: SignIn
) -> None:
    text = main(as_("ada").get("/audit/"))
    assert "Only auditors and team admins can read the audit. A platform admin appoints auditors." in text
    assert "Who can help: root." in text
    assert "Request access" not in text
    assert "Who can help" not in main(as_("root").get("/audit/"))
