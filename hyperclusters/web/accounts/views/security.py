"""How a person signs in, and where they are signed in: their own page of it."""

from __future__ import annotations

import base64

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from hyperclusters.accounts import factors
from hyperclusters.accounts.models import CompanyAccount, Session
from hyperclusters.accounts.passwords import change_password
from hyperclusters.accounts.sessions import end_one, sign_out_everywhere
from hyperclusters.web.accounts.devices import device_name
from hyperclusters.web.accounts.forms import AddAppForm, AddPasskeyForm, NewPasswordForm
from hyperclusters.web.shared.decorators import OWN, SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest

NEW_SECRET = "new_app_secret"  # noqa: S105 -- where the session keeps it, sealed, until the app has shown a code


@access(get=SIGNED_IN, before_second_factor=True)
def overview(request: PageRequest) -> HttpResponse:
    """What one signs in with, and where one is signed in."""
    person = request.user
    sessions = Session.objects.active().filter(person=person)
    own: dict[str, list[Authenticator]] = {kind: [] for kind in factors.KINDS}
    for factor in Authenticator.objects.filter(user=person).order_by("pk"):
        own[factor.type].append(factor)
    context = {
        "owes": getattr(person, "owes_second_factor", False),
        "app": next(iter(own["totp"]), None),
        "passkeys": own["webauthn"],
        "codes_left": factors.unused_codes(person),
        "has_password": person.has_usable_password(),
        "company": CompanyAccount.objects.filter(person=person).exists() and settings.OIDC_NAME,
        "sessions": [(each, *device_name(each.agent)) for each in sessions],
        "current": request.session.session_key,
    }
    return render(request, "accounts/security.html", context)


@access(get=SIGNED_IN, post=SIGNED_IN, recent=True, before_second_factor=True)
@sensitive_post_parameters()
def add_app(request: PageRequest) -> HttpResponse:
    """A new authenticator app: its secret as a picture and as text, and the code that proves it took it."""
    form = AddAppForm(request.POST or None)
    sealed_secret = request.session.get(NEW_SECRET) if request.method == "POST" else None
    secret = factors.unseal(sealed_secret) if sealed_secret else factors.new_secret()
    if sealed_secret and form.is_valid():
        try:
            codes = factors.add_authenticator_app(
                person=request.user, secret=secret, code=form.cleaned_data["code"]
            )
        except ValidationError as error:
            form.add_error("code", error)
        else:
            del request.session[NEW_SECRET]
            return _back_or_codes(request, codes)
    request.session[NEW_SECRET] = factors.seal(secret)
    context = {"form": form, "secret": secret, "picture": _picture(request, secret)}
    return render(request, "accounts/add_app.html", context, status=422 if form.errors else 200)


def _picture(request: PageRequest, secret: str) -> str:
    """The secret as a QR code, in an address of its own."""
    adapter = get_adapter()
    svg = adapter.build_totp_svg(adapter.build_totp_url(request.user, secret))
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


@access(get=SIGNED_IN, post=SIGNED_IN, recent=True, before_second_factor=True)
def add_passkey(request: PageRequest) -> HttpResponse:
    """A new passkey, made by the browser with this page's script."""
    form = AddPasskeyForm(request.POST or None)
    if form.is_valid():
        try:
            codes = factors.add_passkey(person=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _back_or_codes(request, codes)
    context = {"form": form, "options": factors.passkey_options(request.user)}
    return render(request, "accounts/add_passkey.html", context, status=422 if form.errors else 200)


def _back_or_codes(request: PageRequest, codes: list[str]) -> HttpResponse:
    """Back, or first to the recovery codes, which are shown this once."""
    messages.success(request, _("Added. From now on it is asked for when you sign in."))
    return _show(request, codes) if codes else redirect("accounts:security")


def _show(request: PageRequest, codes: list[str]) -> HttpResponse:
    return render(request, "accounts/recovery_codes.html", {"codes": codes})


@access(post=SIGNED_IN, page="accounts:security", recent=True, before_second_factor=True)
def recovery_codes(request: PageRequest) -> HttpResponse:
    """New recovery codes, shown this once; the old ones end."""
    try:
        return _show(request, factors.new_recovery_codes(person=request.user))
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect("accounts:security")


@access(post=OWN, page="accounts:security", recent=True, before_second_factor=True)
def remove_factor(request: PageRequest, pk: int) -> HttpResponse:
    """Remove one's own authenticator app or passkey."""
    try:
        factors.remove_factor(person=request.user, pk=pk)
    except Authenticator.DoesNotExist:
        raise Http404 from None
    messages.success(request, _("Removed. It is no longer asked for."))
    return redirect("accounts:security")


@access(get=SIGNED_IN, post=SIGNED_IN, recent=True, before_second_factor=True)
@sensitive_post_parameters()
def password(request: PageRequest) -> HttpResponse:
    """Change the password; every other session ends."""
    person = request.user
    if not person.has_usable_password():
        raise Http404
    form = NewPasswordForm(person, request.POST or None)
    if form.is_valid():
        change_password(
            person=person, password=form.cleaned_data["new_password1"], but=request.session.session_key
        )
        update_session_auth_hash(request, person)
        messages.success(request, _("Your password is changed, and you are signed out everywhere else."))
        return redirect("accounts:security")
    return render(request, "accounts/password.html", {"form": form}, status=422 if form.errors else 200)


@access(post=SIGNED_IN, page="accounts:security", before_second_factor=True, note="one's own sessions only")
def end_session(request: PageRequest) -> HttpResponse:
    """Sign out one other browser."""
    if not end_one(person=request.user, handle=request.POST.get("session", "")):
        messages.info(request, _("That session had ended already."))
    else:
        messages.success(request, _("Signed out there."))
    return redirect("accounts:security")


@access(post=SIGNED_IN, page="accounts:security", before_second_factor=True)
def everywhere(request: PageRequest) -> HttpResponse:
    """Sign out everywhere, here too."""
    sign_out_everywhere(person=request.user)
    request.session.flush()
    return redirect("accounts:login")
