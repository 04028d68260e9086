"""Forms of allauth's sign-in steps, where our checks are stricter."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import LoginWebAuthnForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from .factors import is_first_use, require_right_clock

CHALLENGE_LIVES = 900  # seconds for which a cookie may bring it back


class SecondStepForm(AuthenticateForm):
    """A code from the app, or a recovery code; each works once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = self.fields["code"]
        code.label = gettext_lazy("Code")
        code.help_text = gettext_lazy(
            "Six digits from your authenticator app, or one of your recovery codes."
        )
        code.widget.attrs = {
            "class": "input mono",
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "autofocus": True,
        }

    def clean_code(self) -> str:
        try:
            code: str = super().clean_code()
        except ValidationError:
            require_right_clock()  # then that is the reason
            raise
        if self.authenticator.type == Authenticator.Type.TOTP:
            require_right_clock()
            if not is_first_use(self.user, code):
                raise get_adapter().validation_error("incorrect_code")
        return code


class PasskeySignInForm(LoginWebAuthnForm):
    """A passkey's answer. An anonymous caller's challenge is in their own cookie, so each is accepted only once."""

    def clean_credential(self) -> Authenticator:
        factor: Authenticator = super().clean_credential()
        answer = self.cleaned_data["credential"]["response"]["clientDataJSON"]
        digest = hashlib.sha256(base64.urlsafe_b64decode(answer + "===")).hexdigest()
        if not factor.user.is_active or not cache.add(f"passkey-answer:{digest}", 1, timeout=CHALLENGE_LIVES):
            raise get_adapter().validation_error("incorrect_code")
        return factor
