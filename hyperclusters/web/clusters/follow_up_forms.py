"""The forms of a follow-up."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.clusters.follow_ups import people_to_ask
from hyperclusters.clusters.models import Creation, FollowUp
from hyperclusters.clusters.models.follow_up import TEXT_LENGTH
from hyperclusters.web.shared.fields import DayField
from hyperclusters.web.shared.http import as_uuid

PEOPLE = "follow-up-people"  # the ID of the list of people
USUAL = timedelta(days=7)  # until the due date


class TextField(forms.CharField):
    """A message of several lines. A line break counts as one character, as browsers count it."""

    widget = forms.Textarea(attrs={"rows": 4})

    def to_python(self, value: Any) -> str:
        return super().to_python(str(value).replace("\r\n", "\n") if value else value) or ""


def person_field() -> forms.CharField:
    """A person of the list beside it, or a name that is typed."""
    names = {"list": PEOPLE, "autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
    return forms.CharField(
        label=_("Assigned to"),
        max_length=150,
        widget=forms.TextInput(attrs=names),
        error_messages={"required": _("Choose a person.")},
    )


def day_field() -> DayField:
    """The last day for the answer."""
    return DayField(label=_("Due date"), help_text=_("Until the end of this day (UTC)."))


def text_field(label: Any, *, is_required: bool = True, help_text: Any = "") -> TextField:
    """What somebody says."""
    return TextField(
        label=label,
        required=is_required,
        max_length=TEXT_LENGTH,
        help_text=help_text,
        error_messages={"required": _("Enter a text.")},
    )


class TokenForm(forms.Form):
    """A form whose token makes a double click one entry."""

    token = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_token(self) -> uuid.UUID:
        """A new one if it is lost or malformed."""
        return as_uuid(self.cleaned_data["token"]) or uuid.uuid4()


class OpenForm(TokenForm):
    """Whom to ask what, until when."""

    field_order = ["text", "person", "due_on", "token"]

    text = text_field(
        _("What should be answered?"), help_text=_("The assigned person sees this. Kept in the audit.")
    )
    person = person_field()
    due_on = day_field()

    def __init__(self, data: Any = None, *, creation: Creation) -> None:
        people = people_of(creation)
        requester = creation.requested_by.username if people[:1] == [creation.requested_by.username] else ""
        initial = {"person": requester, "due_on": clock.today() + USUAL, "token": uuid.uuid4()}
        super().__init__(data, initial=initial)
        self.people = people


class AnswerForm(TokenForm):
    """The next words of the conversation."""

    text = text_field(_("Reply"), help_text=_("Kept in the audit."))

    def __init__(self, data: Any = None, *, follow_up: FollowUp) -> None:  # noqa: ARG002 -- as the others
        super().__init__(data, initial={"token": uuid.uuid4()}, auto_id="answer_%s")


class ChangeForm(forms.Form):
    """A form of the follow-up's page: it is of the version that was read."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, follow_up: FollowUp) -> None:
        initial = {"version": follow_up.version, "due_on": follow_up.due_on}
        super().__init__(data, initial=initial, auto_id=f"{type(self).__name__.lower()}_%s")

    def clean_version(self) -> int:
        """That of no follow-up if it is lost or no number: the form then counts as old."""
        text: str = self.cleaned_data["version"]
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


class ReassignForm(ChangeForm):
    """Who is asked instead."""

    person = person_field()


class RescheduleForm(ChangeForm):
    """Until when instead."""

    due_on = day_field()


class CloseForm(ChangeForm):
    """How it ended."""

    note = text_field(_("Closing note"), is_required=False)


def people_of(creation: Creation, without: str = "") -> list[str]:
    """The user names of those who can be asked, the requester first."""
    grants = people_to_ask(creation.team).exclude(person__username=without)
    names = list(dict.fromkeys(grants.values_list("person__username", flat=True)))
    return sorted(names, key=lambda name: (name != creation.requested_by.username, name))
