"""Tom changes and reviews access, Nina asks for it: what the pages start from, and what they say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access import access_requests
from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.services import extend_grant, grant, set_rules
from hyperclusters.web.texts.grants import last_day
from tests.conftest import People
from tests.web.pages import HTMX, SignIn, body, main, words


def held(person: User) -> Grant:
    return Grant.objects.active().select_related("person", "team").get(person=person)


def shown(browser: Browser, grant: Grant) -> str:
    """The end that the form of a person's access starts from: the preset, and its day."""
    form = browser.get(f"/teams/vision/grants/{grant.pk}/").context["form"]
    return f"{form['until'].value()} {form['date'].value() or ''}".strip()


def change(browser: Browser, grant: Grant, **changes: str) -> None:
    """Send the form as the page has it, for a viewer and with these changes."""
    form = browser.get(f"/teams/vision/grants/{grant.pk}/").context["form"]
    request = {name: str(form[name].value() or "") for name in ("until", "date")}
    request |= {"role": "viewer", "reason": "looks only"} | changes
    assert browser.post(f"/teams/vision/grants/{grant.pk}/", request).status_code == 302


def test_another_role_leaves_access_without_an_end_date_without_one(people: People, as_: SignIn) -> None:
    tom = as_("tom")
    assert shown(tom, held(people.ada)) == "open"
    change(tom, held(people.ada))
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
    assert shown(tom, held(people.ada)) == f"date {day}"
    change(tom, held(people.ada))
    assert (held(people.ada).role, held(people.ada).until) == (Role.VIEWER, end)
    change(tom, held(people.ada), role="creator", date="2099-03-07")
    creator = Grant.objects.active().get(person=people.ada, role=Role.CREATOR)
    assert creator.until == datetime(2099, 3, 8, tzinfo=UTC)
    change(tom, creator, role="creator", until="open")
    assert Grant.objects.active().get(person=people.ada, role=Role.CREATOR).until is None


def test_one_form_says_what_will_be_true_and_a_temporary_role_leaves_the_lower_one(
    people: People, as_: SignIn
) -> None:
    tom, vera = as_("tom"), held(people.vera)
    path = f"/teams/vision/grants/{vera.pk}/"
    choices = {"role": "creator", "until": "date", "date": "2099-12-02"}
    assert "vera is" not in words(tom.get(path))  # nothing was chosen yet
    fragment = words(tom.get(path, choices, headers=HTMX))
    assert "Viewer stays vera is Creator until 2 Dec 2099, then Viewer again." in fragment
    assert "Change access" not in fragment
    answer = tom.post(path, choices | {"reason": "to repeat the run"}, follow=True)
    assert "vera is Creator until 2 Dec 2099, then Viewer again." in words(answer)
    page = words(tom.get(path))
    assert "Viewer + Creator until 2 Dec 2099" in page
    assert "Creator until 2 Dec 2099 by tom" in page
    for role, keep, sentence in (
        ("viewer", "", "Replaces Creator vera is Viewer with no end date."),
        ("viewer", "on", "Creator stays vera is Creator until 2 Dec 2099, then Viewer again."),
        ("creator", "", "Replaces Viewer vera is Creator with no end date."),
        ("admin", "", "Replaces Creator, Viewer vera is Admin with no end date."),
    ):
        terms = {"role": role, "until": "open"} | ({"keep": keep} if keep else {})
        assert sentence in words(tom.get(path, terms, headers=HTMX)), sentence


@pytest.mark.parametrize(("query", "left"), [("", ["viewer"]), ("?all=1", [])])
def test_revoking_asks_once_for_a_reason_and_says_what_is_left(
    query: str, left: list[str], people: People, as_: SignIn
) -> None:
    until = timezone.now() + timedelta(days=7)
    creator = grant(person=people.vera, role=Role.CREATOR, team=people.vision, until=until, reason="x")
    path = f"/teams/vision/grants/{creator.pk}/revoke/{query}"
    tom = as_("tom")
    text = words(tom.get(path))
    assert ("vera is Viewer with no end date." in text, "vera has no access." in text) == (
        bool(left),
        not left,
    )
    assert tom.post(path, {}).status_code == 422
    assert tom.post(path, {"reason": "The run is over"}).status_code == 302
    assert [each.role for each in Grant.objects.active().filter(person=people.vera)] == left
    assert tom.get(path).status_code == 404


def test_an_admin_who_gives_up_all_access_is_led_to_a_page_that_she_may_see(
    people: People, as_: SignIn
) -> None:
    admin = grant(person=people.vera, role=Role.ADMIN, team=people.vision, reason="x")
    answer = as_("vera").post(
        f"/teams/vision/grants/{admin.pk}/revoke/?all=1", {"reason": "I move on"}, follow=True
    )
    assert (answer.status_code, answer.redirect_chain) == (200, [("/teams/", 302)])
    assert "Revoked. vera has no access." in words(answer)


def test_who_gives_up_access_is_told_what_remains_and_the_last_admin_before_any_click(
    people: People, as_: SignIn
) -> None:
    path = f"/teams/vision/grants/{Grant.objects.get(person=people.tom).pk}/revoke/"
    tom = as_("tom")
    own_page = words(tom.get(path.removesuffix("revoke/")))
    assert "You are the last admin: make another person an admin before you give it up." in own_page
    text = words(tom.get(path))
    assert "You are the last admin of Vision" in text
    assert "Reason" not in text
    assert tom.post(path, {"reason": "I move on"}).status_code == 422
    grant(person=people.vera, role=Role.ADMIN, team=people.vision, reason="x")
    text = words(tom.get(path))
    assert "Afterwards: you have no access." in text
    assert "Give up access" in text


def test_the_history_of_access_is_for_who_may_read_the_audit_of_this_team(
    people: People, as_: SignIn
) -> None:
    grant(person=people.vera, role=Role.ADMIN, team=people.speech, reason="leads elsewhere")
    assert "?tab=history" not in body(as_("vera").get("/teams/vision/"))
    assert "?tab=history" in body(as_("vera").get("/teams/speech/"))


def test_a_platform_admin_is_offered_only_what_they_may_change(people: People, as_: SignIn) -> None:
    """A person with a lasting lower role: only that of an admin is a platform admin's to give and to revoke."""
    until = timezone.now() + timedelta(days=7)
    admin = grant(person=people.vera, role=Role.ADMIN, team=people.vision, until=until, reason="x")
    viewer = Grant.objects.active().get(person=people.vera, role=Role.VIEWER)
    page = body(as_("root").get(f"/teams/vision/grants/{admin.pk}/"))
    assert f"/grants/{admin.pk}/revoke/" in page
    assert "?all=1" not in page
    assert f"/grants/{viewer.pk}/revoke/" not in page
    assert "<dt>Last action</dt>" not in page  # of the audit, which is not theirs to read
    assert "<dt>Last action</dt><dd>never</dd>" in body(as_("tom").get(f"/teams/vision/grants/{admin.pk}/"))


def test_giving_access_never_takes_any_away(people: People, as_: SignIn) -> None:
    tom = as_("tom")
    give = {"who": "ada", "role": "viewer", "reason": "x"}
    answer = tom.post("/teams/vision/give/", give | {"until": "open"})
    assert answer.status_code == 422
    assert "Already granted: this role or a higher one, for as long." in words(answer)
    extend_grant(held(people.ada), until=timezone.now() + timedelta(days=7), reason="x", by=people.tom)
    assert tom.post("/teams/vision/give/", give | {"until": "open"}).status_code == 302
    roles = Grant.objects.active().filter(person=people.ada).values_list("role", flat=True)
    assert sorted(roles) == ["creator", "viewer"]


def test_who_has_asked_reads_who_decides_at_home_and_on_the_page_of_their_access(
    people: People, as_: SignIn
) -> None:
    nina = as_("nina")
    assert "You have no access yet" in main(nina.get("/"))
    access_requests.ask(
        person=people.nina, team=people.vision, role=Role.CREATOR, days=7, reason="evaluation"
    )
    home = nina.get("/")
    assert "Creator in Vision for 1 week “evaluation” · just now · waiting for tom Withdraw" in main(home)
    assert "You have no access yet" not in main(home)
    assert 'href="/access/"' in body(home)
    assert (
        "· waiting for tom"
        in main(nina.get("/access/")).partition("Your requests")[2].partition("Withdraw")[0]
    )


def test_who_asked_a_team_without_an_admin_reads_who_can_appoint_one(people: People, as_: SignIn) -> None:
    access_requests.ask(person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="evaluation")
    Grant.objects.filter(person=people.tom).update(ended_at=timezone.now() - timedelta(seconds=1))
    assert "just now · root can appoint an admin Withdraw" in main(as_("nina").get("/"))


def test_the_end_of_access_is_a_day_and_how_long_until_then_in_chinese(people: People, as_: SignIn) -> None:
    extend_grant(held(people.ada), until=timedelta(days=6), reason="x", by=people.tom)
    text = main(as_("ada").get("/access/", headers={"Accept-Language": "zh-hans"}))
    assert re.search(r"年 \d+ 月 \d+ 日 · 6 天后", text)


@pytest.mark.parametrize("back", ["/", "/teams/vision/", "https://evil.example/"])
def test_a_request_is_decided_in_the_list_and_leads_back_to_it(
    back: str, people: People, as_: SignIn
) -> None:
    terms: dict[str, Any] = {"team": people.vision, "role": Role.VIEWER, "days": 7, "reason": "x"}
    first, second = (access_requests.ask(person=who, **terms) for who in (people.nina, people.mallory))
    tom, here = as_("tom"), back if back.startswith("/") else "/teams/vision/"
    form = {"do": "approve", "approve-days": "7", "back": back}
    assert tom.post(f"/teams/vision/requests/{first.pk}/", form)["Location"] == here
    page = words(tom.get("/teams/vision/"))
    assert "mallory requests Viewer" in page
    assert "nina requests" not in page
    empty = {"do": "decline", "decline-reason": " ", "back": back}
    answer = tom.post(f"/teams/vision/requests/{second.pk}/", empty)
    assert (answer.status_code, answer["Location"]) == (302, here)
    assert "Enter a reason." in words(tom.get("/teams/vision/"))
    form = {"do": "decline", "decline-reason": "Not this week", "back": back}
    assert tom.post(f"/teams/vision/requests/{second.pk}/", form)["Location"] == here
    assert "requests" not in main(tom.get("/teams/vision/"))


def test_a_member_is_one_row_with_their_roles_in_rising_order(people: People, as_: SignIn) -> None:
    until = datetime(2099, 12, 3, tzinfo=UTC)
    grant(
        person=people.vera, role=Role.CREATOR, team=people.vision, until=until, reason="a run", by=people.tom
    )
    page = as_("tom").get("/teams/vision/")
    assert "Viewer + Creator until 2 Dec 2099" in main(page)
    assert page.context["page"].paginator.count == 3
    assert "3 members" in words(page)
    only = main(as_("tom").get("/teams/vision/?show=layered"))
    assert "vera" in only
    assert "ada" not in only


def test_rules_and_quota_say_what_they_mean_before_an_error(people: People, as_: SignIn) -> None:
    rules = words(as_("tom").get("/teams/vision/rules/"))
    assert "Leave empty for no limit." in rules
    assert "At the limit, new creations are refused" in words(as_("root").get("/teams/vision/quota/"))
    set_rules(people.vision, by=people.tom, longest_days=90)
    give = words(as_("tom").get("/teams/vision/give/"))
    assert "Vision allows up to 90 days." in give
    assert "No end date" not in give


def test_a_platform_admin_adds_a_person_to_a_team(people: People, as_: SignIn) -> None:
    root, form = as_("root"), {"team": "speech", "role": "admin", "until": "open", "reason": "leads"}
    assert "Invitation sent to new@example.com." in words(
        root.post("/people/invite/", form | {"who": "new@example.com"}, follow=True)
    )
    root.post("/people/invite/", form | {"who": "nina"})
    assert Grant.objects.active().get(person=people.nina).role == Role.ADMIN
    for changes in ({"team": ""}, {"team": "none"}, {"who": "nobody"}, {"role": "viewer"}, {"reason": ""}):
        assert root.post("/people/invite/", form | {"who": "vera"} | changes).status_code == 422, changes
    grant(person=people.root, role=Role.ADMIN, team=people.vision, reason="also leads")
    viewer = form | {"who": "nina", "role": "viewer"}
    answer = root.post("/people/invite/", viewer)
    assert "Only an admin of Speech can add others than admins." in words(answer)
    assert root.post("/people/invite/", viewer | {"team": "vision"}).status_code == 302
    assert as_("tom").get("/people/invite/").status_code == 403


def test_who_can_only_add_admins_is_asked_for_no_role(people: People, as_: SignIn) -> None:
    page = body(as_("root").get("/people/invite/"))
    assert "<h1>Add team admin</h1>" in page
    assert re.search(r'<input type="hidden" name="role" value="admin"', page)
    assert 'type="radio" name="role"' not in page
    assert 'type="radio" name="role"' in body(as_("tom").get("/teams/vision/give/"))
    grant(person=people.root, role=Role.ADMIN, team=people.vision, reason="also leads")
    page = body(as_("root").get("/people/invite/"))
    assert "<h1>Add person</h1>" in page
    assert 'type="radio" name="role"' in page


def test_a_request_says_what_the_person_has_and_gets(people: People, as_: SignIn) -> None:
    tom, request = (
        as_("tom"),
        access_requests.ask(person=people.vera, team=people.vision, role=Role.CREATOR, days=7, reason="x"),
    )
    path = f"/teams/vision/requests/{request.pk}/"
    day = last_day(timezone.now() + timedelta(days=7))
    after = f"If you approve for 1 week: vera is Creator until {day}, then Viewer again."
    assert f"vera is Viewer with no end date. {after}" in words(tom.get(path))
    grant(person=people.vera, role=Role.CREATOR, team=people.vision, reason="given meanwhile")
    page = words(tom.get(path))
    assert "vera is Creator with no end date." in page
    assert "If you approve" not in page


def test_a_service_identity_lasts_unless_the_team_asks_for_an_end(people: People, as_: SignIn) -> None:
    path, tom = "/teams/vision/services/new/", as_("tom")
    last = r'name="until" value="open"[^>]* checked'
    assert "“vision.nightly”" in words(tom.get(path))
    assert re.search(last, body(tom.get(path)))
    set_rules(people.vision, by=people.tom, longest_days=90)
    assert re.search(r'name="until" value="7"[^>]* checked', body(tom.get(path)))
