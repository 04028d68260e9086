"""G48: what was typed is there again after an ended session, an old form, a reused one, an error, another language."""

from __future__ import annotations

import html
import random
import re
import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access import access_requests
from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.models import Grant, Role
from hyperclusters.accounts.models import Session
from hyperclusters.audit import clock, integrity, verification
from hyperclusters.audit.findings import IntegrityIssue
from hyperclusters.clusters.follow_ups import open_follow_up
from hyperclusters.clusters.models import Cluster, Creation, Review, State
from hyperclusters.clusters.models.follow_up import TEXT_LENGTH
from hyperclusters.web.checks import routes
from hyperclusters.web.shared import drafts
from tests.conftest import PASSWORD, Cloud, People, Projects, confirm, events, run_worker, submit_creation
from tests.notifications.chats import chat
from tests.web.pages import (
    NEW,
    VISION,
    SignIn,
    body,
    failing_database,
    fresh_token,
    main,
    read_only_database,
    submit,
    value_of,
    words,
)

pytestmark = pytest.mark.any_database

LOGIN = "/accounts/login/"
CHINESE = "".join(chr(0x4E00 + n * 37 % 20_000) for n in range(500))
TYPED = {
    "project": VISION,
    "type": "ECS",
    "name": "half-typed",
    "hyper_cluster_subnet_id": "",
    "reason": CHINESE,
}


def sign_in(browser: Browser, name: str, target: str = "/") -> Any:
    return browser.post(LOGIN, {"username": name, "password": PASSWORD, "next": target})


def signed_in(name: str, **options: Any) -> Browser:
    """By the form, so that this browser is known to be this person's."""
    browser = Browser(**options)
    if options:
        token = csrf_of(browser, LOGIN)
        browser.post(LOGIN, {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": token})
    else:
        assert sign_in(browser, name).status_code == 302
    return browser


def csrf_of(browser: Browser, path: str) -> str:
    match = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', body(browser.get(path)))
    assert match
    return match[1]


def end_session(browser: Browser) -> None:
    Session.objects.filter(session_key=browser.cookies["session"].value).update(expire_date=timezone.now())


def shows(page: str, values: dict[str, str]) -> list[str]:
    """Which of these values no input, option or text of the page holds."""
    inputs = [html.unescape(tag) for tag in re.findall(r"<(?:input|textarea)\b[^>]*>", page)]
    text, missing = html.unescape(page), []
    for name, value in ((name, value) for name, value in values.items() if value):
        tags = [tag for tag in inputs if f'name="{name}"' in tag]
        chosen = [
            tag for tag in tags if f'value="{value}"' in tag and ("radio" not in tag or "checked" in tag)
        ]
        picked = re.search(
            rf'<select[^>]*name="{name}".*?<option value="{re.escape(value)}"[^>]*selected', text, re.DOTALL
        )
        written = re.search(rf'<textarea[^>]*name="{name}"[^>]*>\s*{re.escape(value)}</textarea>', text)
        if not chosen and not picked and not written:
            missing.append(name)
    return missing


@pytest.fixture
def forms(people: People, projects: Projects, cloud: Cloud) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Every form with typed text: who sends it, to which address, what is typed."""
    cloud.simulator.add_cluster(projects.vision.project_id, "outside")
    run_worker()
    cluster = Cluster.objects.get(name="outside")
    creation = submit_creation(people.ada, projects.vision, "open")
    Creation.objects.filter(pk=creation.pk).update(
        state=State.NEEDS_ATTENTION, candidates=[{"id": "c-1", "name": "open", "type": "HPS", "networks": []}]
    )
    waits = submit_creation(people.ada, projects.vision, "waits")
    Creation.objects.filter(pk=waits.pk).update(
        approval="waiting", approval_rule="type:HPS", approval_at=timezone.now()
    )
    old = submit_creation(people.ada, projects.vision, "old")
    Creation.objects.filter(pk=old.pk).update(state=State.FAILED, settled_at=timezone.now())
    grant = Grant.objects.get(person=people.ada, team=people.vision)
    access_request = access_requests.ask(
        person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="r"
    )
    open_review(people.vision, due_on=timezone.now().date(), by=people.tom)
    site = Grant.objects.get(person=people.olga, team=None)
    finding = IntegrityIssue("edited", 3, 3)
    verification.note(integrity.WHOLE, replace(verification.verify(), findings=[finding]))
    follow_up = open_follow_up(
        by=people.olga, creation=old, to="ada", due_on=clock.today(), text="why", token=uuid.uuid4()
    ).get_absolute_url()
    Review.objects.all().delete()  # it waits for a mark as well
    project, why = projects.vision.get_absolute_url(), "because 我们 <b>need</b> it"
    return {
        "create": ("ada", NEW, TYPED),
        "delete": ("tom", f"/clusters/{cluster.pk}/delete/", {"name": "outsid", "reason": why}),
        "owner": ("tom", f"/clusters/{cluster.pk}/owner/", {"person": "nobody", "reason": why}),
        "owners": ("tom", f"/clusters/owners/?selected=1&cluster={cluster.pk}", {"person": "nobody", "reason": why}),
        "claim": ("olga", f"/clusters/{cluster.pk}/claim/", {"person": "nobody", "reason": why}),
        "lock": ("ada", f"/clusters/{cluster.pk}/lock/", {"reason": why}),
        "decide": ("tom", f"/creations/{creation.pk}/decide/", {"cluster_id": "c-1", "reason": why}),
        "approval": ("tom", f"/creations/{waits.pk}/approval/", {"decision": "approve", "reason": why}),
        "ask": ("nina", "/access/ask/", {"team": "speech", "role": "admin", "days": "30", "reason": why}),
        "give": ("tom", "/teams/vision/give/", {"who": "ninna", "role": "viewer", "until": "date", "date": "2027-03-01", "reason": why}),
        "access": ("tom", f"/teams/vision/grants/{grant.pk}/", {"role": "admin", "until": "date", "date": "2027-03-01", "reason": why}),
        "revoke": ("tom", f"/teams/vision/grants/{grant.pk}/revoke/?all=1", {"reason": why}),
        "review": ("tom", "/teams/vision/review/", {f"g{grant.pk}": "end"}),
        "open_review": ("tom", "/teams/vision/review/open/", {"due": "2027-03-01"}),
        "cancel_review": ("tom", "/teams/vision/review/cancel/", {"reason": why}),
        "approve": ("tom", f"/teams/vision/requests/{access_request.pk}/", {"do": "approve", "approve-days": "30", "approve-note": why}),
        "decline": ("tom", f"/teams/vision/requests/{access_request.pk}/", {"do": "decline", "decline-reason": why}),
        "retire": ("root", f"{project}retire/", {"reason": why}),
        "rules": ("tom", "/teams/vision/rules/", {"name_pattern": "vision-*", "longest_days": "9", "reason": why}),
        "quota": ("root", "/teams/vision/quota/", {"quota": "77", "reason": why}),
        "appoint": ("root", "/people/appoint/", {"who": "vera", "role": "auditor", "until": "30", "reason": why}),
        "dismiss": ("root", f"/people/roles/{site.pk}/end/", {"reason": why}),
        "activity": ("root", f"/people/{people.mallory.pk}/activity/", {"reason": why}),
        "add_team": ("root", "/people/teams/", {"name": "Third team", "slug": "third-team"}),
        "connect": ("root", "/projects/new/", {"name": "third", "project_id": "c" * 32, "quota": "5", "endpoint": "https://x.example"}),
        "pick": ("root", f"/projects/new/{uuid.uuid4()}/?name=third", {"name": "fourth", "project_id": "c" * 32, "quota": "5"}),
        "change": ("root", f"{project}change/", {"name": "renamed", "team": str(people.speech.pk), "region": "", "quota": "8"}),
        "key": ("root", f"{project}key/", {"key_until": "2027-01-01T10:00"}),
        "mark": ("olga", "/audit/review/mark/?show=new", {"creation": str(old.pk), "note": why}),
        "ask_about": ("olga", f"/creations/{old.pk}/follow-up/", {"text": f"{why}\nand how?", "person": "nobody", "due_on": "2001-03-01"}),
        "answer": ("ada", f"{follow_up}answer/", {"text": f"{why}\nas agreed"}),
        "reassign": ("olga", f"{follow_up}reassign/", {"person": "nobody"}),
        "reschedule": ("olga", f"{follow_up}reschedule/", {"due_on": "2001-03-01"}),
        "close": ("olga", f"{follow_up}close/", {"note": why}),
        "acknowledge": ("olga", "/audit/chain/acknowledge/", {"reason": why}),
        "alerts": ("olga", "/audit/alerts/", {"denials": "7", "minutes": "0", "late_minutes": "9", "reason": why}),
        "new_token": ("ada", "/access/tokens/new/", {"owner": "ada", "name": "a pipeline", "days": "30"}),
        "add_service": ("tom", "/teams/vision/services/new/", {"name": "deploy", "role": "creator", "until": "30", "reason": why}),
        "correct": ("root", f"/people/{people.ada.pk}/correct/", {"email": "ada@new.example", "full_name": "Ada L", "reason": why}),
        "account": ("olga", "/audit/review/elsewhere/?show=outside", {"cluster": str(cluster.pk), "person": "ada", "reason": why}),
        "chat": ("tom", "/teams/vision/messages/new/", {"service": "wecom", "name": "on call 值班", "language": "zh-hans"}),
        "audit_chat": ("olga", f"/audit/messages/{chat(None, people.olga)}/", {"name": "审计", "language": "zh-hans"}),
        "invite": ("root", "/people/invite/", {"who": "new@example.com", "team": "vision", "role": "admin", "until": "30", "reason": why}),
        "rename": ("root", "/teams/vision/name/", {"name": "Vision lab", "reason": why}),
    }  # fmt: skip


FORMS = (
    "create", "delete", "owner", "owners", "lock", "decide", "approval", "ask", "give", "access", "revoke", "review", "open_review", "cancel_review", "approve", "decline", "rules",
    "quota", "appoint", "dismiss", "activity", "correct", "add_team", "connect", "pick", "change", "key", "mark", "account",
    "chat", "audit_chat", "alerts",
    "acknowledge", "new_token", "add_service", "retire", "rename", "invite", "ask_about", "answer", "reassign", "reschedule",
    "close", "claim",
)  # fmt: skip
SECRETS = {
    "access_key": "CANARYKEY", "secret_key": "canary-secret", "security_token": "canary-token",
    "url": "https://hooks.slack.com/canary-address", "secret": "canary-signature",
}  # fmt: skip
HIDDEN = {"do", "decision"}
OTHER_WORDS = {"pick"}  # comes back as another form, which says why


def is_kept(page: Any, typed: dict[str, str]) -> None:
    assert page.status_code == 200
    missing = shows(body(page), {name: value for name, value in typed.items() if name not in HIDDEN})
    if missing == ["creation"]:  # a box that is ticked
        missing = (
            [] if re.search(rf'name="creation" value="{typed["creation"]}" checked', body(page)) else missing
        )
    assert missing == []
    for secret in SECRETS.values():
        assert secret not in body(page)


@pytest.mark.parametrize("form", FORMS)
def test_g48_signing_in_again_brings_a_form_back_filled_and_does_nothing(
    form: str, forms: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    name, path, typed = forms[form]
    browser = signed_in(name)
    end_session(browser)
    before = Creation.objects.count(), Grant.objects.count(), len(events())
    turned_away = browser.post(path, typed | SECRETS | {"token": "t"})
    assert turned_away.status_code == 302
    assert turned_away["Location"].startswith(LOGIN)
    assert (Creation.objects.count(), Grant.objects.count(), len(events())) == before
    target = parse_qs(urlsplit(turned_away["Location"]).query)["next"][0]
    sign_in_page = words(browser.get(turned_away["Location"]))
    assert "Your session has ended. Sign in again to go on." in sign_in_page
    assert "Sign in, and your form is back as you left it." in sign_in_page
    back = sign_in(browser, name, target)
    confirm(browser)
    page = browser.get(back["Location"], follow=True)
    is_kept(page, typed)
    assert ("Nothing was sent, because your session had ended." in main(page)) != (form in OTHER_WORDS)
    assert (Creation.objects.count(), Grant.objects.count()) == before[:2]
    assert len(events(action="session:sign-in:succeeded")) == 2


@pytest.mark.parametrize("form", FORMS)
def test_g48_an_old_form_comes_back_filled_with_a_new_token(
    form: str, forms: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    name, path, typed = forms[form]
    browser = signed_in(name, enforce_csrf_checks=True)
    old = csrf_of(browser, "/access/")
    browser.post(LOGIN, {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": old})
    confirm(browser)
    answer = browser.post(path, typed | SECRETS | {"csrfmiddlewaretoken": old})
    assert answer.status_code == 302, "the token of before signing in again is good no more"
    page = browser.get(answer["Location"], follow=True)
    is_kept(page, typed)
    assert ("This form was too old" in main(page)) != (form in OTHER_WORDS)
    assert csrf_of(browser, "/access/") != old


def test_g48_the_longest_answer_of_a_follow_up_outlives_an_ended_session(
    forms: dict[str, tuple[str, str, dict[str, str]]],
) -> None:
    letters = random.Random(1)  # text that hardly compresses
    text = "".join(chr(letters.randrange(0x4E00, 0x9FA5)) for _ in range(TEXT_LENGTH))
    name, path, _typed = forms["answer"]
    browser = signed_in(name)
    end_session(browser)
    target = parse_qs(urlsplit(browser.post(path, {"text": text})["Location"]).query)["next"][0]
    back = sign_in(browser, name, target)
    assert text in body(browser.get(back["Location"], follow=True))


@pytest.mark.parametrize("form", ["create", "ask"])
def test_g48_a_form_whose_csrf_cookie_is_gone_comes_back_filled(
    form: str, forms: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    name, path, typed = forms[form]
    browser = signed_in(name, enforce_csrf_checks=True)
    token = csrf_of(browser, "/access/")
    del browser.cookies[django_settings.CSRF_COOKIE_NAME]
    answer = browser.post(
        path, typed | {"csrfmiddlewaretoken": token}, headers={"Origin": "http://testserver"}
    )
    assert answer.status_code == 302
    is_kept(browser.get(answer["Location"], follow=True), typed)


@pytest.mark.parametrize("origin", ["null", "https://evil.example"])
def test_g48_a_form_that_another_site_may_have_sent_fills_in_nothing(
    origin: str, forms: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    name, path, typed = forms["ask"]
    browser = signed_in(name, enforce_csrf_checks=True)
    token = csrf_of(browser, "/access/")
    del browser.cookies[django_settings.CSRF_COOKIE_NAME]
    answer = browser.post(path, typed | {"csrfmiddlewaretoken": token}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert typed["reason"] not in html.unescape(body(browser.get(path, follow=True)))


@pytest.mark.parametrize(
    "form",
    sorted(
        set(FORMS)
        & {
            "appoint",
            "dismiss",
            "activity",
            "correct",
            "connect",
            "pick",
            "change",
            "key",
            "new_token",
            "retire",
        }
    ),
)
def test_g48_having_to_confirm_who_one_is_keeps_what_was_typed(
    form: str, forms: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    name, path, typed = forms[form]
    browser = signed_in(name)
    session = browser.session
    session["confirmed_at"] = 0
    session.save()
    answer = browser.post(path, typed | SECRETS)
    assert "/accounts/confirm/" in answer["Location"]
    confirm(browser)
    is_kept(browser.get(path, follow=True), typed)


@pytest.mark.parametrize("form", FORMS)
def test_g48_a_busy_database_keeps_what_was_typed(
    form: str, forms: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    name, path, typed = forms[form]
    browser = confirm(signed_in(name))
    browser.raise_request_exception = False
    with failing_database(unless="accounts_session"):
        assert browser.post(path, typed | SECRETS).status_code == 503
    is_kept(browser.get(path, follow=True), typed)


def test_g48_somebody_else_who_signs_in_gets_none_of_it(projects: Projects, people: People) -> None:
    browser = signed_in("ada")
    end_session(browser)
    browser.post(NEW, TYPED)
    kept = browser.cookies["draft"].value
    sign_in(browser, "mallory")
    assert "half-typed" not in body(browser.get(NEW))
    assert CHINESE not in body(browser.get(NEW))
    assert "half-typed" not in kept
    sign_in(browser, "ada")
    assert value_of(browser.get(NEW), "name") == "half-typed"
    thief = signed_in("mallory")
    thief.cookies["draft"] = kept
    assert value_of(thief.get(NEW), "name") == ""


def test_g48_a_draft_is_for_one_address_and_ends_with_the_next_send(
    projects: Projects, people: People
) -> None:
    browser = signed_in("ada")
    end_session(browser)
    browser.post(NEW, TYPED)
    sign_in(browser, "ada")
    assert value_of(browser.get("/access/"), "reason") == ""
    assert value_of(browser.get(f"{NEW}?name=another"), "name") == "another"
    assert value_of(browser.head(NEW) and browser.get(NEW), "name") == "half-typed"
    answer = browser.post(NEW, TYPED | {"token": fresh_token(browser)})
    assert answer["Location"].startswith("/creations/")
    assert value_of(browser.get(NEW), "name") == ""
    assert Creation.objects.get().reason == CHINESE


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "gAAAAA", "é", "x" * 5_000, drafts._box().encrypt(b"no zlib").decode(), "\x00"],
    ids=["empty", "x", "cut", "letter", "long", "no-zlib", "nul"],
)
def test_g48_a_forged_draft_is_no_draft(cookie: str, projects: Projects, people: People) -> None:
    browser = signed_in("ada")
    browser.cookies["draft"] = cookie
    assert browser.get(NEW).status_code == 200
    assert value_of(browser.get(NEW), "name") == ""


def test_g48_a_draft_is_good_for_a_quarter_of_an_hour(
    projects: Projects, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in("ada")
    end_session(browser)
    answer = browser.post(NEW, TYPED)
    assert int(answer.cookies["draft"]["max-age"]) == drafts.LIFETIME == 900
    assert answer.cookies["draft"]["httponly"]
    sign_in(browser, "ada")
    monkeypatch.setattr(drafts, "LIFETIME", -1)
    assert value_of(browser.get(NEW), "name") == ""


def test_g48_what_is_too_long_for_a_cookie_is_left_out_and_nothing_breaks(
    projects: Projects, people: People
) -> None:
    browser = signed_in("ada")
    end_session(browser)
    noise = "".join(chr(0x4E00 + n * n * 31 % 20_000) for n in range(9_000))
    answer = browser.post(NEW, TYPED | {"reason": noise})
    assert answer.status_code == 302
    assert "draft" not in answer.cookies
    assert sign_in(browser, "ada").status_code == 302


def test_g48_strangers_write_no_row_and_get_no_draft(projects: Projects) -> None:
    before = Session.objects.count()
    answer = Browser().post(NEW, TYPED)
    assert answer.status_code == 302
    assert "draft" not in answer.cookies
    assert Session.objects.count() == before


def test_g48_a_reused_form_keeps_what_was_typed_in_a_new_one(projects: Projects, as_: SignIn) -> None:
    ada = as_("ada")
    token = fresh_token(ada)
    submit(ada, token=token, name="first")
    answer = submit(ada, token=token, name="second", reason=CHINESE)
    assert answer.status_code == 409
    page = ada.get(NEW)
    assert value_of(page, "name") == "second"
    assert value_of(page, "reason") == CHINESE
    assert value_of(page, "token") != token


@pytest.mark.parametrize(
    "form",
    [
        *("create", "give", "ask", "delete", "owner", "rules", "add_team", "account", "appoint", "connect"),
        *("change", "correct", "new_token", "invite", "alerts", "ask_about", "reschedule"),
    ],
)
def test_g48_another_language_after_an_error_keeps_what_was_typed(
    form: str, forms: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    name, path, typed = forms[form]
    wrong = {
        "create": {"name": "bad name"},
        "connect": {"project_id": "x"},
        "change": {"quota": "x"},
        "correct": {"email": "x"},
        "new_token": {},
        "alerts": {},
        "ask_about": {},
        "reschedule": {},
        "delete": {},
        "owner": {},
        "add_team": {"slug": "not a slug"},
        "account": {"person": "nobody"},
        "rules": {"longest_days": "x"},
    }
    typed = typed | wrong.get(form, {"role": "none"})
    browser = confirm(signed_in(name))
    answer = browser.post(path, typed)
    assert answer.status_code == 422
    assert shows(body(answer), {n: v for n, v in typed.items() if n != "role"}) == []
    answer = browser.post("/language/", {"language": "zh-hans", "next": path})
    assert browser.cookies[django_settings.LANGUAGE_COOKIE_NAME].value == "zh-hans"
    page = browser.get(answer["Location"], follow=True)
    assert 'lang="zh-hans"' in body(page)
    assert shows(body(page), {n: v for n, v in typed.items() if n != "role"}) == []


def test_g48_a_cluster_that_is_deleted_with_a_wrong_name_keeps_name_and_reason(
    forms: dict[str, tuple[str, str, dict[str, str]]], as_: SignIn
) -> None:
    _, path, typed = forms["delete"]
    answer = as_("tom").post(path, typed)
    assert answer.status_code == 422
    assert shows(body(answer), typed) == []


def test_g48_try_again_has_a_long_reason_without_a_long_address(
    projects: Projects, people: People, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision, "long", reason=CHINESE)
    Creation.objects.filter(pk=creation.pk).update(state=State.FAILED, settled_at=timezone.now())
    match = re.search(r'href="([^"]*again_of[^"]*)"', body(as_("ada").get(creation.get_absolute_url())))
    assert match
    address = html.unescape(match[1])
    assert len(quote(address)) < 1_000
    assert value_of(as_("ada").get(address), "reason") == CHINESE
    assert value_of(as_("mallory").get(address), "reason") == ""
    answer = submit(as_("ada"), name="long-2", again_of=str(creation.pk))
    assert Creation.objects.get(name="long-2").again_of == creation, answer


def test_no_address_of_a_page_carries_long_text(
    forms: dict[str, Any], projects: Projects, people: People, as_: SignIn
) -> None:
    for creation in Creation.objects.all():
        Creation.objects.filter(pk=creation.pk).update(reason=CHINESE)
    Grant.objects.update(reason=CHINESE)
    for name in ("ada", "tom", "olga", "nina"):
        for path in (
            "/",
            "/clusters/",
            "/creations/",
            "/access/",
            "/teams/",
            *map(Creation.get_absolute_url, Creation.objects.all()),
        ):
            for address in re.findall(r'(?:href|hx-get|action)="([^"]*)"', body(as_(name).get(path))):
                assert len(quote(html.unescape(address), safe="/?&=%")) < 1_000, (path, address[:80])


@pytest.mark.parametrize("signed", [True, False])
def test_the_draft_page_keeps_a_form_that_is_about_to_be_left(
    signed: bool, projects: Projects, people: People
) -> None:
    browser = signed_in("ada")
    if not signed:
        end_session(browser)
    assert browser.post(f"/draft/?for={NEW}", TYPED | SECRETS).status_code == 204
    if not signed:
        sign_in(browser, "ada")
    assert value_of(browser.get(NEW), "name") == "half-typed"
    assert not Creation.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "/accounts/login/",
        "/accounts/security/password/",
        "https://evil.example/",
        "//x",
        "/no/where/",
        "/draft/",
    ],
)
def test_the_draft_page_keeps_nothing_for_other_addresses(address: str, people: People) -> None:
    answer = signed_in("ada").post(f"/draft/?for={quote(address)}", {"name": "x"})
    assert answer.status_code == 404
    assert "draft" not in answer.cookies


def test_the_draft_page_says_when_something_is_too_long(projects: Projects, people: People) -> None:
    noise = "".join(chr(0x4E00 + n * n * 31 % 20_000) for n in range(9_000))
    assert signed_in("ada").post(f"/draft/?for={NEW}", {"reason": noise}).status_code == 413
    assert Browser().post(f"/draft/?for={NEW}", {"reason": "x"}).status_code == 413


def test_every_form_with_a_reason_keeps_drafts() -> None:
    """A new form with typed text must be marked. Those named here have no text to type."""
    without = {
        name
        for name, route in routes()
        if not hasattr(route.callback, "left_out")
        and (declared := getattr(route.callback, "access", None))
        and declared.post
    }
    families = {"teams", "people", "projects", "access", "clusters", "creations", "audit"}
    assert {name for name in without if name.partition(":")[0] in families} == {
        "access:invitation", "access:revoke_token", "access:withdraw", "audit:act_on_target", "audit:check_now", "audit:download", "audit:export", "audit:test_alerts", "audit:verify", "clusters:capacity", "clusters:check",
        "clusters:refresh", "clusters:traces", "creations:look", "creations:withdraw", "projects:restore", "projects:test", "teams:act_on_target", "teams:uninvite",
    }  # fmt: skip


def test_a_database_that_takes_no_entries_keeps_a_creation_s_form(projects: Projects, people: People) -> None:
    browser = signed_in("ada")
    token = fresh_token(browser)
    with read_only_database():
        answer = submit(browser, token=token, name="kept", reason=CHINESE)
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert value_of(browser.get(NEW), "name") == "kept"
