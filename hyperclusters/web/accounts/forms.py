"""What people type to show who they are."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm
from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import User
from hyperclusters.accounts.factors import has_factor
from hyperclusters.accounts.forms import SecondStepForm

LOCKED_CODE = "too_many_login_attempts"


class SignInForm(AuthenticationForm):
    """User name and password. The name is taken as it was typed: Django's own field turns full-width letters into ASCII."""

    username = forms.CharField(
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocapitalize": "none", "autocomplete": "username"}
        )
    )

    error_messages = {
        "invalid_login": _("User name and password don't match. Passwords are case-sensitive."),
        "inactive": _("This account is not active."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"

    def clean(self) -> dict[str, Any]:
        """Attempts are counted, whether the name is known or not."""
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username and password:
            credentials = {"username": username, "password": password}
            self.user_cache = get_adapter().authenticate(self.request, **credentials)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
        return self.cleaned_data

    @property
    def is_locked(self) -> bool:
        """Whether the password was not even looked at."""
        return self.has_error("__all__", LOCKED_CODE)


class ConfirmForm(forms.Form):
    """The password again; a code, for who has no password here; or a passkey, whose answer a script puts in."""

    proof = forms.CharField(required=False, strip=False, widget=forms.PasswordInput)
    credential = forms.JSONField(required=False, widget=forms.HiddenInput)

    def __init__(self, request: HttpRequest, person: User, data: Any = None) -> None:
        super().__init__(data)
        self.request, self.person = request, person
        self.by = "password" if person.has_usable_password() else "code" if has_factor(person) else ""
        proof = self.fields["proof"]
        proof.label = _("Password") if self.by == "password" else _("Code")
        autocomplete = "current-password" if self.by == "password" else "one-time-code"
        # A passkey is sent by a form of its own: here it may not stay empty.
        proof.widget.attrs = {
            "class": "input",
            "autocomplete": autocomplete,
            "autofocus": True,
            "required": True,
        }

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError unless one of them is right."""
        proof = self.cleaned_data.get("proof") or ""
        if self.cleaned_data.get("credential"):
            self.by = "passkey"
            self._ask(ReauthenticateWebAuthnForm(user=self.person, data=self.data))
        elif self.by == "code":
            self._ask(SecondStepForm(user=self.person, data={"code": proof}))
        elif not self.by or not get_adapter().reauthenticate(self.person, proof):
            raise ValidationError(_("This is not your password."))
        return self.cleaned_data

    def _ask(self, form: forms.Form) -> None:
        if not form.is_valid():
            raise ValidationError([error for errors in form.errors.as_data().values() for error in errors])

    @property
    def is_locked(self) -> bool:
        """Whether there were too many attempts."""
        return self.has_error("__all__", LOCKED_CODE)


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # Django's class takes no [User] at run time
    """A new password, twice."""

    error_messages = {"password_mismatch": _("The passwords don't match.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
        first, second = self.fields["new_password1"], self.fields["new_password2"]
        second.label, second.help_text = _("Repeat the new password"), ""
        first.help_text = _("At least 12 characters, not a common word, and not like your name.")

    def validate_password_for_user(self, user: User, *_fields: Any) -> None:
        """Name the faults of a password at the field where it was thought of."""
        super().validate_password_for_user(user, "new_password1")


class AskResetForm(forms.Form):
    """The address that the link goes to."""

    email = forms.EmailField(
        label=_("E-mail address"),
        widget=forms.EmailInput(attrs={"class": "input", "autocomplete": "email", "autofocus": True}),
    )


class AddAppForm(forms.Form):
    """The code that a new authenticator app shows."""

    code = forms.CharField(
        label=_("Code"),
        help_text=_("The six digits that the app shows now."),
        widget=forms.TextInput(
            attrs={"class": "input mono", "autocomplete": "one-time-code", "inputmode": "numeric"}
        ),
    )


class AddPasskeyForm(forms.Form):
    """A name for a new passkey; a script puts in what the browser made."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("So that you know it again: “Laptop”, “blue key”."),
        widget=forms.TextInput(attrs={"class": "input"}),
    )
    credential = forms.JSONField(
        widget=forms.HiddenInput,
        error_messages={
            "required": _("The browser made no passkey. Nothing was changed."),
            "invalid": _("The browser made no passkey. Nothing was changed."),
        },
    )
