"""Adapts allauth: who may go on, where to, and what is recorded.

We use neither allauth's signals nor its account pages: those signals come after the commit, and a change and its
event must commit together.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.models import User
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from . import company, factors, lockout, recent_login
from .claims import Claims, UnusableClaims
from .oidc import ProviderError
from .sessions import COMPANY_WORD_ENDS, STARTED_AT

log = logging.getLogger(__name__)

TOO_MANY = gettext_lazy(
    "Too many attempts failed. Wait five minutes, or sign in another way: with a passkey, with the company account, "
    "or after a new password by e-mail."
)
WRONG = gettext_lazy(
    "This was not accepted. Each code is good once, and for a short time only: try the next one."
)


def is_own_path(target: str) -> bool:
    """Whether the address is a path of this site: no crafted link leads elsewhere."""
    return target.startswith("/") and url_has_allowed_host_and_scheme(target, None)


class AccountAdapter(DefaultAccountAdapter):
    """Passwords, and the one place where every way of signing in ends."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": TOO_MANY,
        "rate_limited": TOO_MANY,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- allauth's signature
        """Nobody signs up: accounts come from an invitation, the company's provider, or a command."""
        return False

    def is_safe_url(self, url: str) -> bool:
        return bool(url) and is_own_path(url)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that the audit records, from the configured number of trusted proxies."""
        return request_context.current().ip or str(request.META.get("REMOTE_ADDR", ""))

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Drop allauth's messages: our pages say what happened."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt before the password is checked, so that parallel guesses count too.

        Raises ValidationError. allauth takes the attempt stored here back when the password was right.
        """
        self._login_failed_rl_usage = lockout.count(request, credentials.get("username", ""))
        if not self._login_failed_rl_usage:
            raise self.validation_error("too_many_login_attempts")

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Start a new session and record the event. Every way of signing in ends here, after every step."""
        if not user.is_active:  # deactivated before the second step
            raise ImmediateHttpResponse(self.respond_user_inactive(request, user))
        word_ends = company.confirmation_ends_at(cast("User", user))
        if word_ends is not None and word_ends <= clock.now():
            raise ImmediateHttpResponse(self._ask_company_again(request, user))
        with transaction.atomic():
            # Locked: whoever deactivates this person does it before all of this, or after it.
            person = User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True).first()
            if person:
                self._begin_session(request, user, word_ends)
        if person is None:
            raise ImmediateHttpResponse(self.respond_user_inactive(request, user))
        request.session.clear_expired()
        lockout.forget_old()

    def _begin_session(
        self, request: HttpRequest, user: AbstractBaseUser, word_ends: datetime | None
    ) -> None:
        how = get_authentication_records(request, user)
        super().login(request, user)
        if word_ends is not None:
            request.session[COMPANY_WORD_ENDS] = word_ends.isoformat()
        request.session.pop(STARTED_AT, None)
        request.session.cycle_key()  # Django keeps the ID when the same person signs in again
        recent_login.note_confirmation(request.session)
        steps = [each.get("type") or each["method"] for each in how]
        record(EventType.SIGNED_IN, Outcome.DONE, by=user, after={"by": steps})

    def _ask_company_again(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        """Turn away a person with a right passkey, known only to the company, who has not signed in there for too
        long."""
        record(
            EventType.SIGN_IN_FAILED, Outcome.DENIED, by=user, reason="the company's confirmation is too old"
        )
        messages.warning(
            request,
            _("Sign in with %(name)s now: your passkey works again after that.")
            % {"name": settings.OIDC_NAME},
        )
        return redirect(f"{resolve_url(settings.LOGIN_URL)}?company=again")

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        lockout.remember_device(response, cast("User", user))
        return response

    def respond_user_inactive(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        """Turn away a person with the right passkey or company account whose account here is closed."""
        record(EventType.SIGN_IN_FAILED, Outcome.DENIED, by=user, reason="the account is not active")
        messages.error(request, _("This account is not active. Whoever runs the platform can tell you why."))
        return redirect(settings.LOGIN_URL)


class FactorAdapter(DefaultMFAAdapter):
    """Second factors: their secrets are encrypted at rest."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": WRONG,
        "cannot_generate_recovery_codes": gettext_lazy(
            "Recovery codes stand in for an authenticator app or a passkey: add one of these first."
        ),
        "has_app": gettext_lazy(
            "You have an authenticator app already. Remove it before you add another one."
        ),
    }

    def encrypt(self, text: str) -> str:
        return factors.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return factors.unseal(encrypted_text)

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return user.get_username()


class CompanyAdapter(DefaultSocialAccountAdapter):
    """The company's OpenID Connect provider."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find or add the person, and apply their groups, before anything else happens."""
        sociallogin.require_first_use()
        try:
            person = company.link_or_create_user(Claims.read(**sociallogin.account.extra_data))
        except (UnusableClaims, company.LoginRejected) as error:
            self._refuse(request, Outcome.DENIED, str(error))
            raise ImmediateHttpResponse(redirect(settings.LOGIN_URL)) from error
        sociallogin.user, sociallogin.account.uid = person, person.company_account.subject
        if person.groups_problem:
            messages.warning(
                request,
                _("%(name)s did not say which groups you are in, so your access stays as it is.")
                % {"name": settings.OIDC_NAME},
            )

    def on_authentication_error(self, request: HttpRequest, *_: Any, **kwargs: Any) -> None:
        """The sign-in was cancelled, is out of date, or the provider failed: the page offers to try again."""
        context = kwargs.get("extra_context") or {}
        if "state_id" in context and request.user.is_authenticated:  # Back to a sign-in that is complete
            raise ImmediateHttpResponse(redirect(settings.LOGIN_REDIRECT_URL))
        error = kwargs.get("exception")
        why = str(error) if isinstance(error, ProviderError) else type(error).__name__
        log.warning("company sign-in failed: %s: %s", kwargs.get("error"), why)
        self._refuse(request, Outcome.FAILED, f"{kwargs.get('error')}: {why}")
        state = context.get("state") or {}
        query = urlencode({"company": "again", "next": state.get("next") or request.GET.get("next") or "/"})
        raise ImmediateHttpResponse(redirect(f"{resolve_url(settings.LOGIN_URL)}?{query}"))

    def _refuse(self, request: HttpRequest, outcome: Outcome, why: str) -> None:
        record(EventType.SIGN_IN_FAILED, outcome, reason=f"company account: {why}")
        messages.error(
            request,
            _(
                "Signing in with %(name)s did not work, so you are not signed in. Try again, or ask whoever runs it."
            )
            % {"name": settings.OIDC_NAME},
        )
