"""Error pages: what happened, whether anything was sent, what to do."""

import math
import sys
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import redirect, render
from django.template.loader import get_template
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import User
from hyperclusters.access.permissions import NotPermitted, Permission, roles_for
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.logs import redacted_path
from hyperclusters.web.shared.drafts import note_not_taken, store_posted
from hyperclusters.web.shared.problems import is_api, problem
from hyperclusters.web.texts.access import DENIALS, ended_grants, who_helps
from hyperclusters.web.texts.causes import Text
from hyperclusters.web.texts.drafts import NOT_TAKEN

RETRY_AFTER = 10  # seconds until a busy database is worth another try
CODES = {  # of the JSON API
    400: "bad_request",
    403: "not_permitted",
    404: "not_found",
    429: "rate_limited",
    500: "internal_error",
    503: "busy",
}
NOT_SENT = _("Nothing was sent to the cloud.")
IN_FRAME = {403, 404, 429}  # the database answers, and whoever is signed in goes on to another page


def _page(
    request: HttpRequest, status: int, title: Text, text: Text, more: Callable[[], dict[str, Any]] = dict
) -> HttpResponse:
    """`more`: what else a page shows. An answer of the API reads and translates none of it, nor the title."""
    if is_api(request):
        return problem(request, status, CODES[status], str(text))
    is_in_frame = status in IN_FRAME and isinstance(getattr(request, "user", None), User)
    name = "errors/in_frame.html" if is_in_frame else "errors/error.html"
    context = {"status": status, "title": title, "text": text}
    return render(request, name, context | more(), status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request itself is malformed."""
    text = _("The browser sent something this page does not understand. Nothing was sent to the cloud.")
    return _page(request, 400, _("That request was malformed"), text)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403, and an audit event: somebody tried what they may not do."""
    if not getattr(exception, "is_noted", False):
        person = getattr(request, "user", None)
        record(
            EventType.ACCESS_DENIED,
            Outcome.DENIED,
            on=Subject("page", "", redacted_path(request), team=getattr(exception, "team", None)),
            by=person if isinstance(person, User) else None,
        )
    return _page(
        request,
        403,
        _("Not permitted"),
        _denial_text(request, exception),
        lambda: _ways_in(request, exception),
    )


def _ways_in(request: HttpRequest, exception: Exception | None) -> dict[str, Any]:
    """Who can help; what ended lately only where a role in a team would help."""
    helps = who_helps(exception)
    return {"helps": helps} | (_ended_grants(request) if "query" in helps else {})


def _denial_text(request: HttpRequest, exception: Exception | None) -> Text:
    """Why it was denied. A page that was only read sent nothing anyway."""
    permission = exception.permission if isinstance(exception, NotPermitted) else None
    if permission in DENIALS:
        return DENIALS[permission]
    if permission == Permission.AUDIT:
        text = _("Only auditors and team admins can read the audit. A platform admin appoints auditors.")
    elif permission and not roles_for(permission):
        text = _("You don't have access to this, and no team role gives it.")
    else:
        text = _("You don't have access to this. A team admin can give you access.")
    return text if request.method in {"GET", "HEAD"} else f"{text} {NOT_SENT}"


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose protection token is missing or old, and an audit event where it would have had an effect."""
    if isinstance(getattr(request, "user", None), User):
        page = Subject("page", "", redacted_path(request))
        record(EventType.ACCESS_DENIED, Outcome.DENIED, on=page, by=request.user, evidence="csrf")
    if _is_from_our_form(request, reason) and getattr(request, "left_out", None):
        return _form_again(request)
    if not reason.startswith("CSRF"):  # another site's form fills in nothing
        request.left_out = None  # type: ignore[attr-defined]  # of DraftMiddleware
    text = _(
        "This form is too old or did not come from this site, so it was not accepted. Nothing was sent to the cloud. "
        "Go back, reload the page and try again."
    )
    return _page(request, 403, _("This form has expired"), text)


def _is_from_our_form(request: HttpRequest, reason: str) -> bool:
    """Whether only the token is old, or its cookie gone, and no other site can have sent the form.

    Django looks for the cookie only after it has found the Origin, or under HTTPS the Referer, to be ours. A browser that
    sends neither proves nothing.
    """
    if reason == REASON_NO_CSRF_COOKIE:
        return "HTTP_ORIGIN" in request.META or request.is_secure()
    return reason.startswith("CSRF token from POST")


def _form_again(request: HttpRequest) -> HttpResponse:
    """Back to a form of ours that was opened before its person signed in again, filled, with a new token."""
    note_not_taken(request, "old")
    response = HttpResponseRedirect(request.get_full_path())
    if not store_posted(request, response):  # so no form will say it
        messages.warning(request, str(NOT_TAKEN["old"]))
    return response


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: absent, or not visible to this person; the two look the same."""
    text = _("It does not exist, or you don't have access to it.")
    return _page(request, 404, _("Page not found"), text, lambda: _ended_grants(request))


def _ended_grants(request: HttpRequest) -> dict[str, Any]:
    """What this person could do until lately: it depends on them alone, never on what they asked for."""
    person = getattr(request, "user", None)
    return {"ended_grants": ended_grants(person) if isinstance(person, User) else []}


def too_many(request: HttpRequest, seconds: float = 60) -> HttpResponse:
    """429: too many requests of one kind from one person or network; in so many seconds they are taken again."""
    wait = math.ceil(seconds)
    text = _("That was too often in too short a time.")
    if request.method not in {"GET", "HEAD"}:
        text = _("That was too often in too short a time. Nothing was sent to the cloud.")
    more = {"again": request.get_full_path(), "wait": wait}
    response = _page(request, 429, _("Too many requests"), text, lambda: more)
    response.headers["Retry-After"] = str(wait)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault; 503 if the database was busy or away. Django calls this for whatever no view and no middleware
    caught. Rendered without the database, which may be what failed."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return database_unavailable(request)
    if request.method in {"GET", "HEAD"}:
        again = request.get_full_path()
        return _plain_page(
            request,
            500,
            _("The dashboard failed"),
            _("Something went wrong here."),
            again=again,
            creations=True,
        )
    text = _(
        "Something went wrong here. If you were creating a cluster, look at Creations in a minute, before you try again: "
        "if it is not listed there then, nothing was recorded and nothing was sent."
    )
    return _plain_page(request, 500, _("The dashboard failed"), text, creations=True)


def database_unavailable(request: HttpRequest) -> HttpResponse:
    """503: the database was locked for too long, or did not answer. Claims nothing about what a form changed: the error
    may have come after a COMMIT."""
    if request.method in {"GET", "HEAD"}:
        text = _("The database is busy or does not answer. Try again in a moment.")
    else:
        text = _(
            "The database is busy or does not answer. We don't know whether your change was saved: "
            "check before you try again."
        )
    if hasattr(request, "session"):
        request.session.modified = False  # as Django does for a 500: a sign-in without its event is none
    response = _plain_page(request, 503, _("The dashboard is busy"), text, again=request.get_full_path())
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _plain_page(request: HttpRequest, status: int, title: Text, text: Text, **more: Any) -> HttpResponse:
    """An error page that needs neither the database nor the request's context."""
    if is_api(request):
        return problem(request, status, CODES[status], str(text), sent="maybe")
    context = {"status": status, "title": title, "text": text, "request_id": request.META.get("REQUEST_ID")}
    return HttpResponse(get_template("errors/error.html").render(context | more), status=status)


def busy(request: HttpRequest, text: str) -> HttpResponse:
    """503: too much of this is going on at once; it can be tried again."""
    response = _page(request, 503, _("Not now"), text)
    response.headers["Retry-After"] = "60"
    return response


def not_recorded(request: HttpRequest, values: dict[str, str], where: str = "") -> HttpResponse:
    """503: the database does not take the record, so nothing goes out. Shows what was typed, by the form's labels, and
    asks the database nothing.

    `where`: the page that will know, if the database cannot say yet whether it took the record.
    """
    context = {
        "typed": list(values.items()),
        "where": where,
        "form": request.get_full_path(),
        "request_id": request.META.get("REQUEST_ID"),
    }
    response = HttpResponse(get_template("errors/not_recorded.html").render(context), status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def after_lost_commit(
    request: HttpRequest, values: dict[str, str], find: Callable[[], Any], where: str
) -> HttpResponse:
    """Where to go after a COMMIT that was not answered: it may have happened, or may yet, so the record is read back.

    `find` reads it and returns where to go; `where` is the page that will know later what became of it.
    """
    try:
        connection.close()
        target = find()
    except DatabaseError:
        return not_recorded(request, values, where)
    return redirect(target) if target else not_recorded(request, values)


def never_recorded(request: HttpRequest) -> HttpResponse:
    """404: a form of which the database holds no record, and no transaction that might still make one."""
    text = _("Nothing was recorded for this form, and nothing was sent to the cloud. You can send it again.")
    return _page(request, 404, _("Nothing was recorded"), text)
