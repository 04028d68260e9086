"""Forms that give, change and accept access."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, timedelta
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.identifiers import validate_address
from hyperclusters.access.layers import replaced_by
from hyperclusters.access.models import SITE_ROLES, Grant, Role, Team, User
from hyperclusters.access.rules import Expiry, grantable_in
from hyperclusters.audit import clock
from hyperclusters.audit.times import end_of_day
from hyperclusters.web.shared.fields import DayField
from hyperclusters.web.texts.grants import last_day

PRESETS = [
    ("today", _("Today")),
    ("7", _("1 week")),
    ("30", _("30 days")),
    ("date", _("Date")),
    ("open", _("No end date")),
]


ROLES_HELP = _(
    "Viewers see clusters. Creators also create clusters and delete their own. Admins also give access, read the "
    "team's audit and delete every cluster."
)


class RadioRow(forms.RadioSelect):
    """Radio buttons in one row, as one control."""

    is_row = True


class LastDayField(DayField):
    """A day that is asked for only beside the preset "Date"."""

    is_conditional = True


class ReasonForm(forms.Form):
    """Only why."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        help_text=_("Kept in the audit."),
        error_messages={"required": _("Enter a reason. It is kept in the audit.")},
    )


class UntilForm(ReasonForm):
    """When access ends: a preset, or the end of a day (UTC), or not at all. What the team does not allow is not offered,
    and the help says why.

    With `grant` the form starts from the end that this grant has.
    """

    field_order = ["until", "date", "reason"]

    until = forms.ChoiceField(label=_("Access ends"), choices=PRESETS, initial="7", widget=RadioRow)
    date = LastDayField(
        label=_("Last day"), required=False, help_text=_("Access ends at the end of this day (UTC).")
    )

    def __init__(self, *args: Any, team: Team | None, grant: Grant | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.team, self.grant = team, grant
        if grant is not None:
            last = (grant.until - timedelta(microseconds=1)).astimezone(UTC).date() if grant.until else None
            self.initial.update(until="date" if last else "open", date=last)
        self.fields["until"].choices = [  # type: ignore[attr-defined]
            (value, word) for value, word in PRESETS if self._is_offered(value)
        ]
        self.fields["until"].help_text = " ".join(filter(None, (self._days(), self._limit())))

    def _days(self) -> str:
        """The last day of each preset that counts from now."""
        choices: list[tuple[str, Any]] = self.fields["until"].choices  # type: ignore[attr-defined]
        texts = [
            gettext("%(length)s: %(day)s")
            % {"length": word, "day": last_day(clock.now() + timedelta(days=int(preset)))}
            for preset, word in choices
            if preset.isdigit()
        ]
        return gettext("%(days)s (UTC).") % {"days": " · ".join(texts)} if texts else ""

    def _limit(self) -> str:
        if self.team is not None and (days := self.team.longest_days):
            text = ngettext("%(team)s allows %(n)d day at most.", "%(team)s allows up to %(n)d days.", days)
            return text % {"team": self.team.name, "n": days}
        if self.team is not None and not self.team.allows_open_ended:
            return gettext("%(team)s asks for an end date.") % {"team": self.team.name}
        return ""

    def _is_offered(self, preset: str) -> bool:
        longest = self.team.longest_days if self.team else None
        if preset == "open":
            return self.team is None or (self.team.allows_open_ended and longest is None)
        return longest is None or not preset.isdigit() or int(preset) <= longest

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("until") == "date" and "date" not in self.errors:
            if not data.get("date"):
                self.add_error("date", _("Choose the last day."))
            elif data["date"] < clock.now().date():
                self.add_error("date", _("Choose today or a later day."))
        return data

    def end(self) -> Expiry:
        """What was chosen, once the form is valid."""
        preset: str = self.cleaned_data["until"]
        if preset == "open":
            return None
        if preset.isdigit():
            return timedelta(days=int(preset))
        day = clock.now().date() if preset == "today" else self.cleaned_data["date"]
        return end_of_day(day)


class RoleForm(UntilForm):
    """Which role, until when, why."""

    field_order = ["role", "until", "date", "reason"]

    role = forms.ChoiceField(
        label=_("Role"),
        widget=RadioRow,
        help_text=ROLES_HELP,
        error_messages={"required": _("Choose a role.")},
    )

    def __init__(self, *args: Any, roles: Iterable[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(role.value, role.label) for role in roles]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]
        if len(choices) == 1 and self.grant is None:  # nothing to choose: the page's title says it
            self.initial["role"], self.fields["role"].widget = choices[0][0], forms.HiddenInput()

    def end(self) -> Expiry:
        """What was chosen; where the grant's end was left alone, that one to the second."""
        if self.grant is not None and not {"until", "date"} & set(self.changed_data):
            return self.grant.until
        return super().end()


class ChangeForm(RoleForm):
    """Another role, or another end, for a person who has access. It starts from the highest of their grants."""

    field_order = ["role", "until", "date", "keep", "reason"]

    keep = forms.BooleanField(label=_("Keep a higher role until it ends"), required=False)

    def __init__(self, *args: Any, grants: list[Grant], **kwargs: Any) -> None:
        super().__init__(*args, grant=grants[0], initial={"role": grants[0].role}, **kwargs)
        self.grants = grants
        if all(each.until is None or each.role == Role.VIEWER for each in grants):
            del self.fields["keep"]

    def replaced_grants(self) -> list[Grant]:
        """The grants that end with what was chosen, once role and end are valid."""
        role, end = Role(self.cleaned_data["role"]), self.end()
        until = clock.now() + end if isinstance(end, timedelta) else end
        return replaced_by(self.grants, role, until, keep_higher=self.cleaned_data.get("keep", False))

    @property
    def same(self) -> Grant | None:
        """The grant of the chosen role, if only its end changes."""
        grants = self.replaced_grants()
        return grants[0] if [each.role for each in grants] == [self.cleaned_data["role"]] else None


class GiveForm(RoleForm):
    """To whom besides."""

    field_order = ["who", "role", "until", "date", "reason"]

    who = forms.CharField(
        label=_("User name or e-mail address"),
        max_length=254,
        error_messages={"required": _("Enter a user name or an e-mail address.")},
        help_text=_(
            "A person without an account gets an invitation by e-mail. Its link works once, within 7 days."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )

    def clean_who(self) -> User | str:
        """The person; or the address, if nobody here has it."""
        text: str = self.cleaned_data["who"]
        find = User.objects.by_address if "@" in text else User.objects.by_username
        if person := find(text).filter(grantable_in(self.team)).first():
            return person
        if "@" not in text:
            raise ValidationError(
                _("No account has this user name. To invite a person, enter their e-mail address.")
            )
        validate_address(text)
        return text


class AddPersonForm(GiveForm):
    """A person's access to a team that is chosen as well: for somebody with an account, or invited by e-mail."""

    field_order = ["who", "team", "role", "until", "date", "reason"]

    def __init__(self, *args: Any, teams: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, team=None, **kwargs)
        choices = [("", _("Choose a team")), *teams]
        self.fields["team"] = forms.ChoiceField(
            label=_("Team"), choices=choices, error_messages={"required": _("Choose a team.")}
        )
        self.order_fields(self.field_order)


class SiteRoleForm(GiveForm):
    """A role in the whole installation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, team=None, roles=SITE_ROLES, **kwargs)
        self.fields["who"].help_text = ""
        self.fields["role"].help_text = _(
            "Auditors see every team and read the whole audit. Platform admins connect projects, add teams and appoint "
            "their admins."
        )

    def clean_who(self) -> User | str:
        who = super().clean_who()
        if isinstance(who, str):
            raise ValidationError(_("Nobody here has this address."))
        return who


class JoinForm(forms.Form):
    """An account for somebody who was invited."""

    username = forms.CharField(label=_("User name"), max_length=64)
    full_name = forms.CharField(label=_("Full name"), max_length=150, required=False)
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 12 characters, not a common word, and not like your name."),
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, User(username=self.cleaned_data.get("username", "")))
        return password
