"""Access reviews on pages: Tom carries one out by plain forms, others see what is theirs, and its evidence stays."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser

from hyperclusters.access import mail
from hyperclusters.access.access_reviews import cancel, complete, decide, open_review
from hyperclusters.access.models import AccessReview, Grant, Role, User
from hyperclusters.access.services import end_grant, extend_grant, grant
from hyperclusters.audit import clock
from hyperclusters.web.texts.notices import inbox
from tests.conftest import People, events
from tests.web.badges import badge
from tests.web.pages import SignIn, body, main, words

pytestmark = pytest.mark.any_database

REVIEW = "/teams/vision/review/"


@pytest.fixture
def review(people: People) -> AccessReview:
    return open_review(people.vision, due_on=clock.today() + timedelta(days=14), by=people.tom)


def held(person: User) -> Grant:
    return Grant.objects.active().get(person=person, team__slug="vision")


def form_of(browser: Browser) -> dict[str, Any]:
    """What the page's form would send as it is."""
    page = body(browser.get(REVIEW))
    hidden = dict(re.findall(r'<input type="hidden" name="(review|seen)" value="([^"]*)"', page))
    return hidden | dict.fromkeys(re.findall(r'<select class="input" name="(g\d+)"', page), "later")


def test_tom_walks_a_review_from_its_start_to_its_evidence(people: People, as_: SignIn) -> None:
    tom = as_("tom")
    assert "No access review yet" in main(tom.get(REVIEW))
    day = clock.today() + timedelta(days=5)
    answer = tom.post(f"{REVIEW}open/", {"due": day.isoformat()}, follow=True)
    assert "Access review started." in words(answer)
    assert f"Due {day.day} {day:%b %Y}" in main(answer)
    assert "0 of 3 decided" in main(answer)
    form = form_of(tom)
    assert form.keys() == {"review", "seen", f"g{held(people.ada).pk}", f"g{held(people.vera).pk}"}
    assert "Needs another admin or a platform admin" in main(answer)
    late = grant(person=people.nina, role=Role.VIEWER, team=people.vision, reason="trial", by=people.tom)
    assert "Granted since the review started" in main(tom.get(REVIEW))
    end = {f"g{held(people.vera).pk}": "end", "rest": "keep"}
    answer = tom.post(REVIEW, form | end, follow=True)
    assert "Review saved: 1 kept, 1 revoked, 1 not decided." in words(answer)
    assert "Complete review" in main(answer)
    answer = tom.post(REVIEW, {"review": form["review"], "do": "complete"}, follow=True)
    page = main(answer)
    assert "Access review completed." in words(answer)
    assert "Not decided: needed another admin or a platform admin" in page
    assert "Granted during the review" in page
    assert re.search(r"vera .*Revoked · tom", page)
    assert late == held(people.nina)
    assert re.search(r"Past reviews .*Completed", main(tom.get(REVIEW)))


def test_a_due_date_that_is_over_is_refused_in_the_form(people: People, as_: SignIn) -> None:
    for due in ((clock.today() - timedelta(days=1)).isoformat(), "", "soon", "2026-02-31", "99999-01-01"):
        assert as_("tom").post(f"{REVIEW}open/", {"due": due}).status_code == 422, due
    assert as_("tom").post(f"{REVIEW}open/", {"due": "9999-12-31"}).status_code == 302
    assert as_("tom").get(REVIEW).status_code == 200


def test_a_second_review_and_a_second_click_are_refused_with_their_reason(
    people: People, review: AccessReview, as_: SignIn
) -> None:
    answer = as_("olga").post(f"{REVIEW}open/", {"due": clock.today().isoformat()})
    assert answer.status_code == 422
    assert "This team has an open access review already." in words(answer)
    tom = as_("tom")
    assert tom.post(f"{REVIEW}cancel/", {"reason": "mistake"}).status_code == 302
    answer = tom.post(f"{REVIEW}cancel/", {"reason": "mistake"})
    assert "completed or cancelled meanwhile" in words(answer)
    answer = tom.post(REVIEW, {"review": str(review.pk), f"g{held(people.ada).pk}": "end"})
    assert (answer.status_code, "completed or cancelled meanwhile" in words(answer)) == (422, True)
    assert held(people.ada)


def test_a_review_in_which_nothing_is_decided_says_so_and_is_no_event(
    people: People, review: AccessReview, as_: SignIn
) -> None:
    tom = as_("tom")
    text = words(tom.post(REVIEW, form_of(tom), follow=True))
    assert "Nothing was decided." in text
    assert "Review saved" not in text
    assert events(action="access:team:reviewed") == []


def test_a_review_that_is_refused_keeps_what_was_marked_and_marks_what_changed(
    people: People, review: AccessReview, as_: SignIn
) -> None:
    tom, ada, vera = as_("tom"), held(people.ada), held(people.vera)
    form = form_of(tom) | {f"g{ada.pk}": "end", f"g{vera.pk}": "keep"}
    extend_grant(vera, until=timedelta(days=9), reason="x", by=people.tom)
    answer = tom.post(REVIEW, form)
    assert answer.status_code == 422
    assert "Access changed since you opened this page" in words(answer)
    assert held(people.ada) == ada
    page = body(answer)
    assert re.search(rf'name="g{ada.pk}"(?:(?!</select>).)*value="end" selected', page, flags=re.DOTALL)
    assert re.search(rf'name="g{vera.pk}"(?:(?!</select>).)*value="keep" selected', page, flags=re.DOTALL)
    assert page.count(">Changed<") == 1
    assert tom.post(REVIEW, form | form_of(tom) | {f"g{ada.pk}": "end"}).status_code == 302
    assert not Grant.objects.active().filter(pk=ada.pk)


@pytest.mark.parametrize("seen", ["", "g1", "g=", "x", "g1=1 g" + "9" * 40 + "=-", "g\x00=1"])
def test_a_form_with_marks_of_any_shape_changes_nothing(
    seen: str, people: People, review: AccessReview, as_: SignIn
) -> None:
    tom = as_("tom")
    form = {"review": str(review.pk), "seen": seen, f"g{held(people.ada).pk}": "end"}
    assert tom.post(REVIEW, form).status_code == 422
    for odd in ("²", "9" * 40, "9" * 5000, "-1", "x", ""):
        assert tom.post(REVIEW, form | {"review": odd}).status_code == 422, odd
    assert held(people.ada)


def test_keeping_all_the_rest_keeps_everybody_but_oneself_and_whom_one_revokes(
    people: People, review: AccessReview, as_: SignIn
) -> None:
    cancel(review, by=people.tom, reason="again")
    until = timedelta(days=7)
    extra = grant(person=people.vera, role=Role.CREATOR, team=people.vision, until=until, reason="a run")
    tom = as_("tom")
    open_review(people.vision, due_on=clock.today(), by=people.tom)
    page = body(tom.get(REVIEW))
    assert page.count("<select") == Grant.objects.active().filter(team=people.vision).count() - 1
    assert 'type="radio"' not in page
    answer = tom.post(REVIEW, form_of(tom) | {f"g{extra.pk}": "end", "rest": "keep"}, follow=True)
    assert "Review saved: 2 kept, 1 revoked, 1 not decided." in words(answer)
    kept = Grant.objects.filter(reviewed_by=people.tom).values_list("person__username", "role")
    assert sorted(kept) == [("ada", "creator"), ("vera", "viewer")]
    assert "vera" not in main(tom.get("/teams/vision/?show=unreviewed"))
    assert "tom" in main(tom.get("/teams/vision/?show=unreviewed"))
    assert "ada" not in main(tom.get(f"{REVIEW}?show=undecided"))
    assert "ada" in main(tom.get(f"{REVIEW}?q=ad"))


def test_a_platform_admin_decides_about_admins_without_their_use_or_the_evidence(
    people: People, review: AccessReview, as_: SignIn
) -> None:
    root = as_("root")
    page = main(root.get(REVIEW))
    assert "Last action" not in page
    assert f"/review/{review.pk}/" not in body(root.get(REVIEW))
    assert form_of(root).keys() == {"review", "seen", f"g{held(people.tom).pk}"}
    answer = root.post(REVIEW, form_of(root) | {f"g{held(people.tom).pk}": "keep"}, follow=True)
    assert "Review saved: 1 kept, 0 revoked, 2 not decided." in words(answer)
    answer = root.post(REVIEW, form_of(root) | {f"g{held(people.ada).pk}": "end"})
    assert answer.status_code == 403
    decide(review, by=people.tom, marks=marks(review), keep_rest=True)
    assert "Past reviews" in main(root.get(REVIEW))


def marks(review: AccessReview) -> dict[int, str]:
    return {each.grant_id: each.mark for each in review.items.undecided().select_related("grant")}


def test_an_auditor_asks_and_reads_and_decides_nothing(people: People, as_: SignIn) -> None:
    olga = as_("olga")
    olga.post(f"{REVIEW}open/", {"due": clock.today().isoformat()})
    page = body(olga.get(REVIEW))
    assert "<select" not in page
    assert "Save decisions" not in page
    assert "Cancel review" in page
    assert "Cancel review" not in body(as_("tom").get(REVIEW))
    number = AccessReview.objects.get().pk
    assert olga.post(REVIEW, {"review": number, f"g{held(people.ada).pk}": "end"}).status_code == 403


def test_the_evidence_is_a_page_and_a_file_of_the_team_alone(
    people: People, review: AccessReview, as_: SignIn
) -> None:
    decide(review, by=people.tom, keep=[held(people.ada).pk], marks=marks(review))
    end_grant(held(people.vera), reason="left", by=people.tom)
    complete(review, by=people.tom)
    address = f"{REVIEW}{review.pk}/"
    for name in ("tom", "olga"):
        assert "Evidence" in body(as_(name).get(address)), name
    answer = as_("olga").get(f"{address}evidence.json")
    assert answer["Content-Disposition"].startswith('attachment; filename="access-review-vision-')
    facts = answer.json()
    assert (facts["team"], facts["state"], facts["closed_by"]) == ("vision", "completed", "tom")
    assert {each["person"]: each["decision"] for each in facts["grants"]} == {
        "ada": "kept", "vera": "ended", "tom": None,
    }  # fmt: skip
    assert (events()[-1].action, events()[-1].person_name) == ("access:team:exported", "olga")
    other = open_review(people.speech, due_on=clock.today(), by=people.olga)
    for path in (f"{REVIEW}{other.pk}/", f"/teams/speech/review/{other.pk}/", f"{REVIEW}0/evidence.json"):
        assert as_("tom").get(path).status_code == 404, path
    assert as_("mallory").get(address).status_code == 404
    assert as_("ada").get(address).status_code == 403


@pytest.mark.parametrize(("days", "text"), [(5, "Review the access to"), (-1, "is overdue")])
def test_home_the_team_and_the_auditor_s_queue_say_that_a_review_waits(
    days: int, text: str, people: People, review: AccessReview, as_: SignIn
) -> None:
    AccessReview.objects.update(due_on=clock.today() + timedelta(days=days))
    home, team = main(as_("tom").get("/")), main(as_("tom").get("/teams/vision/"))
    assert ("Review the access to Vision" in home, "Overdue since" in home) == (True, days < 0)
    assert 'href="/teams/vision/review/"' in body(as_("tom").get("/"))
    assert ("is open" if days > 0 else text) in team
    assert ("The access review of Vision is overdue" in main(as_("olga").get("/audit/review/"))) == (days < 0)
    for name in ("ada", "vera", "nina", "mallory"):
        assert "access review" not in main(as_(name).get("/")).lower(), name
    assert "access review" not in main(as_("vera").get("/teams/vision/")).lower()
    cancel(review, by=people.tom, reason="x")
    assert text not in main(as_("tom").get("/"))


def test_the_inbox_of_admins_has_each_reminder_once(
    people: People, review: AccessReview, as_: SignIn
) -> None:
    tom = as_("tom")
    assert badge(people.tom) == 0
    mail.send_due()
    mail.send_due()
    assert badge(people.tom) == 1
    assert main(tom.get("/inbox/")).count("Review the access to Vision") == 1
    AccessReview.objects.update(due_on=clock.today() - timedelta(days=1))
    mail.send_due()
    assert badge(people.tom) == 2
    assert "Review the access to Vision Overdue since" in main(tom.get("/inbox/"))
    assert badge(people.ada) == badge(people.olga) == 0
    cancel(review, by=people.tom, reason="x")
    assert badge(people.tom) == 0


def test_a_review_that_opens_in_its_last_days_is_one_notice(people: People) -> None:
    open_review(people.vision, due_on=clock.today(), by=people.olga)
    mail.send_due()
    assert badge(people.tom) == len(inbox(people.tom)) == 1


def test_a_review_is_in_chinese_for_who_reads_chinese(review: AccessReview, as_: SignIn) -> None:
    for path in (REVIEW, f"{REVIEW}open/", f"{REVIEW}{review.pk}/"):
        assert as_("tom").get(path, headers={"Accept-Language": "zh-hans"}).status_code == 200
