"""Tokens: who creates them, what they are good for, and when they end. Service identities."""

from __future__ import annotations

import re
import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client as Browser

from hyperclusters.access.access_report import who_can_what
from hyperclusters.access.deactivation import deactivate, reactivate
from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.mail import send_due
from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.people import correct
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.service_identities import add_service_identity, remove_service_identity
from hyperclusters.access.services import end_grant, grant
from hyperclusters.accounts.lockout import FOR_A_NETWORK, WINDOW
from hyperclusters.accounts.models import ApiToken, Attempt, CompanyAccount, Scope
from hyperclusters.accounts.token_format import generate_token, token_id
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.clusters.models import Creation
from tests.api.client import Api, issue
from tests.conftest import People, Projects, confirm, denied, events, submit_creation

BODY = {"project": "vision-cn-southwest-2", "name": "train-a3-west"}
FORM = {"name": "pipeline", "scopes": ["clusters:read", "clusters:write"], "team": "", "days": "30"}


def shown_token(answer: Any) -> str:
    match = re.search(r"hc_[0-9A-Za-z]{58}", answer.content.decode())
    assert match
    return match[0]


def test_a_token_is_created_shown_once_and_revoked_on_the_page(people: People, as_: Any) -> None:
    browser = as_("ada")
    assert browser.get("/access/tokens/new/").status_code == 302  # to where ada shows who she is
    confirm(browser)
    token = shown_token(browser.post("/access/tokens/new/", FORM | {"owner": "ada"}))
    assert Api(token).get("/me").json()["username"] == "ada"
    page = browser.get("/access/").content.decode()
    assert "pipeline" in page
    assert token not in page
    assert f"hc_{token_id(token)}" in page
    assert browser.post(f"/access/tokens/{token_id(token)}/revoke/").status_code == 302
    assert Api(token).get("/me").status_code == 401
    assert [event.object_id for event in events(action="access:token:created")] == [token_id(token)]
    assert [event.person_name for event in events(action="access:token:revoked")] == ["ada"]


@pytest.mark.parametrize(
    "change",
    [{"owner": "tom"}, {"scopes": ["everything"]}, {"days": "4000"}, {"team": "speech"}, {"name": ""}],
)
def test_the_form_creates_nothing_beyond_its_choices(
    people: People, as_: Any, change: dict[str, Any]
) -> None:
    answer = confirm(as_("ada")).post("/access/tokens/new/", FORM | {"owner": "ada"} | change)
    assert answer.status_code == 422
    assert not ApiToken.objects.exists()


def test_nobody_creates_or_revokes_another_person_s_token(people: People, as_: Any) -> None:
    with pytest.raises(NotPermitted):
        issue(people.ada, by=people.tom)
    token = token_id(issue(people.ada))
    assert as_("tom").post(f"/access/tokens/{token}/revoke/").status_code == 404


def bad_tokens() -> list[str]:
    good = generate_token()
    body = good[3:55]
    return [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {good}",
        f"Bearer {good}",  # of nobody
        f"Bearer {good[:-1]}",
        f"Bearer {good}0",
        f"Bearer {good.upper()}",
        f"Bearer hc_{body}{zlib.crc32(body.encode()):06x}"[:68],
        f"bearer  {good} {good}",
        "Bearer hc_" + "0" * 58,
        "Bearer hc_" + "é" * 58,
        "Bearer hc_" + "1' OR '1'='1",
        "Bearer " + "x" * 6000,
        "Bearer hc_\x00",
    ]


@pytest.mark.parametrize("number", range(len(bad_tokens())))
def test_what_is_no_token_opens_nothing(number: int, database: None) -> None:
    header = bad_tokens()[number]
    answer = Browser().get("/api/v1/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] in {"token_missing", "token_invalid"}


def test_each_character_of_a_token_counts(people: People) -> None:
    good = issue(people.ada)
    for place in range(3, len(good), 7):
        other = "a" if good[place] != "a" else "b"
        body = f"{good[3:place]}{other}{good[place + 1 :]}"[:52]
        checksum = generate_token()[-6:] if place > 54 else _checksum_of(body)
        assert Api(f"hc_{body}{checksum}").get("/me").status_code == 401, place
    assert denied(action="access:token:rejected") > 0
    assert {event.person_name for event in events(action="access:token:rejected")} == {""}


def _checksum_of(body: str) -> str:
    return next(  # as a forger who knows the format does
        text[-6:] for text in [_with_checksum(body)] if token_id(text)
    )


def _with_checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = alphabet[digit] + digits
    return f"hc_{body}{digits}"


def test_an_ended_token_and_one_of_somebody_who_left_are_rejected(people: People) -> None:
    ended, left = issue(people.ada), issue(people.vera)
    assert Api(ended).get("/me").status_code == Api(left).get("/me").status_code == 200
    ApiToken.objects.filter(pk=token_id(ended)).update(expires_at=clock.now())
    deactivate(people.vera, by=people.root, reason="left")
    assert Api(ended).get("/me").status_code == Api(left).get("/me").status_code == 401
    causes = [(event.person_name, event.evidence) for event in events(action="access:token:rejected")]
    assert causes == [("ada", "expired"), ("vera", "inactive")]


def test_what_was_revoked_with_its_person_stays_so_when_the_person_comes_back(people: People) -> None:
    token = issue(people.vera)
    deactivate(people.vera, by=people.root, reason="left")
    reactivate(people.vera, by=people.root, reason="is back")
    assert Api(token).get("/me").status_code == 401
    assert events(action="access:token:rejected")[-1].source == "api"


def test_a_token_ends_with_the_company_sign_in_of_its_person(people: People, settings: Any) -> None:
    settings.OIDC_ISSUER, settings.OIDC_MAX_AGE = "https://login.example.com", 24
    token = issue(people.ada)
    account = CompanyAccount.objects.create(person=people.ada, issuer=settings.OIDC_ISSUER, subject="a")
    people.ada.set_unusable_password()
    people.ada.save()
    assert Api(token).get("/me").status_code == 200
    CompanyAccount.objects.filter(pk=account.pk).update(confirmed_at=clock.now() - timedelta(hours=25))
    assert Api(token).get("/me").status_code == 401
    assert events(action="access:token:rejected")[-1].evidence == "unconfirmed"


@pytest.mark.parametrize("hours", [1, 25])
def test_a_token_ends_no_later_because_its_person_was_unlinked(
    hours: int, people: People, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OIDC_ISSUER, settings.OIDC_MAX_AGE = "https://login.example.com", 24
    token = issue(people.ada)
    account = CompanyAccount.objects.create(person=people.ada, issuer=settings.OIDC_ISSUER, subject="a")
    people.ada.set_unusable_password()
    people.ada.save()
    CompanyAccount.objects.filter(pk=account.pk).update(confirmed_at=clock.now() - timedelta(hours=hours))
    call_command("unlink_company_account", username="ada", reason="a new provider")
    assert Api(token).get("/me").status_code == (200 if hours < 24 else 401)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=24))
    assert Api(token).get("/me").status_code == 401


def test_a_token_never_does_more_than_its_person_at_that_moment(people: People, projects: Projects) -> None:
    ada = Api(issue(people.ada))
    creation = submit_creation(people.ada, projects.vision)
    assert ada.get(f"/creations/{creation.pk}").status_code == 200
    end_grant(Grant.objects.active().get(person=people.ada), reason="moved", by=people.tom)
    assert ada.get(f"/creations/{creation.pk}").status_code == 404
    assert ada.post("/creations", BODY, key="k").status_code == 403
    assert ada.get("/creations").json()["items"] == []


def test_a_token_of_one_team_counts_there_alone(people: People, projects: Projects) -> None:
    grant(person=people.ada, role=Role.ADMIN, team=people.speech, reason="both")
    ours, theirs = submit_creation(people.ada, projects.vision), submit_creation(people.ada, projects.speech)
    api = Api(issue(people.ada, team=people.vision))
    assert api.get(f"/creations/{ours.pk}").status_code == 200
    assert api.get(f"/creations/{theirs.pk}").status_code == 404
    body = BODY | {"project": projects.speech.name}
    assert api.post("/creations", body, key="k").status_code == 404
    assert api.get("/audit/events").status_code == 403  # ada is admin in speech alone
    assert Api(issue(people.olga, team=people.vision)).get("/audit/events").status_code == 403


def test_the_limit_is_one_token_s_and_says_when_to_come_again(people: People, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    api = Api(issue(people.ada))
    assert [api.get("/me").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = api.get("/me")
    assert 1 <= int(answer["Retry-After"]) <= 20
    assert answer.json()["code"] == "rate_limited"
    assert Api(issue(people.ada)).get("/me").status_code == 200
    ApiToken.objects.update(rate_spent_until=2**60)  # by a clock that was ahead
    assert api.get("/me").status_code == 200


def test_use_is_shown(people: People) -> None:
    token = issue(people.ada)
    Api(token).get("/me")
    row = ApiToken.objects.get(pk=token_id(token))
    assert row.last_ip == "127.0.0.1"
    assert row.last_used_at is not None
    assert clock.now() - row.last_used_at < timedelta(minutes=1)


def test_a_token_s_owner_is_warned_a_week_before_its_end_and_once(people: People) -> None:
    issue(people.ada, days=3)  # so short a one needs no warning
    token = token_id(issue(people.ada, days=200))
    mail.outbox.clear()
    send_due()
    ApiToken.objects.filter(pk=token).update(
        created_at=clock.now() - timedelta(days=90), expires_at=clock.now() + timedelta(days=6)
    )
    send_due()
    send_due()
    letters = [each for each in mail.outbox if "token" in each.subject]
    assert [each.to for each in letters] == [["ada@example.com"]]
    assert "tests" in letters[0].subject


def test_g22_a_token_is_in_no_log_no_event_and_no_row(
    people: People, projects: Projects, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = issue(people.ada)
    api = Api(token)
    api.post("/creations", BODY, key="k")
    api.post("/creations", "{not json", key="k")
    Api(token[:-1] + ("0" if token[-1] != "0" else "1")).get("/me")
    secret = token[15:55]
    assert secret not in caplog.text
    assert not any(secret in text for text in Event.objects.values_list("canonical", flat=True))
    assert not any(secret in str(values) for values in ApiToken.objects.values_list())


def test_a_service_identity_creates_and_survives_who_added_it(
    people: People, projects: Projects, as_: Any
) -> None:
    tom = confirm(as_("tom"))
    form = {"name": "robot", "role": "creator", "until": "30", "reason": "nightly runs"}
    assert tom.post("/teams/vision/services/new/", form).status_code == 302
    token = shown_token(tom.post("/access/tokens/new/", FORM | {"owner": "vision.robot", "team": "vision"}))
    assert "vision.robot" in tom.get("/teams/vision/").content.decode()
    assert "vision.robot" in {row[1] for row in who_can_what(people.vision)}
    grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="takes over")
    deactivate(people.tom, by=people.root, reason="left")
    answer = Api(token).post("/creations", BODY, key="night-1")
    assert (answer.status_code, answer.json()["requested_by"]) == (202, "vision.robot")
    assert Api(token).get("/me").json()["kind"] == "service"
    robot = User.objects.get(username="vision.robot")
    remove_service_identity(robot, by=people.nina, reason="not needed")
    assert Api(token).get("/me").status_code == 401
    assert not Grant.objects.active().filter(person=robot).exists()
    with pytest.raises(ChangeRefused):
        reactivate(robot, by=people.root, reason="again")
    with pytest.raises(ChangeRefused):
        correct(robot, by=people.root, email="robot@example.com", full_name="", reason="to sign in")


def test_a_service_identity_gets_no_further_than_creator_in_its_team(people: People) -> None:
    robot = add_service_identity(
        team=people.vision, name="robot", role=Role.CREATOR, reason="nightly", by=people.tom
    )
    for role, team, by in (
        (Role.ADMIN, people.vision, people.tom),
        (Role.VIEWER, people.speech, None),
        (Role.AUDITOR, None, people.root),
    ):
        with pytest.raises(ChangeRefused) as refused:
            grant(person=robot, role=role, team=team, reason="more", by=by)
        assert refused.value.cause == Cause.SERVICE
    with pytest.raises(NotPermitted):
        add_service_identity(team=people.vision, name="other", role=Role.VIEWER, reason="x", by=people.ada)
    with pytest.raises(NotPermitted):
        create_token(
            by=people.ada,
            owner=robot,
            name="x",
            scopes=[Scope.CLUSTERS_READ],
            expires_at=clock.now() + timedelta(days=1),
        )
    assert Creation.objects.count() == 0


def test_g49_rejected_tokens_of_a_network_are_limited_and_usable_ones_are_not(people: People) -> None:
    good, ended = issue(people.ada), issue(people.ada)
    ApiToken.objects.filter(pk=token_id(ended)).update(revoked_at=clock.now())
    guesses = [ended, *(generate_token() for _ in range(FOR_A_NETWORK - 1))]
    assert {Api(guess).get("/me").status_code for guess in guesses} == {401}
    rows = Event.objects.count(), Attempt.objects.count()
    for guess in (generate_token(), ended, good[:-1], "x" * 10_000):
        answer = Api(guess).get("/me")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(answer["Retry-After"]) <= WINDOW.total_seconds()
    assert (Event.objects.count(), Attempt.objects.count()) == rows
    assert Api(good).get("/me").status_code == 200
    elsewhere = Browser(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.get("/api/v1/me", headers={"Authorization": f"Bearer {ended}"}).status_code == 401
    assert Browser().get("/api/v1/me").status_code == 401  # no token is no guess
    Attempt.objects.update(at=clock.now() - WINDOW)
    assert Api(ended).get("/me").status_code == 401
    assert Attempt.objects.count() == 1  # what no longer counts is not kept


def damaged(good: str) -> list[str]:
    last = "0" if good[-1] != "0" else "1"
    return [
        *(good[:length] for length in range(0, len(good), 6)),
        good.swapcase(),
        good[:3] + good[3:].swapcase(),
        good.lower(),
        good[:-1] + last,
        good[:20] + "é" + good[21:],
        good[:20] + "０" + good[21:],  # a digit, but not ours
        good + "\x00",
        good + "0" * 10_240,
        good[:30] + " " + good[30:],
        f"{good},Bearer {good}",  # what servers make of two headers
        f"{good}, {good}",
        f"{good} {good}",
        f'"{good}"',
    ]


def test_a_token_that_is_damaged_in_any_way_opens_nothing(people: People) -> None:
    good = issue(people.ada)
    for text in damaged(good):
        Attempt.objects.all().delete()
        answer = Browser().get("/api/v1/me", headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == 401, text
        assert good[15:55] not in answer.content.decode()
    assert not any(good[15:55] in text for text in Event.objects.values_list("canonical", flat=True))
    assert Api(good).get("/me").status_code == 200
