"""Olga asks on a creation's page, Ada answers on the follow-up's, Home and mails tell both, and nobody else learns of it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as outbox
from django.test import Client as Browser

from hyperclusters.access import mail
from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.models import Grant, OutgoingMail, Role
from hyperclusters.access.services import add_person, end_grant, grant
from hyperclusters.audit import clock
from hyperclusters.clusters.follow_ups import answer, close, open_follow_up, reassign
from hyperclusters.clusters.models import Creation, FollowUp, FollowUpEntry, Review
from hyperclusters.clusters.monthly_reports import create_report
from hyperclusters.web.texts import notices
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.badges import badge
from tests.web.pages import LIVE_MARKUP, PAYLOADS, SignIn, body, holds_markup, main, value_of, words

pytestmark = pytest.mark.any_database

DAY = timedelta(days=1)
QUEUE = "/audit/review/?show=follow-up"


@pytest.fixture
def creation(people: People, projects: Projects, cloud: Cloud) -> Creation:
    creation = submit_creation(people.ada, projects.vision, "train-1")
    run_worker()
    return Creation.objects.select_related("project__team").get(pk=creation.pk)


@pytest.fixture
def follow_up(people: People, creation: Creation) -> FollowUp:
    return open_follow_up(
        by=people.olga,
        creation=creation,
        to="ada",
        due_on=clock.today() + 7 * DAY,
        text="Why no test run?",
        token=uuid.uuid4(),
    )


def asked(browser: Browser, creation: Creation, **values: str) -> Any:
    """Open the form and send it."""
    path = f"{creation.get_absolute_url()}follow-up/"
    form = browser.get(path)
    typed = {name: value_of(form, name) for name in ("person", "due_on", "token")}
    return browser.post(path, typed | {"text": "Why no test run?"} | values)


def send(browser: Browser, follow_up: FollowUp, act: str, **values: str) -> Any:
    """Read the page and send one of its forms."""
    url = follow_up.get_absolute_url()
    page = body(browser.get(url))
    form = re.search(rf'action="{url}{act}/".*?</form>', page, re.DOTALL)
    hidden = (
        dict(re.findall(r'type="hidden" name="(token|version)" value="([^"]*)"', form[0])) if form else {}
    )
    return browser.post(f"{url}{act}/", hidden | values)


def test_the_form_suggests_who_requested_it_first_and_a_week(creation: Creation, as_: SignIn) -> None:
    olga = as_("olga")
    assert f"{creation.get_absolute_url()}follow-up/" in body(olga.get(creation.get_absolute_url()))
    form = olga.get(f"{creation.get_absolute_url()}follow-up/")
    assert value_of(form, "person") == "ada"
    assert value_of(form, "due_on") == (clock.today() + 7 * DAY).isoformat()
    assert re.findall(r'<option value="([^"]+)"', body(form)) == ["ada", "olga", "tom", "vera"]


def test_a_follow_up_goes_from_the_question_over_answers_to_its_end(
    creation: Creation, as_: SignIn, people: People
) -> None:
    olga, ada = as_("olga"), as_("ada")
    opened = asked(olga, creation)
    follow_up = FollowUp.objects.get()
    assert opened["Location"] == follow_up.get_absolute_url()
    assert "Answer train-1" in main(ada.get("/"))
    assert "Why no test run?" in main(ada.get(follow_up.get_absolute_url()))
    assert send(ada, follow_up, "answer", text="There was one.\r\nOn Monday.").status_code == 302
    assert "Answer train-1" not in main(ada.get("/"))
    assert "ada answered about train-1" in main(olga.get("/"))
    page = main(olga.get(follow_up.get_absolute_url()))
    assert page.index("Why no test run?") < page.index("There was one.") < page.index("On Monday.")
    assert send(olga, follow_up, "close", note="Seen").status_code == 302
    assert "ada answered about train-1" not in main(olga.get("/"))
    assert "Closed" in main(ada.get(follow_up.get_absolute_url()))
    assert send(ada, follow_up, "answer", text="late").status_code == 422
    assert Review.objects.get().judgement == "reviewed"


def test_the_inbox_says_of_an_answered_question_that_nothing_is_left_to_do(
    follow_up: FollowUp, people: People, as_: SignIn
) -> None:
    ada = as_("ada")
    assert main(ada.get("/inbox/")).count("olga asks you about train-1") == 1
    assert main(ada.get("/")).count("olga asks you about train-1") == 1, "once, where it is answered"
    answer(follow_up=follow_up, by=people.ada, text="It was urgent", token=uuid.uuid4())
    page = main(ada.get("/inbox/"))
    assert "Your answer about train-1 New Waiting for an auditor to close it" in page
    assert "Why no test run?" not in page


def test_a_double_click_and_a_form_sent_again_are_one_row(creation: Creation, as_: SignIn) -> None:
    olga, ada = as_("olga"), as_("ada")
    token = str(uuid.uuid4())
    first, second = asked(olga, creation, token=token), asked(olga, creation, token=token)
    assert first["Location"] == second["Location"]
    follow_up = FollowUp.objects.get()
    for _ in range(2):
        assert send(ada, follow_up, "answer", text="yes", token=token.replace("-", "").upper()) is not None
        assert ada.post(
            f"{follow_up.get_absolute_url()}answer/", {"text": "yes", "token": str(uuid.UUID(int=7))}
        )
    assert FollowUpEntry.objects.filter(kind="answer", text="yes").count() == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"person": "mallory"}, "This person has no account, or can't see the creations of this team"),
        ({"person": "nobody"}, "This person has no account, or can't see the creations of this team"),
        ({"person": ""}, "Choose a person."),
        ({"text": " "}, "Enter a text."),
        ({"text": "我" * 1001}, "1000"),
        ({"due_on": "2001-01-01"}, "This day is over in UTC"),
        ({"due_on": "9999-12-31"}, "Choose a day within a year"),
        ({"due_on": "soon"}, "Enter a day such as"),
        ({"person": "olga"}, "No other auditor could close it"),
        ({"text": "a\x00b"}, "Null characters are not allowed"),
    ],
)
def test_a_form_that_is_not_taken_says_why_and_comes_back_filled(
    values: dict[str, str], sentence: str, creation: Creation, as_: SignIn
) -> None:
    answer = asked(as_("olga"), creation, **values)
    assert answer.status_code == 422
    assert sentence in main(answer)
    if not values.get("text"):
        assert ("Why no test run?" in main(answer)) == ("text" not in values)
    assert value_of(answer, "person") == values.get("person", "ada")
    assert not FollowUp.objects.exists()


def test_a_long_chinese_answer_is_taken_whole(follow_up: FollowUp, as_: SignIn) -> None:
    ada, text = as_("ada"), "这次创建没有先做测试，因为配额只够一次。" * 45
    assert send(ada, follow_up, "answer", text=text).status_code == 302
    assert follow_up.entries.last().text == text  # type: ignore[union-attr]


def test_an_old_form_is_refused_with_a_clear_sentence_and_keeps_what_was_typed(
    follow_up: FollowUp, as_: SignIn, people: People
) -> None:
    olga = as_("olga")
    url = follow_up.get_absolute_url()
    send(as_("ada"), follow_up, "answer", text="There was one.")
    late = olga.post(f"{url}close/", {"version": "1", "note": "Thank you"})
    assert late.status_code == 422
    assert "Something was added since you opened this page" in main(late)
    assert "There was one." in main(late)
    assert ">Thank you</textarea>" in re.sub(r"\s+", " ", body(late)).replace("> Thank", ">Thank")
    for act, values in (("reassign", {"person": "tom"}), ("reschedule", {"due_on": str(clock.today())})):
        for version in ("1", "", "x", "-1", "9" * 30):
            answer = olga.post(f"{url}{act}/", values | {"version": version})
            assert (answer.status_code, FollowUp.objects.get().version) == (422, 2)
    assert olga.post(f"{url}close/", {"version": "2", "note": "Thank you"}).status_code == 302


def test_who_is_not_asked_any_more_reads_so_and_keeps_the_typed_text(
    follow_up: FollowUp, as_: SignIn, people: People
) -> None:
    ada, url = as_("ada"), follow_up.get_absolute_url()
    send(as_("olga"), follow_up, "reassign", person="tom")
    late = ada.post(f"{url}answer/", {"text": "My long answer", "token": str(uuid.uuid4())})
    assert late.status_code == 422
    assert "assigned to somebody else meanwhile" in main(late)
    assert "My long answer" in main(late)
    assert "Why no test run?" not in main(late)
    assert ada.get(url).status_code == 404
    assert "olga asks you about train-1" in main(as_("tom").get("/"))


def test_two_auditors_who_close_it_read_who_was_first(
    follow_up: FollowUp, as_: SignIn, people: People
) -> None:
    second(people)
    olga, otto = as_("olga"), Browser()
    otto.force_login(Grant.objects.get(person__username="otto").person)
    url = follow_up.get_absolute_url()
    olga.post(f"{url}close/", {"version": "1"})
    assert "olga closed it already." in words(otto.post(f"{url}close/", {"version": "1"}, follow=True))
    assert len(events(action="creation:follow-up:closed")) == 1


def test_an_auditor_who_is_asked_gets_no_form_to_close_it(
    creation: Creation, as_: SignIn, people: People
) -> None:
    second(people)
    asked(as_("olga"), creation, person="otto")
    follow_up = FollowUp.objects.get()
    otto = Browser()
    otto.force_login(follow_up.assignee)
    page = otto.get(follow_up.get_absolute_url())
    assert "another auditor closes this follow-up" in main(page)
    assert f"{follow_up.get_absolute_url()}close/" not in body(page)
    answer = otto.post(f"{follow_up.get_absolute_url()}close/", {"version": "1"})
    assert (answer.status_code, FollowUp.objects.get().is_open) == (422, True)
    assert "Nobody closes their own answer" in main(answer)


def second(people: People) -> None:
    """Another auditor."""
    person = add_person(username="otto", email="otto@example.com")
    grant(person=person, role=Role.AUDITOR, team=None, reason="audits too")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ada", 200),
        ("olga", 200),
        ("tom", 200),
        ("vera", 404),
        ("root", 404),
        ("nina", 404),
        ("mallory", 404),
    ],
)
def test_g24_who_may_not_see_it_gets_what_a_random_id_gets_and_no_page_names_it(
    name: str, status: int, follow_up: FollowUp, as_: SignIn
) -> None:
    browser, url = as_(name), follow_up.get_absolute_url()
    other = f"/creations/follow-ups/{uuid.uuid4()}/"
    answer = browser.get(url)
    assert answer.status_code == status
    for act in ("", "answer/", "reassign/", "reschedule/", "close/"):
        get, made_up = (
            (browser.post if act else browser.get)(f"{url}{act}"),
            (browser.post if act else browser.get)(f"{other}{act}"),
        )
        assert made_up.status_code == 404
        if status == 404:
            first, second = (
                re.sub(
                    r"[0-9a-f]{32}|value=\"[A-Za-z0-9]{64}\"|\"X-CSRFToken\": \"[^\"]*\"|data-now=\"[^\"]*\"",
                    "",
                    page,
                )
                for page in (body(get).replace(url, other), body(made_up))
            )
            assert (get.status_code, first) == (404, second)
    creation_page = browser.get(follow_up.creation.get_absolute_url())
    told = "Why no test run?", "Follow-ups", "follow-up", str(follow_up.pk)
    if status == 404:
        assert not [text for text in told if text in body(creation_page)]
        assert not [text for text in told[:1] + told[3:] if text in body(browser.get("/"))]
    else:
        assert url in body(creation_page)


def test_the_review_lists_what_is_open_overdue_mine_and_closed(
    creation: Creation, as_: SignIn, people: People, projects: Projects, cloud: Cloud
) -> None:
    olga = as_("olga")
    assert "Nothing needs follow-up" in main(olga.get(QUEUE))
    made = {}
    for name in ("late", "done", "open"):
        each = submit_creation(people.ada, projects.vision, f"is-{name}")
        asked(olga, each)
        made[name] = FollowUp.objects.get(creation=each)
    FollowUp.objects.filter(pk=made["late"].pk).update(due_on=clock.today() - DAY)
    FollowUp.objects.filter(pk=made["open"].pk).update(opened_by=people.tom)
    close(by=people.olga, follow_up=made["done"], note="", version=1)

    def listed(state: str) -> set[str]:
        return set(re.findall(r'class="name"[^>]*>is-(\w+)<', body(olga.get(f"{QUEUE}&state={state}"))))

    assert listed("open") == listed("") == listed("nothing") == {"late", "open"}
    assert listed("overdue") == listed("mine") == {"late"}
    assert listed("closed") == {"done"}
    assert "is-late olga: Why no test run? Overdue Waiting for ada" in main(olga.get(QUEUE))
    assert main(olga.get(QUEUE)).count("Overdue") == 2, "of the list of views, and of the row"
    assert as_("tom").get(QUEUE).status_code == 403


def test_a_marked_creation_leaves_the_list_once_somebody_is_asked(creation: Creation, as_: SignIn) -> None:
    olga, ada = as_("olga"), as_("ada")
    olga.post("/audit/review/mark/", {"creation": str(creation.pk), "judgement": "follow_up", "note": "hm?"})
    assert "Marked, and nobody is asked" in main(olga.get(QUEUE))
    assert "olga has a question about train-1" in main(ada.get("/"))
    asked(olga, creation)
    assert "Marked, and nobody is asked" not in main(olga.get(QUEUE))
    assert "has a question" not in main(ada.get("/"))


def test_overdue_ones_are_marked_for_both_and_for_every_auditor_once_who_asked_has_left(
    follow_up: FollowUp, as_: SignIn, people: People
) -> None:
    second(people)
    otto = Browser()
    otto.force_login(Grant.objects.get(person__username="otto").person)
    FollowUp.objects.update(due_on=clock.today() - DAY)
    for browser in (as_("ada"), as_("olga")):
        assert re.search(r"about train-1 · Vision Overdue", main(browser.get("/")))
    assert "Overdue" not in main(otto.get("/"))
    deactivate(people.olga, by=people.root, reason="left")
    assert "ada has not answered about train-1 · Vision Overdue" in main(otto.get("/"))


def test_the_auditor_reads_that_who_is_asked_has_no_access_any_more(
    follow_up: FollowUp, as_: SignIn, people: People
) -> None:
    olga, notice = as_("olga"), "ada has no access to Vision any more and can't answer"
    assert notice not in main(olga.get(follow_up.get_absolute_url()))
    end_grant(Grant.objects.get(person=people.ada), reason="left")
    assert notice in main(olga.get(follow_up.get_absolute_url()))
    assert "has no access" in main(olga.get(QUEUE))
    ada = as_("ada")
    assert ada.get(follow_up.get_absolute_url()).status_code == 404
    assert "train-1" not in main(ada.get("/"))
    assert send(olga, follow_up, "reassign", person="vera").status_code == 302
    assert notice not in main(olga.get(follow_up.get_absolute_url()))


def got() -> list[tuple[str, str]]:
    """The mails that went out since the last call: to whom, and the subject."""
    mail.send_due()
    sent = sorted((each.to[0].partition("@")[0], str(each.subject)) for each in outbox.outbox)
    outbox.outbox.clear()
    return sent


def test_each_is_told_by_mail_of_what_concerns_them(follow_up: FollowUp, people: People, as_: SignIn) -> None:
    mail.send_due()
    (letter,) = outbox.outbox
    assert (letter.to, letter.subject) == (["ada@example.com"], "olga asks you about train-1")
    assert "Why no test run?" in str(letter.body)
    assert follow_up.get_absolute_url() in str(letter.body)
    outbox.outbox.clear()
    answer(by=people.ada, follow_up=follow_up, text="yes", token=uuid.uuid4())
    assert got() == [("olga", "ada answered about train-1")]
    answer(by=people.olga, follow_up=follow_up, text="and?", token=uuid.uuid4())
    assert got() == [("ada", "olga replied about train-1")]
    reassign(by=people.olga, follow_up=follow_up, to="tom", version=3)
    assert got() == [(name, "tom answers about train-1 now") for name in ("ada", "tom")]
    close(by=people.olga, follow_up=follow_up, note="", version=4)
    assert got() == [("tom", "The follow-up on train-1 is closed")]
    assert got() == []
    assert not OutgoingMail.objects.exists()


def test_no_mail_goes_to_who_may_not_see_it_any_more(follow_up: FollowUp, people: People) -> None:
    end_grant(Grant.objects.get(person=people.ada), reason="left")
    assert got() == []


def test_the_answer_is_told_to_all_auditors_once_who_asked_has_left(
    follow_up: FollowUp, people: People
) -> None:
    second(people)
    got()
    deactivate(people.olga, by=people.root, reason="left")
    answer(by=people.ada, follow_up=follow_up, text="yes", token=uuid.uuid4())
    assert got() == [("otto", "ada answered about train-1")]


def test_an_answer_of_who_asked_is_told_to_the_auditors_who_may_close_it(
    follow_up: FollowUp, people: People
) -> None:
    second(people)
    otto = Grant.objects.get(person__username="otto").person
    reassign(by=otto, follow_up=follow_up, to="olga", version=1)
    got()
    answer(by=people.olga, follow_up=follow_up, text="yes", token=uuid.uuid4())
    assert got() == [("otto", "olga answered about train-1")]
    reassign(by=otto, follow_up=follow_up, to="ada", version=3)
    got()
    answer(by=people.ada, follow_up=follow_up, text="so am I", token=uuid.uuid4())
    assert got() == [("otto", "ada answered about train-1")]


def test_mails_about_assignments_say_who_is_asked_by_then(follow_up: FollowUp, people: People) -> None:
    got()
    reassign(by=people.olga, follow_up=follow_up, to="tom", version=1)
    reassign(by=people.olga, follow_up=follow_up, to="ada", version=2)
    mail.send_due()
    assert {each.subject for each in outbox.outbox} == {"ada answers about train-1 now"}
    assert sorted(each.to[0] for each in outbox.outbox) == ["ada@example.com", "tom@example.com"]
    assert all("ada has until the end of" in str(each.body) for each in outbox.outbox)


def test_g25_who_is_no_auditor_any_more_reads_no_answers_in_the_inbox(
    follow_up: FollowUp, people: People
) -> None:
    answer(by=people.ada, follow_up=follow_up, text="confidential", token=uuid.uuid4())
    assert [each.detail for each in notices.inbox(people.olga)] == ["“confidential”"]
    grant(person=people.olga, role=Role.VIEWER, team=people.vision, reason="stays")
    end_grant(Grant.objects.get(person=people.olga, role=Role.AUDITOR), reason="moves on")
    assert (notices.inbox(people.olga), badge(people.olga)) == ([], 0)


def test_a_mark_after_a_closed_follow_up_is_a_question_again(
    follow_up: FollowUp, people: People, as_: SignIn
) -> None:
    close(by=people.olga, follow_up=follow_up, note="", version=1)
    values = {"creation": str(follow_up.creation_id), "judgement": "follow_up", "note": "one thing more"}
    as_("olga").post("/audit/review/mark/", values)
    assert "olga has a question about train-1" in main(as_("ada").get("/"))


def test_the_inbox_tells_each_what_others_did(follow_up: FollowUp, people: People, as_: SignIn) -> None:
    grant(person=people.nina, role=Role.VIEWER, team=people.vision, reason="joins")
    answer(by=people.ada, follow_up=follow_up, text="yes", token=uuid.uuid4())
    reassign(by=people.olga, follow_up=follow_up, to="nina", version=2)
    texts: Callable[[str], str] = lambda name: main(as_(name).get("/inbox/"))  # noqa: E731
    assert "olga asks you about train-1" in texts("ada")
    assert "olga assigned the follow-up on train-1 to nina instead of you" in texts("ada")
    assert "olga asks you about train-1" in texts("nina")
    assert "ada answered your follow-up on train-1" in texts("olga")
    assert "follow-up" not in texts("vera").lower().replace("follow-ups", "")
    for name in ("ada", "nina", "olga"):
        person = getattr(people, name)
        assert badge(person) == sum(each.is_unread for each in notices.inbox(person))
    end_grant(Grant.objects.get(person=people.nina), reason="left")
    assert "train-1" not in texts("nina")


def test_the_monthly_report_counts_open_overdue_and_closed(
    follow_up: FollowUp, creation: Creation, people: People, as_: SignIn
) -> None:
    olga = as_("olga")
    for _ in range(2):
        asked(olga, creation)
    FollowUp.objects.filter(pk=follow_up.pk).update(due_on=clock.today() - DAY)
    last = FollowUp.objects.exclude(pk=follow_up.pk).order_by("pk")[0]
    close(by=people.olga, follow_up=last, note="", version=1)
    report = create_report(clock.today().replace(day=1))
    assert report
    counts = {name: n for name, n in report.facts["review"].items() if name.startswith("follow_ups")}
    assert counts == {"follow_ups_open": 2, "follow_ups_overdue": 1, "follow_ups_closed": 1}
    page = main(olga.get(report.get_absolute_url()))
    assert "Open follow-ups 2 Of these, overdue 1 Follow-ups closed in this month 1" in page


def test_events_of_follow_ups_are_sentences_that_lead_to_it(follow_up: FollowUp, as_: SignIn) -> None:
    olga = as_("olga")
    assert "opened a follow-up on train-1" in main(olga.get("/audit/?action=creation:follow-up:opened"))
    (event,) = events(action="creation:follow-up:opened")
    assert follow_up.get_absolute_url() in body(olga.get(event.get_absolute_url()))


def test_viewers_read_nothing_of_it_in_the_steps_of_the_creation(follow_up: FollowUp, as_: SignIn) -> None:
    assert "Why no test run?" not in body(as_("vera").get(follow_up.creation.get_absolute_url()))


def test_hostile_text_stays_text_on_every_page(creation: Creation, as_: SignIn) -> None:
    olga, ada = as_("olga"), as_("ada")
    text = "\n".join(PAYLOADS)[:1000]
    assert LIVE_MARKUP
    asked(olga, creation, text=text)
    follow_up = FollowUp.objects.get()
    send(ada, follow_up, "answer", text=text)
    for browser in (olga, ada):
        for path in (follow_up.get_absolute_url(), "/", "/inbox/", creation.get_absolute_url()):
            assert not holds_markup(body(browser.get(path)))
