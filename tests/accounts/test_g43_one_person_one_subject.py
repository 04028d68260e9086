"""G43: the provider's issuer and subject are the identity; an address or a name that only looks alike is another one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser

from hyperclusters.access import invitations
from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.access.mail import send_due
from hyperclusters.access.models import Grant, Invitation, Role, User
from hyperclusters.access.services import add_person, grant
from hyperclusters.accounts.models import CompanyAccount
from hyperclusters.accounts.passwords import ask_for_reset
from hyperclusters.audit.ledger import sanitize
from hyperclusters.web.access.forms import GiveForm
from tests.accounts.bent_provider import BentProvider
from tests.conftest import PASSWORD, People, confirm, events
from tests.web.pages import SignIn, words

# Each is read as nik@sakai.example by somebody, or by some fold of letters; none of them is.
LOOK_ALIKES = {
    "dotless i": "n\u0131k@sakai.example",
    "dotted I": "n\u0130k@sakai.example",
    "Kelvin sign": "ni\u212a@sakai.example",
    "long s": "nik@\u017fakai.example",
    "full-width": "\uff4eik@sakai.example",
    "full-width at": "nik\uff20sakai.example",
    "Cyrillic i": "n\u0456k@sakai.example",
    "Cyrillic domain": "nik@s\u0430kai.example",
    "punycode of it": "nik@xn--skai-53d.example",
    "combining dot": "ni\u0307k@sakai.example",
    "combining mark": "nik\u0301@sakai.example",
    "zero-width space": "ni\u200bk@sakai.example",
    "zero-width joiner": "nik\u200d@sakai.example",
    "soft hyphen": "ni\u00adk@sakai.example",
    "right-to-left mark": "\u200fnik@sakai.example",
    "superscript": "n\u2071k@sakai.example",
    "mathematical": "\U0001d427ik@sakai.example",
    "trailing dot": "nik@sakai.example.",
    "ideographic stop": "nik@sakai\u3002example",
    "plus tag": "nik+a@sakai.example",
    "quoted local part": '"nik"@sakai.example',
    "subdomain": "nik@mail.sakai.example",
}


@pytest.fixture
def nik(people: People) -> User:
    return add_person(username="nik", email="Nik@Sakai.example", password=PASSWORD)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no locale")
def test_the_database_of_these_tests_folds_letters_beyond_ascii(db: None) -> None:
    """Where it folds none, as in the locale C, no look-alike is anybody's whatever the code does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lower('\u00c4 \u042f')")
        assert cursor.fetchone() == ("\u00e4 \u044f",)


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_g43_a_look_alike_address_is_nobody_s(
    kind: str, nik: User, people: People, as_: SignIn, bendable: BentProvider
) -> None:
    address = LOOK_ALIKES[kind]
    assert not User.objects.by_address(address).exists()
    assert "nik@" not in ascii_lower(
        words(as_("root").get("/people/", {"q": address})).partition("No matching people")[0]
    )
    values = {"who": address, "role": "viewer", "until": "7", "reason": "x"}
    form = GiveForm(values, team=people.vision, roles=[Role.VIEWER])
    assert not form.is_valid() or form.cleaned_data["who"] == address  # an invitation, to that very box
    ask_for_reset(email=address)
    assert not mail.outbox
    invited = Invitation(email=address, team=people.vision, role=Role.VIEWER, invited_by=people.tom)
    with pytest.raises(ChangeRefused):
        invitations.accept(invited, person=nik)
    bendable.says(sub="other", email=address, preferred_username="other")
    bendable.visit()
    assert not CompanyAccount.objects.filter(person=nik).exists()
    assert User.objects.by_address("nik@sakai.example").get() == nik


@pytest.mark.parametrize("name", ["n\u0131k", "ni\u212a", "\uff4eik", "n\u0130k", "nik\u200b", "ni\u0307k"])
def test_g43_a_look_alike_user_name_signs_nobody_in(name: str, nik: User, people: People) -> None:
    browser = Browser()
    assert browser.post("/accounts/login/", {"username": name, "password": PASSWORD}).status_code == 422
    assert not User.objects.by_username(name).exists()
    assert Browser().post("/accounts/login/", {"username": "NIK", "password": PASSWORD}).status_code == 302


def test_g43_the_same_address_in_another_case_is_the_same(
    nik: User, people: People, as_: SignIn, bendable: BentProvider
) -> None:
    assert "nik" in words(as_("root").get("/people/", {"q": "NIK@SAKAI"}))
    values = {"who": "NIK@SAKAI.EXAMPLE", "role": "viewer", "until": "7", "reason": "x"}
    form = GiveForm(values, team=people.vision, roles=[Role.VIEWER])
    assert form.is_valid()
    assert form.cleaned_data["who"] == nik
    bendable.says(email="nik@sakai.EXAMPLE")
    bendable.visit()
    assert CompanyAccount.objects.get().person == nik
    nik.refresh_from_db()
    assert nik.email == "Nik@Sakai.example"


@pytest.mark.parametrize("field", ["username", "email"])
def test_g43_the_database_itself_keeps_names_and_addresses_apart_by_ascii_case_alone(
    field: str, nik: User
) -> None:
    def save(**values: str) -> None:
        with transaction.atomic():
            User.objects.create(**{"username": "another", "email": "another@sakai.example"} | values)

    with pytest.raises(IntegrityError):
        save(**{field: getattr(nik, field).upper()})
    save(**{field: getattr(nik, field).replace("k", "\u212a")})
    User.objects.create(username="without", email="")
    User.objects.create(username="address", email="")


def test_g43_a_verified_address_links_nobody_who_has_a_company_account(
    people: People, bendable: BentProvider
) -> None:
    bendable.says(sub="jo1", email="ada@example.com")
    bendable.visit()
    bendable.says(sub="jo2", email="ada@example.com")
    browser, answer = bendable.visit()
    assert answer["Location"] == "/accounts/login/"
    assert "did not work" in words(browser.get("/accounts/login/"))
    assert CompanyAccount.objects.get().subject == "jo1"
    (event,) = events(action="session:sign-in:failed")
    assert "another company account" in event.reason


def test_g43_a_reassigned_address_is_free_once_its_first_person_has_another(
    people: People, bendable: BentProvider
) -> None:
    bendable.says(sub="jo1", email="jo@example.com", preferred_username="jo")
    bendable.visit()
    bendable.says(sub="jo1", email="joanna@example.com")
    bendable.visit()
    jo = User.objects.get(username="jo")
    assert jo.email == "joanna@example.com"
    (event,) = events(action="access:person:changed")
    assert event.before
    assert event.after
    assert (event.before["email"], event.after["email"]) == ("jo@example.com", "joanna@example.com")
    bendable.says(sub="jo2", email="jo@example.com", preferred_username="jo")
    bendable.visit()
    assert User.objects.by_address("jo@example.com").get().username == "jo-2"
    mail.outbox.clear()
    send_due()
    assert [message.to for message in mail.outbox] == [["jo@example.com"]]
    assert "another address" in mail.outbox[0].body


def test_g43_a_verified_change_to_somebody_else_s_address_is_not_taken_over(
    people: People, bendable: BentProvider
) -> None:
    bendable.says(sub="jo1", email="jo@example.com", preferred_username="jo")
    bendable.visit()
    bendable.says(sub="jo1", email="ada@example.com")
    _, answer = bendable.visit()
    assert answer["Location"] == "/"
    assert User.objects.get(username="jo").email == "jo@example.com"


@pytest.mark.parametrize("verified", [False, None, "true", 1, "yes", {}])
def test_g43_an_unverified_address_is_stored_nowhere_and_gets_nothing(
    verified: Any, people: People, as_: SignIn, bendable: BentProvider
) -> None:
    bendable.says(sub="att", email="victim@example.com", email_verified=verified, preferred_username="att")
    bendable.visit()
    att = User.objects.get(username="att")
    assert att.email == ""
    assert "No matching people" in words(as_("root").get("/people/", {"q": "victim@example.com"}))
    values = {"who": "victim@example.com", "role": "viewer", "until": "7", "reason": "x"}
    form = GiveForm(values, team=people.vision, roles=[Role.VIEWER])
    assert form.is_valid()
    assert form.cleaned_data["who"] == "victim@example.com"
    bendable.says(sub="victim", email="victim@example.com", preferred_username="victim")
    bendable.visit()
    victim = User.objects.get(username="victim")
    assert (victim.email, victim.company_account.subject) == ("victim@example.com", "victim")
    assert not Grant.objects.filter(person=att).exists()


def test_g43_an_unverified_address_of_an_earlier_release_is_taken_away(
    people: People, bendable: BentProvider
) -> None:
    att = add_person(username="att", email="victim@example.com")
    CompanyAccount.objects.create(person=att, issuer=bendable.issuer, subject="att")
    bendable.says(sub="att", email="victim@example.com", email_verified=False)
    bendable.visit()
    att.refresh_from_db()
    assert att.email == ""


@pytest.mark.parametrize(
    ("id_token", "userinfo", "is_taken"),
    [
        ({"email_verified": True}, {"email_verified": None}, True),
        ({"email_verified": None}, {"email_verified": True}, True),
        ({"email_verified": True}, {"email_verified": False}, False),
        ({"email": "other@example.com", "email_verified": True}, {"email_verified": None}, False),
    ],
)
def test_g43_verified_is_said_of_this_very_address(
    id_token: dict[str, Any], userinfo: dict[str, Any], is_taken: bool, people: People, bendable: BentProvider
) -> None:
    bendable.says(sub="zoe", email="ada@example.com")
    bendable.id_token, bendable.userinfo = id_token, userinfo
    bendable.visit()
    assert CompanyAccount.objects.filter(person=people.ada).exists() == is_taken


def test_g43_a_subject_of_another_issuer_is_another_person(people: People, bendable: BentProvider) -> None:
    CompanyAccount.objects.create(person=people.root, issuer="https://old.example", subject="1")
    bendable.says(sub="1", email="zoe@example.com", preferred_username="zoe")
    bendable.visit()
    assert User.objects.get(company_account__issuer=bendable.issuer).username == "zoe"


def test_g43_a_verified_address_links_nobody_who_is_deactivated(
    people: People, bendable: BentProvider
) -> None:
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    bendable.says(sub="jo1", email="ada@example.com")
    browser, answer = bendable.visit()
    assert answer["Location"] == "/accounts/login/"
    assert "did not work" in words(browser.get("/accounts/login/"))
    assert not CompanyAccount.objects.exists()
    (event,) = events(action="session:sign-in:failed")
    assert "deactivated" in event.reason


def test_g43_after_a_change_of_provider_people_are_unlinked_and_found_by_their_verified_address(
    people: People, bendable: BentProvider
) -> None:
    CompanyAccount.objects.create(person=people.ada, issuer="https://old.example", subject="1")
    bendable.says(sub="new", email="ada@example.com")
    assert bendable.visit()[1]["Location"] == "/accounts/login/"
    call_command("unlink_company_account", issuer="https://old.example/", reason="a new provider")
    assert bendable.visit()[1]["Location"] == "/"
    assert CompanyAccount.objects.get().person == people.ada
    (event,) = events(action="access:company-account:unlinked")
    assert (event.before, event.reason) == (
        {"issuer": "https://old.example", "subject": "1"},
        "a new provider",
    )


def test_g43_an_account_linked_before_issuers_were_stored_belongs_to_the_first_one(
    people: People, bendable: BentProvider, settings: Any
) -> None:
    CompanyAccount.objects.create(person=people.ada, issuer="", subject="ada-1")
    CompanyAccount.objects.create(person=people.tom, issuer="", subject="tom-1")
    bendable.says(sub="ada-1", email=None)
    bendable.visit()
    assert set(CompanyAccount.objects.values_list("issuer", flat=True)) == {bendable.issuer}


def test_an_admin_corrects_an_address_and_mails_follow(people: People, as_: SignIn) -> None:
    root, page = confirm(as_("root")), f"/people/{people.ada.pk}/correct/"
    asked = grant(person=people.ada, role=Role.VIEWER, team=people.speech, reason="x")
    assert asked
    values = {"email": "ada.new@example.com", "full_name": "Ada L", "reason": "married"}
    assert root.post(page, values | {"email": "tom@EXAMPLE.com"}).status_code == 422
    assert root.post(page, values | {"email": "\u0430da@example.com"}).status_code == 422
    assert root.post(page, values | {"full_name": "A\u200bda"}).status_code == 422
    assert root.post(page, values | {"reason": ""}).status_code == 422
    assert not events(action="access:person:changed")
    assert root.post(page, values).status_code == 302
    people.ada.refresh_from_db()
    assert (people.ada.email, people.ada.full_name) == ("ada.new@example.com", "Ada L")
    (event,) = events(action="access:person:changed")
    assert (event.person_name, event.object_name, event.reason) == ("root", "ada", "married")
    send_due()
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]
    assert "ada.new@" not in mail.outbox[0].body
    call_command("correct_person", "ada", email="ada@example.com", reason="back")
    assert User.objects.get(username="ada").full_name == "Ada L"
    assert as_("tom").get(page).status_code == 403


def test_g43_a_verified_address_that_somebody_else_has_is_refused_with_an_event(
    bendable: BentProvider, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    bendable.says(preferred_username="zoe")
    bendable.visit()
    bendable.says(preferred_username="zoe", email=people.ada.email)
    _, answer = bendable.visit()
    assert answer["Location"] == "/"
    assert User.objects.get(username="zoe").email == "zoe@example.com"
    (event,) = events(action="access:person:changed", outcome="refused")
    assert (event.person_name, event.evidence, event.request) == (
        "zoe",
        "address_taken",
        {"email": people.ada.email},
    )
    assert "the verified address of zoe belongs to somebody else here" in caplog.text


# Verified by the provider, and none that is taken here.
UNUSABLE = {
    "an international domain": "lena@ex\u00e4mple.test",
    "an emoji": "\U0001f600@corp.test",
    "a quoted local part": '"a b"@corp.test',
    "a line break": "a@corp.test\nBcc: x@y.test",
    "a direction override": "\u202eabc@corp.test",
    "half a character": "\ud800@corp.test",
    "no domain": "lena",
    "too long": f"{'a' * 250}@corp.test",
    "far too long": f"{'a' * 10_000}@corp.test",
}


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.parametrize("is_first", [True, False])
def test_g43_a_verified_address_that_is_not_taken_is_one_event_with_the_reason(
    is_first: bool,
    kind: str,
    bendable: BentProvider,
    people: People,
    as_: SignIn,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hyperclusters.audit.denials.WINDOW", timedelta(0))  # nothing is merely counted
    if not is_first:
        bendable.says(preferred_username="lena")
        bendable.visit()
    bendable.says(preferred_username="lena", email=UNUSABLE[kind])
    for _ in range(3):
        _, answer = bendable.visit()
        assert answer["Location"] == "/"
    lena = User.objects.get(username="lena")
    assert lena.email == ("" if is_first else "zoe@example.com")
    (event,) = events(action="access:person:changed")
    assert (event.object_name, event.outcome, event.evidence) == ("lena", "refused", "address_unusable")
    assert (event.request or {})["email"][:250] == sanitize(UNUSABLE[kind])[:250]
    assert caplog.text.count("the verified address of lena can't be used here") == 1
    page = words(as_("olga").get(event.get_absolute_url()))
    assert "It needs ASCII letters, and the xn-- form of an international domain." in page
    bendable.says(preferred_username="lena", email="lena@xn--exmple-cua.test")
    bendable.visit()
    lena.refresh_from_db()
    assert lena.email == "lena@xn--exmple-cua.test"
    bendable.says(preferred_username="lena", email=UNUSABLE[kind])
    bendable.visit()
    assert len(events(action="access:person:changed", outcome="refused")) == 2  # it is news again


@pytest.mark.parametrize("verified", [False, None, "true"])
def test_g43_an_unverified_address_that_could_not_be_taken_is_no_event(
    verified: Any, bendable: BentProvider, people: People
) -> None:
    bendable.says(preferred_username="lena", email="lena@ex\u00e4mple.test", email_verified=verified)
    bendable.visit()
    assert User.objects.get(username="lena").email == ""
    assert not events(action="access:person:changed")


def test_g43_somebody_else_s_address_is_one_event_however_often_it_is_stated(
    bendable: BentProvider, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperclusters.audit.denials.WINDOW", timedelta(0))
    bendable.says(preferred_username="zoe")
    bendable.visit()
    bendable.says(preferred_username="zoe", email=people.ada.email)
    for _ in range(3):
        bendable.visit()
    assert len(events(action="access:person:changed")) == 1
