"""What somebody typed, kept while a form could not be taken: their session had ended, the form was too old, the database
was busy, a field was wrong.

The draft is a short-lived cookie, encrypted, for one person and one address, and it only ever fills in a form that the
person then sends. So it needs no script, costs strangers no row, and outlives each way of signing in.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from cryptography.fernet import Fernet, InvalidToken
from django import forms
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.utils.crypto import salted_hmac

from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.access.models import User
from hyperclusters.accounts.lockout import device_owner

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
Form = TypeVar("Form", bound=forms.BaseForm)
Handler = Callable[[HttpRequest], HttpResponseBase]
LIFETIME = 900  # seconds, as long as a stranger's session
LARGEST = 3_800  # bytes of a cookie's value that every browser and proxy takes
NOT_TAKEN = {403, 409, 422, 429, 500, 503}  # statuses of a form that may be sent again
ALWAYS_LEFT_OUT = {"csrfmiddlewaretoken", "token"}
SALT = "hyperclusters.web.drafts"


def keeps_draft(*secrets: str) -> Callable[[View], View]:
    """Mark a view whose form is filled in again after a POST that was not taken. `secrets`: fields never kept."""

    def mark(view: View) -> View:
        view.left_out = ALWAYS_LEFT_OUT | set(secrets)  # type: ignore[attr-defined]  # as Django marks `login_required`
        return view

    return mark


class DraftMiddleware:
    """Keeps what was posted if it was not taken, and forgets it once it was."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        left_out = getattr(request, "left_out", None)
        if request.method != "POST" or left_out is None:
            return response
        if response.status_code in NOT_TAKEN or getattr(request, "was_not_taken", False):
            store_posted(request, response)
        elif settings.DRAFT_COOKIE_NAME in request.COOKIES:
            response.delete_cookie(settings.DRAFT_COOKIE_NAME)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:  # noqa: ARG002 -- Django's
        """Note whether this view keeps drafts, before anything can turn the request away."""
        request.left_out = getattr(view, "left_out", None)  # type: ignore[attr-defined]


def note_not_taken(request: HttpRequest, why: str = "") -> None:
    """Say that the answer, although no error, leads away from a form whose content was not taken. `why`: "ended" (the
    session), "old" (the form), or nothing that the form must say when it is back."""
    request.was_not_taken, request.why_not_taken = True, why  # type: ignore[attr-defined]


def draft_fields(data: QueryDict, left_out: set[str]) -> dict[str, list[str]]:
    """What of a form may be kept."""
    return {name: values for name, values in data.lists() if name not in left_out}


def store_posted(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Keep what this request posted; whether it could be kept."""
    left_out = getattr(request, "left_out", None) or ALWAYS_LEFT_OUT
    return store(request, response, request.get_full_path(), draft_fields(request.POST, left_out))


def store(
    request: HttpRequest, response: HttpResponseBase, address: str, fields: dict[str, list[str]]
) -> bool:
    """Keep it with the answer; whether it could be kept: somebody must be known, and it must fit a cookie."""
    owner = _owner(request)
    why = getattr(request, "why_not_taken", "")
    draft = json.dumps([owner, address, fields, why], ensure_ascii=False).encode(errors="replace")
    value = _box().encrypt(zlib.compress(draft, 9)).decode()
    if not owner or len(value) > LARGEST:
        return False
    response.set_cookie(
        settings.DRAFT_COOKIE_NAME,
        value,
        max_age=LIFETIME,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
    return True


def draft_for(request: HttpRequest, address: str = "") -> QueryDict | None:
    """What this person last sent to this address, if it was not taken; without an address, to this page's own."""
    if request.method == "POST" or not isinstance(request.user, User):
        return None
    fields, why = _read(request, address or request.get_full_path())
    if fields is None:
        return None
    request.why_not_taken = why  # type: ignore[attr-defined]
    draft = QueryDict(mutable=True)
    for name, values in fields.items():
        draft.setlist(name, values)
    return draft


def has_draft(request: HttpRequest, address: str) -> bool:
    """Whether a form of this address will come back filled, after who last used this browser has signed in."""
    return _read(request, address)[0] is not None


def _read(request: HttpRequest, address: str) -> tuple[dict[str, list[str]] | None, str]:
    """The fields of the draft for this address, and why they were not taken."""
    with suppress(InvalidToken, ValueError, zlib.error):
        token = request.COOKIES.get(settings.DRAFT_COOKIE_NAME, "")
        draft = json.loads(zlib.decompress(_box().decrypt(token, ttl=LIFETIME)))
        owner, draft_address, fields, *why = draft  # a draft of a release before has no reason
        if (owner, draft_address) == (_owner(request), address):
            return fields, "".join(why)
    return None, ""


def filled_form(form: Form, draft: QueryDict | None) -> Form:
    """The form, showing what was typed, not yet checked. A form that was posted stays as it is."""
    if draft is None or form.is_bound:
        return form
    for name, field in form.fields.items():
        posted_as = form.add_prefix(name)
        if not field.widget.value_omitted_from_data(draft, {}, posted_as):
            form.initial[name] = field.widget.value_from_datadict(draft, {}, posted_as)
    return form


def _owner(request: HttpRequest) -> str:
    """Whose draft it is: who is signed in, else who was last signed in in this browser."""
    with suppress(DatabaseError):  # who is signed in cannot be read while the database is away
        if isinstance(request.user, User):
            return ascii_lower(request.user.username)
    return device_owner(request)


def _box() -> Fernet:
    """Encrypts for this site alone: whoever uses this browser next reads nothing in the cookie."""
    return Fernet(base64.urlsafe_b64encode(salted_hmac(SALT, "draft", algorithm="sha256").digest()))
