"""Holes that others have had, tried here. Each row names where it was found; the number is what a reader can look up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser

from hyperclusters.access.models import Grant, User
from hyperclusters.access.services import add_person
from hyperclusters.accounts.models import Session
from hyperclusters.clusters.models import Cluster, ConnectionTest, Creation, Project
from tests.conftest import PASSWORD, Cloud, People, Projects, confirm, events, run_worker, submit_creation
from tests.web.pages import HTMX, SignIn, body, holds_markup, main, submit, words

pytestmark = pytest.mark.any_database

ELSEWHERE = (
    "//evil.example", "https://evil.example", "http:evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example",
    "https:///evil.example", "javascript:alert(1)", "/\t/evil.example", "\x00//evil.example", "https://testserver@evil.example",
)  # fmt: skip


class Stage:
    """Ada's cluster and a lost creation, and everybody's browser."""

    def __init__(self, as_: SignIn, people: People, cloud: Cloud, projects: Projects) -> None:
        self.as_, self.cast, self.cloud, self.projects = as_, people, cloud, projects
        submit_creation(people.ada, projects.vision, "secret-plan", reason="very secret reason")
        run_worker()
        self.creation, self.cluster = Creation.objects.get(), Cluster.objects.get()


@pytest.fixture
def stage(as_: SignIn, people: People, cloud: Cloud, projects: Projects) -> Stage:
    return Stage(as_, people, cloud, projects)


def fixed_session(s: Stage) -> None:
    browser = Browser()
    browser.cookies["session"] = "chosen-by-mallory"
    browser.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
    assert browser.cookies["session"].value != "chosen-by-mallory"
    assert not Session.objects.filter(session_key="chosen-by-mallory").exists()


def session_id_kept_at_sign_in(s: Stage) -> None:
    ada = s.as_("ada")
    before = ada.cookies["session"].value
    ada.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
    assert ada.cookies["session"].value != before


def session_survives_sign_out(s: Stage) -> None:
    ada = s.as_("ada")
    kept = ada.cookies["session"].value
    ada.post("/accounts/logout/")
    thief = Browser()
    thief.cookies["session"] = kept
    assert thief.get("/clusters/").status_code == 302


def session_survives_deactivation(s: Stage) -> None:
    ada = s.as_("ada")
    User.objects.filter(username="ada").update(is_active=False)
    assert ada.get("/clusters/").status_code == 302


def session_survives_a_new_password(s: Stage) -> None:
    ada = s.as_("ada")
    s.cast.ada.set_password("another battery horse")
    s.cast.ada.save()
    assert ada.get("/clusters/").status_code == 302


def anonymous_session_flood(s: Stage) -> None:
    before = Session.objects.count()
    for path in ("/", "/clusters/", "/accounts/login/", "/nothing", "/audit/", "/healthz"):
        Browser().get(path)
        Browser().get(path, headers=HTMX)
        Browser().get(path, headers={"Cookie": "session=made-up"})
    Browser().post("/accounts/login/", {"username": "x", "password": "y"})
    Browser().post("/theme/", {"theme": "dark"})
    assert Session.objects.count() == before


def open_redirect_at_sign_in(s: Stage) -> None:
    for target in ELSEWHERE:
        browser = Browser()
        answer = browser.post(
            f"/accounts/login/?next={target}", {"username": "ada", "password": PASSWORD, "next": target}
        )
        assert answer["Location"].startswith("/"), target
        assert not answer["Location"].startswith(("//", "/\\")), target


def open_redirect_of_switches(s: Stage) -> None:
    for target in ELSEWHERE:
        for path in ("/theme/", "/language/"):
            answer = Browser().post(path, {"next": target, "theme": "dark", "language": "en"})
            assert answer["Location"] == "/", target


def open_redirect_by_htmx(s: Stage) -> None:
    headers = HTMX | {"HX-Current-URL": "https://evil.example/clusters/"}
    answer = Browser().get("/clusters/", headers=headers)
    assert "evil" not in answer["HX-Redirect"]


def open_redirect_by_referer(s: Stage) -> None:
    answer = Browser().post("/language/", {"language": "en"}, headers={"Referer": "https://evil.example/"})
    assert "evil" not in answer["Location"]


def host_header_poisons_links(s: Stage) -> None:
    answer = Browser().get("/clusters/", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 400
    assert "evil" not in Browser().get("/clusters/", headers={"X-Forwarded-Host": "evil.example"})["Location"]


def forwarded_proto_is_believed(s: Stage) -> None:
    answer = Browser().get("/accounts/login/", headers={"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" not in answer.headers


def forwarded_for_forges_the_audit(s: Stage) -> None:
    Browser().post("/accounts/login/", {"username": "x"}, headers={"X-Forwarded-For": "203.0.113.1"})
    assert events(action="session:sign-in:failed")[-1].ip == "127.0.0.1"


def remote_user_header_signs_in(s: Stage) -> None:
    headers = {"Remote-User": "root", "X-Remote-User": "root", "X-Forwarded-User": "root"}
    assert Browser().get("/projects/", headers=headers).status_code == 302


def markup_in_an_error_text(s: Stage) -> None:
    payload = "<script>alert(1)</script>"
    for answer in (
        submit(s.as_("ada"), name=payload),
        submit(s.as_("ada"), name="x", hyper_cluster_subnet_id=payload),
        s.as_("ada").post(
            "/clusters/new/", {"project": payload, "name": payload, "type": payload, "token": payload}
        ),
        confirm(s.as_("root")).post(
            "/projects/new/", {"endpoint": payload, "name": payload, "region": payload}
        ),
    ):
        assert not holds_markup(body(answer))


def markup_in_a_flash_message(s: Stage) -> None:
    browser = s.as_("ada")
    browser.cookies["messages"] = '[["__json_message",0,40,"<script>alert(1)</script>"]]'
    assert not holds_markup(body(browser.get("/")))  # an unsigned message is no message


def search_ignores_permissions(s: Stage) -> None:
    mallory = s.as_("mallory")
    for page in ("/clusters/", "/creations/"):
        for text in ("secret-plan", s.cluster.cluster_id, str(s.creation.pk), "ada", "Vision"):
            found = main(mallory.get(page, {"q": text}))
            assert "secret-plan" not in found.replace(text, "")
            assert "0 clusters" in found or "No " in found


def counts_tell_what_is_hidden(s: Stage) -> None:
    nina, mallory = s.as_("nina"), s.as_("mallory")
    for browser in (nina, mallory):
        before = main(browser.get("/clusters/"))
        submit_creation(s.cast.ada, s.projects.vision, f"another-{browser is nina}")
        run_worker()
        assert main(browser.get("/clusters/")).partition("New cluster")[0].split()[:3] == before.split()[:3]


def filters_offer_what_is_hidden(s: Stage) -> None:
    page = body(s.as_("mallory").get("/clusters/"))
    assert "vision" not in page.lower()
    assert "ada" not in words(s.as_("mallory").get("/clusters/")).split()


def suggestions_offer_what_is_hidden(s: Stage) -> None:
    subnet = s.cluster.networks.get().subnet_id
    page = s.as_("mallory").get("/clusters/new/", {"project": "vision-cn-southwest-2"})
    assert subnet not in body(page)


def another_s_object_by_its_id(s: Stage) -> None:
    mallory = s.as_("mallory")
    cluster, creation = s.cluster.get_absolute_url(), s.creation.get_absolute_url()
    for method, path in (
        ("get", cluster), ("post", f"{cluster}delete/"), ("get", creation), ("post", f"{creation}withdraw/"),
        ("post", f"{creation}look/"), ("post", f"{creation}decide/"),
    ):  # fmt: skip
        assert getattr(mallory, method)(path, {"name": "secret-plan"}).status_code == 404


def another_s_object_through_a_field(s: Stage) -> None:
    answer = submit(s.as_("mallory"), name="x", project="vision-cn-southwest-2")
    assert answer.status_code in {403, 422}
    assert not s.projects.vision.creations.filter(name="x").exists()
    speech = submit(s.as_("mallory"), name="y", project="speech-cn-north-9", again_of=str(s.creation.pk))
    assert speech.status_code == 302
    assert Creation.objects.get(name="y").again_of is None


def role_raised_by_a_field(s: Stage) -> None:
    before = Grant.objects.count()
    extra = {
        "role": "platform_admin",
        "is_superuser": "1",
        "is_staff": "1",
        "team": "1",
        "requested_by": "1",
        "state": "created",
    }
    submit(s.as_("ada"), name="plain", **extra)
    creation = Creation.objects.get(name="plain")
    assert (creation.requested_by, creation.state) == (s.cast.ada, "queued")
    assert Grant.objects.count() == before


def permission_asked_without_the_object(s: Stage) -> None:
    # Mallory may create, in her team: that is no right to delete in another's.
    assert (
        s.as_("mallory").post(f"{s.cluster.get_absolute_url()}delete/", {"name": "secret-plan"}).status_code
        == 404
    )
    assert s.cluster.deletions.count() == 0


def order_by_an_inner_column(s: Stage) -> None:
    for key in (
        "project__sealed_credentials",
        "-project__team__grants__person__password",
        "?",
        "pk;--",
        "password",
    ):
        answer = s.as_("ada").get("/clusters/", {"sort": key})
        assert answer.status_code == 400
        assert "Unknown" in main(answer)


def filter_by_an_inner_column(s: Stage) -> None:
    for key in (
        "requested_by__password__startswith",
        "project__sealed_credentials__contains",
        "_connector",
        "_negated",
        "pk",
    ):
        answer = s.as_("olga").get("/audit/", {key: "a"})
        assert answer.status_code == 200


def null_bytes_and_lone_surrogates(s: Stage) -> None:
    for page in ("/clusters/", "/creations/", "/audit/"):
        for text in ("a\x00b", "\x00", "%ed%a0%80"):
            assert s.as_("olga").get(f"{page}?q={text}").status_code == 200


def numbers_without_end(s: Stage) -> None:
    for query in (
        "?page=" + "9" * 5000,
        "?before=" + "9" * 30,
        "?before=-1",
        "?after=NaN",
        "?page=1e9",
        "?before=٣",
    ):
        for page in ("/clusters/", "/audit/"):
            assert s.as_("olga").get(page + query[:2000]).status_code in {200, 400, 404}


def fields_without_end(s: Stage) -> None:
    answer = s.as_("ada").post("/clusters/new/", {f"f{number}": "x" for number in range(300)})
    assert answer.status_code == 400


def a_body_without_end(s: Stage) -> None:
    assert s.as_("ada").post("/clusters/new/", {"reason": "x" * 200_000}).status_code == 400


def files_are_taken(s: Stage) -> None:
    body_ = b'--b\r\nContent-Disposition: form-data; name="name"; filename="../../x"\r\n\r\nx\r\n--b--\r\n'
    answer = s.as_("ada").post("/clusters/new/", data=body_, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 422


def names_that_fold_into_another(s: Stage) -> None:
    for twin in ("ADA", "Ada"):
        with pytest.raises(Exception, match=r"regardless_of_case|exists|already"):
            add_person(username=twin)
    for lookalike in ("аda", "ada\u200b", "ａda", "adа"):
        with pytest.raises(Exception, match="valid"):
            add_person(username=lookalike)


def who_exists_by_the_words(s: Stage) -> None:
    lines = [
        main(Browser().post("/accounts/login/", {"username": name, "password": "wrong"})).replace(name, "")
        for name in ("ada", "nobody-here")
    ]
    assert lines[0] == lines[1]


def forms_of_another_site(s: Stage) -> None:
    ada = Browser(enforce_csrf_checks=True)
    ada.force_login(s.cast.ada)
    for path in (
        "/clusters/new/",
        "/accounts/logout/",
        "/clusters/refresh/",
        "/theme/",
        f"{s.cluster.get_absolute_url()}delete/",
    ):
        answer = ada.post(path, {"name": "secret-plan"}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403, path


def deeds_by_get(s: Stage) -> None:
    for path in ("withdraw/", "look/", "decide/"):
        s.as_("tom").get(s.creation.get_absolute_url() + path)
    assert Creation.objects.get(pk=s.creation.pk).version == s.creation.version
    ada = s.as_("ada")
    ada.get("/accounts/logout/")
    assert ada.get("/").status_code == 200  # still signed in
    s.as_("root").get(f"{s.projects.vision.get_absolute_url()}test/")
    assert not ConnectionTest.objects.exists()
    answer = s.as_("ada").get(f"{s.cluster.get_absolute_url()}delete/", {"name": "secret-plan"})
    assert answer.status_code == 200  # the page with its form
    assert s.cluster.deletions.count() == 0


def method_overridden(s: Stage) -> None:
    headers = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "POST"}
    s.as_("ada").get(f"{s.cluster.get_absolute_url()}delete/", headers=headers)
    assert s.cluster.deletions.count() == 0


def trace_is_answered(s: Stage) -> None:
    for path in ("/", "/accounts/login/", "/healthz"):
        assert Browser().generic("TRACE", path, headers={"Cookie": "session=x"}).status_code in {302, 405}


def endpoint_reaches_inside(s: Stage) -> None:
    values = {
        "name": "x",
        "team": str(s.cast.vision.pk),
        "project_id": "c" * 32,
        "access_key": "a",
        "secret_key": "b",
    }
    for endpoint in (
        "http://169.254.169.254", "http://localhost:5432", "http://[::1]", "file:///etc/passwd", "gopher://127.0.0.1",
        "http://127.0.0.1:9000@evil.example", "https://evil.example", "http://127.1", "http://0x7f000001", "//127.0.0.1",
    ):  # fmt: skip
        assert (
            confirm(s.as_("root")).post("/projects/new/", values | {"endpoint": endpoint}).status_code == 422
        ), endpoint
    assert Project.objects.count() == 2


def project_id_leaves_its_path(s: Stage) -> None:
    values = {
        "name": "x",
        "team": str(s.cast.vision.pk),
        "endpoint": s.cloud.simulator.endpoint,
        "access_key": "a",
        "secret_key": "b",
    }
    for project_id in ("../v2", "a/b", "a%2fb", "a?b", "a#b", "a\n", "", "x" * 65, "ａ"):
        assert (
            confirm(s.as_("root")).post("/projects/new/", values | {"project_id": project_id}).status_code
            == 422
        ), project_id


def key_shown_again(s: Stage) -> None:
    page = body(confirm(s.as_("root")).get(s.projects.vision.get_absolute_url()))
    for text in ("TESTKEY", "test-secret", Project.objects.get(pk=s.projects.vision.pk).sealed_credentials):
        assert text not in page


def errors_show_code(s: Stage) -> None:
    for path in (
        "/nothing",
        "/clusters/x/",
        "/static/../settings.py",
        "/.git/config",
        "/.env",
        "/admin/",
        "/__debug__/",
    ):
        answer = Browser().get(path)
        assert answer.status_code == 404
        assert "Traceback" not in body(answer)
        assert "urlpatterns" not in body(answer).lower()


def answers_name_versions(s: Stage) -> None:
    for path in ("/", "/nothing", "/healthz", "/readyz"):
        answer = Browser().get(path)
        text = repr(answer.headers).lower() + body(answer).lower()
        assert "django/" not in text
        assert "server" not in {name.lower() for name in answer.headers}
        assert "x-powered-by" not in text


def framed_by_another_site(s: Stage) -> None:
    answer = s.as_("ada").get("/")
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"


def kept_by_a_shared_cache(s: Stage) -> None:
    for path in ("/", "/clusters/", s.cluster.get_absolute_url(), "/accounts/login/"):
        assert "no-store" in s.as_("ada").get(path)["Cache-Control"]


HOLES: dict[str, Callable[[Stage], Any]] = {
    "Horizon CVE-2012-2144: session fixation": fixed_session,
    "Django: the same person's session ID is kept at sign-in": session_id_kept_at_sign_in,
    "Horizon CVE-2014-8124, CVE-2026-43002: anonymous requests fill the session table": anonymous_session_flood,
    "A session outlives sign-out": session_survives_sign_out,
    "A session outlives the account": session_survives_deactivation,
    "A session outlives the password": session_survives_a_new_password,
    "Horizon CVE-2020-29565, CVE-2012-3540: next leads to another site": open_redirect_at_sign_in,
    "Horizon CVE-2020-29565: a switch leads to another site": open_redirect_of_switches,
    "htmx: HX-Current-URL leads to another site": open_redirect_by_htmx,
    "Referer leads to another site": open_redirect_by_referer,
    "Django CVE-2012-4520: the Host header poisons links": host_header_poisons_links,
    "X-Forwarded-Proto is believed without a proxy": forwarded_proto_is_believed,
    "NetBox, Horizon: X-Forwarded-For is believed": forwarded_for_forges_the_audit,
    "A user named by a header is signed in": remote_user_header_signs_in,
    "Horizon CVE-2014-3473, CVE-2016-4428: markup in a field": markup_in_an_error_text,
    "NetBox CVE-2025-69848: markup in an error text": markup_in_a_flash_message,
    "NetBox GHSA-32w2-6gm2-7766: search ignores permissions": search_ignores_permissions,
    "NetBox GHSA-32w2-6gm2-7766: counts ignore permissions": counts_tell_what_is_hidden,
    "Filters offer what is hidden": filters_offer_what_is_hidden,
    "Tower CVE-2020-14329: suggestions tell what is hidden": suggestions_offer_what_is_hidden,
    "Another's object by its ID": another_s_object_by_its_id,
    "Another's object through a field": another_s_object_through_a_field,
    "Tower CVE-2018-1101: a role raised by a field": role_raised_by_a_field,
    "NetBox #22429: a permission asked without its object": permission_asked_without_the_object,
    "Django CVE-2021-35042: order_by of an address": order_by_an_inner_column,
    "Django CVE-2022-28346, CVE-2025-64459: filters of an address": filter_by_an_inner_column,
    "Null bytes and lone surrogates reach the database": null_bytes_and_lone_surrogates,
    "Numbers without end": numbers_without_end,
    "Django CVE-2023-24580: fields without end": fields_without_end,
    "Django CVE-2023-24580: a body without end": a_body_without_end,
    "Django CVE-2021-28658: file names leave their folder": files_are_taken,
    "Django CVE-2019-19844: names fold into another's": names_that_fold_into_another,
    "Django CVE-2024-39329: who exists, by the words": who_exists_by_the_words,
    "Forms of another site": forms_of_another_site,
    "Deeds by GET": deeds_by_get,
    "X-HTTP-Method-Override": method_overridden,
    "TRACE is answered": trace_is_answered,
    "Tower CVE-2020-14327, CVE-2020-14328: an endpoint reaches inside (SSRF)": endpoint_reaches_inside,
    "A project ID leaves its path": project_id_leaves_its_path,
    "Tower CVE-2019-19341: a stored key can be read": key_shown_again,
    "Tower CVE-2019-19342: an error page shows what it should not": errors_show_code,
    "Answers name versions": answers_name_versions,
    "Framed by another site": framed_by_another_site,
    "Kept by a shared cache": kept_by_a_shared_cache,
}


@pytest.mark.parametrize("hole", HOLES, ids=[deed.__name__ for deed in HOLES.values()])
def test_a_hole_that_others_had_is_not_here(hole: str, stage: Stage) -> None:
    HOLES[hole](stage)


def test_there_are_as_many_as_promised() -> None:
    assert len(HOLES) >= 40
