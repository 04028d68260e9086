"""The form of the audit's alerts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.alert_mails import THRESHOLDS, possible_recipients
from hyperclusters.access.models import User
from hyperclusters.audit.models import AlertSettings


class AlertForm(forms.Form):
    """From when on there is an alert, and who gets a mail."""

    recipients = forms.MultipleChoiceField(
        label=_("Send mails to"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        error_messages={
            "invalid_choice": _("%(value)s can't get these mails: only auditors with an e-mail address do.")
        },
        help_text=_("Only auditors with an e-mail address. Mails stop when somebody loses the role."),
    )
    denials = forms.IntegerField(
        label=_("Denials that raise an alert"),
        min_value=1,
        max_value=1000,
        help_text=_("Of one person or one address, within the time below."),
    )
    minutes = forms.IntegerField(label=_("Counted within (minutes)"), min_value=1, max_value=60)
    late_minutes = forms.IntegerField(
        label=_("Forwarding counts as late after (minutes)"),
        min_value=1,
        max_value=1440,
        help_text=_("An event that waits longer to reach a webhook or the log raises an alert."),
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=500, required=False, help_text=_("Kept in the audit.")
    )

    def __init__(self, *args: Any, alerts: AlertSettings, **kwargs: Any) -> None:
        self.people = {person.username: person for person in possible_recipients() if person.email}
        names = [name for name, person in self.people.items() if person.pk in alerts.recipients]
        initial = {name: getattr(alerts, name) for name in THRESHOLDS}
        super().__init__(*args, **kwargs)
        self.initial = {**initial, "recipients": names}
        choices = [(name, f"{name} · {person.email}") for name, person in self.people.items()]
        self.fields["recipients"].choices = choices  # type: ignore[attr-defined]

    def clean_recipients(self) -> list[User]:
        """The people themselves."""
        return [self.people[name] for name in self.cleaned_data["recipients"]]
