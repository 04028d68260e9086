"""G23: a view that does not declare what it needs answers nobody, and no process starts with it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.http import HttpRequest, HttpResponse
from django.test import Client as Browser
from django.urls import include, path

from hyperclusters.web.shared.decorators import PUBLIC, access
from tests.web.pages import SignIn

pytestmark = pytest.mark.any_database


def undeclared(request: HttpRequest) -> HttpResponse:
    """A view that somebody forgot to mark."""
    return HttpResponse("secret")


@access(get=PUBLIC)
def declared(request: HttpRequest) -> HttpResponse:
    """A view that is open to everybody."""
    return HttpResponse("open")


urlpatterns = [
    path("", include("hyperclusters.urls")),
    path("declared/", declared),
    path("inner/", include(([path("undeclared/", undeclared, name="forgotten")], "inner"))),
]
handler500 = "hyperclusters.web.shared.error_pages.server_error"


def test_g23_a_view_without_a_declaration_answers_nobody(as_: SignIn, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    for browser in (Browser(), as_("root")):
        assert browser.get("/declared/").content == b"open"
        with pytest.raises(ImproperlyConfigured, match=r"undeclared.* has no @access"):
            browser.get("/inner/undeclared/")
        browser.raise_request_exception = False
        answer = browser.post("/inner/undeclared/")
        assert answer.status_code == 500
        assert b"secret" not in answer.content


@pytest.mark.django_db
def test_g23_no_process_starts_with_a_view_without_a_declaration(settings: Any) -> None:
    call_command("check", databases=["default"])
    settings.ROOT_URLCONF = __name__
    with pytest.raises(SystemCheckError, match=r"E015\) The view of inner:forgotten has no @access"):
        call_command("check", databases=["default"])
