"""What the deployment is held to: headers on every answer there is, checks before serving, limits a person."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from django.http import StreamingHttpResponse
from django.test import Client as Browser
from django.urls import path
from pytest_django import Settings

from hyperclusters import urls
from hyperclusters.clusters.models import Creation
from hyperclusters.web.checks import variables_are_spelt_right
from hyperclusters.web.shared.decorators import PUBLIC, access
from tests.conftest import Cloud, People, Projects, events, submit_creation
from tests.web.pages import SignIn, body, submit, words
from tests.web.test_every_page import CSP

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
HSTS = "max-age=63072000; includeSubDomains; preload"


@access(get=PUBLIC)
def broken(request: Any) -> Any:
    raise ValueError("secret words of an error")


@access(get=PUBLIC)
def streamed(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"a", b"b"]))


urlpatterns = [*urls.urlpatterns, path("broken", broken), path("streamed", streamed)]
handler400, handler403, handler404, handler500 = (
    urls.handler400,
    urls.handler403,
    urls.handler404,
    urls.handler500,
)


@pytest.fixture
def secure(settings: Settings, tmp_path: Path) -> Browser:
    """The dashboard as people reach it by https, with static files, and Ada signed in where a test says so."""
    (tmp_path / "x.css").write_text("body {}")
    settings.STATIC_ROOT = tmp_path
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 63_072_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.ROOT_URLCONF = __name__
    browser = Browser(raise_request_exception=False)
    browser.handler._middleware_chain = None  # type: ignore[attr-defined]  # made anew, with these settings
    return browser


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/accounts/login/", 200),
        ("/clusters/", 302),
        ("/nothing", 404),
        ("/broken", 500),
        ("/streamed", 200),
        ("/static/x.css", 200),
        ("/static/nothing.css", 404),
        ("/healthz", 200),
        ("/metrics", 404),
        ("/clusters/", 405),
    ],
)
def test_every_answer_there_is_carries_every_header(
    address: str, status: int, secure: Browser, people: People
) -> None:
    if status == 405 or address in {"/broken", "/streamed"}:
        secure.force_login(people.ada)
    answer = (secure.post if status == 405 else secure.get)(address, secure=True)
    assert answer.status_code == status
    check(answer)
    assert answer["Strict-Transport-Security"] == HSTS
    if not address.startswith("/static/"):
        assert "no-store" in answer["Cache-Control"]
    answer.close()
    if status == 500:
        assert "secret words" not in body(answer)


def test_a_redirect_to_https_and_a_wrong_host_carry_them_too(secure: Browser, database: None) -> None:
    answer = secure.get("/accounts/login/")
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/accounts/login/")
    check(answer)
    refused = secure.get("/accounts/login/", secure=True, headers={"Host": "evil.example"})
    assert refused.status_code == 400
    check(refused)
    assert (
        secure.get("/healthz").status_code == secure.get("/readyz").status_code == 200
    )  # probes need no TLS


def check(answer: Any) -> None:
    assert set(answer["Content-Security-Policy"].split("; ")) == CSP
    for name, value in EVERYWHERE.items():
        assert answer[name] == value, name
    assert "camera=()" in answer["Permissions-Policy"]


GOOD = {
    "SECRET_KEY": "k" * 60,
    "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
    "AUDIT_KEYS": "a1:" + base64.b64encode(bytes(range(32))).decode(),
    "ALLOWED_HOSTS": "clusters.example.com",
    "TRUSTED_PROXIES": "1",
    "EMAIL_URL": "dummymail://",
    "DJANGO_SETTINGS_MODULE": "hyperclusters.settings",
}


def deployed(tmp_path: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check --deploy` with nothing but these in the environment."""
    return managed(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **changes)


def managed(tmp_path: Path, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with nothing but these in the environment."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)} | GOOD | changes
    line = [sys.executable, str(ROOT / "manage.py"), *command]
    return subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_sound_installation_passes_the_deployment_checks(tmp_path: Path) -> None:
    secret = "kA9-" + "zX_7q" * 12
    assert "E013" in deployed(tmp_path).stderr  # nothing is collected yet
    assert managed(tmp_path, "collectstatic", "--noinput").returncode == 0
    done = deployed(tmp_path, SECRET_KEY=secret)
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr
    (tmp_path / "static" / "css" / "app.css").write_text("of the last release")
    assert "E013" in deployed(tmp_path).stderr


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("E011", {"TRUSTED_PROXIES": "0"}),
        ("W012", {"EMAIL_URL": None}),
        ("W014", {"AUDIT_KEY": "a"}),
        ("W014", {"TRUSTED_PROXY": "1"}),
        ("W014", {"DATABASE_URI": "postgres://u:p@h/n"}),
        ("W014", {"SECRET_KEY_FILES": "/x"}),
        ("W014", {"OIDC_SOMETHING": "1"}),
    ],
)
def test_what_would_fail_in_silence_is_named_at_the_start(
    code: str, changes: dict[str, str | None], tmp_path: Path
) -> None:
    left_out = {name for name, value in changes.items() if value is None}
    environment = {name: value for name, value in GOOD.items() if name not in left_out}
    environment |= {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}
    environment |= {name: value for name, value in changes.items() if value is not None}
    command = [sys.executable, str(ROOT / "manage.py"), "check", "--deploy"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"hyperclusters.{code}" in done.stderr
    assert "u:p@h" not in done.stderr


def test_a_group_s_team_that_does_not_exist_is_named_at_the_start(
    projects: Projects, settings: Settings
) -> None:
    settings.OIDC_GROUP_ROLES = (
        ("g", projects.vision.team.slug, "creator"),
        ("h", "visoin", "viewer"),
        ("i", "", "auditor"),
    )
    warnings = [each.msg for each in run_checks(databases=["default"]) if each.id == "accounts.W001"]
    assert warnings == ["OIDC_GROUP_ROLES names the team 'visoin', which does not exist."]


def test_variables_of_others_are_not_ours_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HOME",
        "HOSTNAME",
        "LANG",
        "PYTHONPATH",
        "SESSION_MANAGER",
        "PGHOST",
        "EMAIL",
        "DATABASE",
        "DEBUGINFOD_URLS",
    ):
        monkeypatch.setenv(name, "x")
    assert variables_are_spelt_right() == []


def test_each_thing_that_should_not_serve_people_is_named(settings: Settings, database: None) -> None:
    settings.DEMO = settings.DEBUG = True
    settings.SECRET_KEY = "only-for-tests-" + "x" * 50
    settings.CREDENTIAL_KEYS = ["dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="]
    settings.UPSTREAM_HOSTS = ["127.0.0.1", "10.0.0.1"]
    settings.ALLOWED_HOSTS, settings.HTTPS = ["*"], False
    settings.UPSTREAM_DEADLINE, settings.SHUTDOWN_GRACE = 50, 40
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    found = {message.id for message in run_checks(include_deployment_checks=True)}
    ours = {
        f"hyperclusters.{code}"
        for code in ["E001", "E002", "E003", "E004", "W005", "W006", "E007", "W008", "E009", "E010"]
    }
    assert ours <= found


def test_more_creations_than_one_may_ask_for_are_refused_and_recorded(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects, settings: Settings
) -> None:
    settings.CREATIONS_PER_MINUTE = 2
    ada = as_("ada")
    for number in range(2):
        submit_creation(people.ada, projects.vision, f"n{number}")
    answer = submit(ada, name="one-too-many")
    assert answer.status_code == 422
    assert "You have asked for more creations than one person may within a minute. Nothing was sent" in words(
        answer
    )
    assert Creation.objects.count() == 2
    assert events(action="cluster:create:refused")[-1].evidence == "too_many"
    assert submit(as_("tom"), name="of-another-person").status_code == 302


@pytest.mark.parametrize("page", ["/clusters/", "/creations/", "/audit/"])
def test_more_searches_than_one_may_make_are_told_to_wait(
    page: str, as_: SignIn, projects: Projects, settings: Settings
) -> None:
    settings.SEARCHES_PER_MINUTE = 3
    tom, olga = as_("tom"), as_("olga")
    assert [tom.get(page, {"q": "a"}).status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = tom.get(page, {"q": "a"})
    assert 0 < int(answer["Retry-After"]) <= 60
    assert "Try again in" in words(answer)
    assert tom.get(page).status_code == 200
    assert olga.get(page, {"q": "a"}).status_code == 200
