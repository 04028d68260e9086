"""The form of a chat that gets messages. It never shows a URL or a secret, not even what was just typed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import MessageKind, NotificationTarget, Service, Team
from hyperclusters.notifications.formats import FORMATS, AddressRefused, checked_address
from hyperclusters.notifications.targets import kinds_for
from hyperclusters.web.texts.messages import address_refusal

USUAL = {MessageKind.ACCESS_ASKED, MessageKind.UNRESOLVED, MessageKind.ELSEWHERE, MessageKind.INTEGRITY}
SECRET_INPUT = {"class": "input mono", "autocomplete": "off", "spellcheck": "false"}


class TargetForm(forms.Form):
    """A new chat."""

    service = forms.ChoiceField(label=_("Service"), widget=forms.RadioSelect)
    name = forms.CharField(
        label=_("Name"),
        max_length=64,
        help_text=_("The chat's name, such as “Vision on call”."),
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    url = forms.CharField(
        label=_("Webhook URL"),
        max_length=500,
        help_text=_(
            "From the chat's settings: a custom bot or incoming webhook. Nobody can read it here later."
        ),
        widget=forms.PasswordInput(attrs=SECRET_INPUT),
    )
    secret = forms.CharField(
        label=_("Signing secret"),
        max_length=200,
        required=False,
        help_text=_("Feishu and DingTalk, if the bot has one. Nobody can read it here later."),
        widget=forms.PasswordInput(attrs=SECRET_INPUT),
    )
    kinds = forms.MultipleChoiceField(label=_("Messages about"), widget=forms.CheckboxSelectMultiple)
    language = forms.ChoiceField(
        label=_("Language"), choices=settings.LANGUAGES, initial=get_language, widget=forms.RadioSelect
    )

    def __init__(
        self, *args: Any, team: Team | None, target: NotificationTarget | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.target = target
        kinds = kinds_for(team)
        self.fields["kinds"].choices = [(kind.value, kind.label) for kind in kinds]  # type: ignore[attr-defined]
        self.fields["kinds"].initial = [kind.value for kind in kinds if kind in USUAL]
        services = [(each.value, each.label) for each in Service if settings.MESSAGE_HOSTS.get(each)]
        self.fields["service"].choices = services  # type: ignore[attr-defined]
        self.fields["service"].initial = services[0][0] if services else None
        if target is not None:
            self._show(target)

    def clean(self) -> dict[str, Any]:
        """Check the URL and the secret. The messages name neither."""
        data = super().clean() or {}
        service = self.target.service if self.target else data.get("service")
        url, secret = data.get("url", ""), data.get("secret", "")
        if service and url:
            try:
                checked_address(service, url, settings.MESSAGE_HOSTS)
            except AddressRefused as error:
                self.add_error("url", address_refusal(error.cause, service))
        if secret and service and not FORMATS[service].is_signed:
            self.add_error(
                "secret", ValidationError(_("This service has no signing secret. Leave it empty."))
            )
        if secret and not url:
            self.add_error("url", ValidationError(_("Enter the URL again with the secret.")))
        return data

    def _show(self, target: NotificationTarget) -> None:
        """Show what this chat gets; its URL may stay."""
        del self.fields["service"]
        self.fields["name"].initial, self.fields["language"].initial = target.name, target.language
        self.fields["kinds"].initial = target.kinds
        self.fields["url"].required = False
        self.fields["url"].label = _("New webhook URL")
        self.fields["url"].help_text = _("Leave empty to keep the present URL and secret.")
