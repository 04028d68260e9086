"""Sensitive acts ask who is there, unless that was shown within the last five minutes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _

from hyperclusters.access.permissions import Action, require
from hyperclusters.accounts.recent import is_recent

from .drafts import note_not_taken
from .request import PageRequest, whole_page

View = Callable[..., HttpResponse]


def recently_authenticated(view: View) -> View:
    """For views of sensitive acts: changing how one signs in, and through `sensitive` those of platform admins.

    Goes to the page that asks for the password, and from there back to this address. Put this on the page that shows
    the form as well: of what was posted only a draft comes back, without secrets (see `drafts`).
    """

    @wraps(view)
    def guarded(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_recent(request.session):
            return view(request, *args, **kwargs)
        if request.method == "POST":
            note_not_taken(request)
            messages.warning(
                request, _("Nothing was changed. Please do it again after you confirmed who you are.")
            )
        back = request.htmx.current_url_abs_path if request.htmx else request.get_full_path()
        return whole_page(request, f"{resolve_url('accounts:confirm')}?{urlencode({'next': back or '/'})}")

    return guarded


def sensitive(action: Action) -> Callable[[View], View]:
    """For a sensitive act that needs a right: who lacks it is told so, and not asked for a password first."""

    def decorate(view: View) -> View:
        confirmed = recently_authenticated(view)

        @wraps(view)
        def guarded(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            require(request.user, action)
            return confirmed(request, *args, **kwargs)

        return guarded

    return decorate
