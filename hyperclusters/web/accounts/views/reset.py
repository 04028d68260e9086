"""A new password by e-mail, and the first one of an account that somebody else made."""

from __future__ import annotations

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.accounts.lockout import remember_device
from hyperclusters.accounts.passwords import ask_for_reset, person_of, reset_password
from hyperclusters.web.accounts.forms import AskResetForm, NewPasswordForm
from hyperclusters.web.shared.decorators import PUBLIC, access


@access(get=PUBLIC, post=PUBLIC)
def ask(request: HttpRequest) -> HttpResponse:
    """Asks for the link. The answer is the same whether somebody has that address or not, and after too many."""
    form = AskResetForm(request.POST or None)
    is_sent = False
    if form.is_valid():
        email = form.cleaned_data["email"]
        if ratelimit.consume(request, action="reset_password", key=ascii_lower(email)):
            ask_for_reset(email=email)
        is_sent = True
    context = {"form": form, "sent": is_sent, "mails": settings.SENDS_MAIL}
    return render(request, "accounts/ask_reset.html", context, status=422 if form.errors else 200)


@access(get=PUBLIC, post=PUBLIC, note="with the link")
@sensitive_post_parameters()
def reset(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Where the link leads."""
    person = person_of(uid, token)
    if person is None:
        return render(request, "accounts/reset.html", {"form": None}, status=410)
    form = NewPasswordForm(person, request.POST or None)
    if form.is_valid():
        reset_password(person=person, password=form.cleaned_data["new_password1"])
        messages.success(request, _("Your password is set. Sign in with it."))
        answer = redirect("accounts:login")
        remember_device(answer, person)
        return answer
    context = {"form": form, "name": person.username}
    return render(request, "accounts/reset.html", context, status=422 if form.errors else 200)
