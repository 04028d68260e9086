"""Signing in by each way, showing again who one is, and signing out. Each ends in its audit event."""

from __future__ import annotations

from typing import cast

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.mfa.base import views as factor_views
from allauth.mfa.webauthn import views as passkey_views
from allauth.mfa.webauthn.internal.auth import begin_authentication
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters

from hyperclusters.accounts import oidc
from hyperclusters.accounts.factors import has_passkey
from hyperclusters.accounts.lockout import audit_username
from hyperclusters.accounts.models import CompanyAccount
from hyperclusters.accounts.recent_login import note_confirmation
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.web.accounts.forms import ConfirmForm, SignInForm
from hyperclusters.web.shared.decorators import PUBLIC, SIGNED_IN, access
from hyperclusters.web.shared.drafts import has_draft
from hyperclusters.web.shared.http import PageRequest, own_path


def _target(request: HttpRequest, otherwise: str = settings.LOGIN_REDIRECT_URL) -> str:
    return own_path(request.POST.get("next") or request.GET.get("next") or "", resolve_url(otherwise))


def _idle_limit() -> str:
    """How long somebody may do nothing before they are signed out, in words."""
    minutes = round(settings.SESSION_IDLE / 60)
    if minutes % 60:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    return ngettext("%(n)d hour", "%(n)d hours", minutes // 60) % {"n": minutes // 60}


@access(get=PUBLIC, post=PUBLIC)
@sensitive_post_parameters()
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in form. In the demo it offers the demo's people by a click, through this same form."""
    target = _target(request)
    if request.user.is_authenticated and request.method != "POST":
        return HttpResponseRedirect(target)
    form = SignInForm(request, data=request.POST or None)
    if request.method == "POST":
        if form.is_valid():
            login = Login(user=form.get_user(), redirect_url=target)
            return cast("HttpResponse", perform_password_login(request, {}, login))
        event_type = EventType.SIGN_IN_LOCKED if form.is_locked else EventType.SIGN_IN_FAILED
        record(event_type, Outcome.DENIED, person_name=audit_username(request.POST.get("username", "")))
    context = {"form": form, "next": target, "demo_people": settings.DEMO_PEOPLE}
    if settings.DEMO:
        context["demo_password"] = settings.DEMO_PASSWORD
    context |= {"company": settings.OIDC_ISSUER and settings.OIDC_NAME, "mails": settings.SENDS_MAIL}
    cause = request.GET.get("ended")
    context |= {"idle_limit": cause == "idle" and _idle_limit(), "has_ended": cause == "session"}
    context["has_draft"] = has_draft(request, target)
    context["company_first"] = request.GET.get("company") == "again"
    return render(request, "accounts/login.html", context, status=422 if form.errors else 200)


@access(get=PUBLIC, post=PUBLIC, note="after the right password")
@sensitive_post_parameters()
def second_step(request: HttpRequest) -> HttpResponse:
    """The code, or the passkey, of who has given their password."""
    answer: HttpResponse = factor_views.authenticate(request)
    if request.method == "POST" and isinstance(answer, TemplateResponse):
        person = (answer.context_data or {})["form"].user
        record(EventType.SECOND_STEP_FAILED, Outcome.DENIED, by=person)
        answer.status_code = 422
    return answer


@access(get=PUBLIC, post=PUBLIC)
def passkey(request: HttpRequest) -> HttpResponse:
    """Signing in with a passkey alone. GET hands a challenge to the page's script."""
    answer: HttpResponse = passkey_views.login_webauthn(request)
    if request.method == "POST" and answer.headers.get("Location") == resolve_url("account_login"):
        record(EventType.SIGN_IN_FAILED, Outcome.DENIED, reason="passkey")
        messages.error(request, _("This passkey was not accepted, so you are not signed in."))
    return answer


@access(get=PUBLIC)
def company(request: HttpRequest) -> HttpResponse:
    """Off to the company's provider. `again` has it ask once more who is there."""
    if not settings.OIDC_ISSUER:
        raise Http404
    target, again = _target(request), bool(request.GET.get("again"))
    return oidc.redirect_to_provider(request, next_url=target, again=again)


@access(get=PUBLIC)
def company_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back from the company's provider."""
    if not settings.OIDC_ISSUER:
        raise Http404
    return oidc.back_from_provider(request)


@access(get=SIGNED_IN, post=SIGNED_IN, before_second_factor=True)
@sensitive_post_parameters()
def confirm(request: PageRequest) -> HttpResponse:
    """Before a sensitive act: who is there?"""
    person, target = request.user, _target(request, "accounts:security")
    form = ConfirmForm(request, person, request.POST or None)
    if request.method == "POST":
        if form.is_valid():
            note_confirmation(request.session)
            record(EventType.CONFIRMED, Outcome.DONE, by=person, after={"by": [form.by]})
            return HttpResponseRedirect(target)
        event_type = EventType.SIGN_IN_LOCKED if form.is_locked else EventType.CONFIRM_FAILED
        record(event_type, Outcome.DENIED, by=person, after={"by": [form.by]})
    has_company_account = settings.OIDC_ISSUER and CompanyAccount.objects.filter(person=person).exists()
    context = {"form": form, "next": target, "company": has_company_account and settings.OIDC_NAME}
    if has_passkey(person):
        context["options"] = begin_authentication(person)
    return render(request, "accounts/confirm.html", context, status=422 if form.errors else 200)


@access(post=SIGNED_IN, page="web:home", before_second_factor=True)
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends this session on the server."""
    record(EventType.SIGNED_OUT, Outcome.DONE, by=request.user)
    logout(request)
    return redirect("accounts:login")
