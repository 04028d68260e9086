"""Signing in and out, each with its audit event."""

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.web.forms import SignInForm
from hyperclusters.web.request import own_path


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in form. In the demo it offers the demo's people by a click, through this same form."""
    target = own_path(
        request.POST.get("next") or request.GET.get("next") or "", resolve_url(settings.LOGIN_REDIRECT_URL)
    )
    if request.user.is_authenticated and request.method == "GET":
        return HttpResponseRedirect(target)
    form = SignInForm(request, data=request.POST or None)
    if request.method == "POST":
        if form.is_valid():
            login(request, form.get_user())
            request.session.cycle_key()  # Django keeps the ID when the same person signs in again
            record(Did.SIGNED_IN, Outcome.DONE, person=form.get_user())
            return HttpResponseRedirect(target)
        record(Did.SIGN_IN_FAILED, Outcome.DENIED, person_name=request.POST.get("username", "")[:150])
    context = {"form": form, "next": target, "demo_people": settings.DEMO_PEOPLE if settings.DEMO else {}}
    if settings.DEMO:
        context["demo_password"] = settings.DEMO_PASSWORD
    return render(request, "accounts/login.html", context, status=422 if form.errors else 200)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends this session on the server."""
    record(Did.SIGNED_OUT, Outcome.DONE, person=request.user)
    logout(request)
    return redirect("accounts:login")
