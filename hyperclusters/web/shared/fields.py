"""Form fields that several forms share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit.times import parse_time


class UtcDateTimeField(forms.DateTimeField):
    """A time in UTC, as a browser's field sends it or as people type it. A date alone is the beginning of that day or,
    with `is_end`, its end."""

    default_error_messages = {"invalid": _("Enter a time such as 2026-11-25 or 2026-11-25T22:30 (UTC).")}

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_end = is_end

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return parse_time(str(value), is_end=self.is_end)
        except ValueError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


class DayField(forms.DateField):
    """A day in UTC, as a browser's field sends it."""

    default_error_messages = {"required": _("Choose a day."), "invalid": _("Enter a day such as 2026-12-31.")}

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")  # as browsers read it
        super().__init__(input_formats=["%Y-%m-%d"], widget=widget, **kwargs)


class RepeatedField(forms.MultipleChoiceField):
    """Several values of one parameter. Empty ones, which a form of empty fields sends, are none.

    Without `choices` any text may be a value, such as the name of a person who has left.
    """

    widget = forms.MultipleHiddenInput
    MOST = 200  # values
    LONGEST = 150  # characters

    def to_python(self, value: Any) -> list[str]:
        return [text for text in dict.fromkeys(super().to_python(value)) if text][: self.MOST]

    def valid_value(self, value: str) -> bool:
        if self.choices:
            return super().valid_value(value)
        return len(value) <= self.LONGEST and "\x00" not in value
