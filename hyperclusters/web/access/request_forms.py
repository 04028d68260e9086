"""Forms that request access, and approve a request."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import TEAM_ROLES, Role, Team
from hyperclusters.web.access.forms import ROLES_HELP, RadioRow

LENGTHS = [
    ("1", _("1 day")),
    ("7", _("1 week")),
    ("30", _("30 days")),
    ("90", _("90 days")),
    ("", _("No end date")),
]


class AskForm(forms.Form):
    """Which team, which role, for how long, why."""

    team = forms.ChoiceField(
        label=_("Team"),
        error_messages={
            "required": _("Choose a team."),
            "invalid_choice": _("This team does not exist. Choose another one."),
        },
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=[(role.value, role.label) for role in TEAM_ROLES],
        initial=Role.CREATOR.value,
        widget=RadioRow,
        help_text=ROLES_HELP,
    )
    days = forms.TypedChoiceField(
        label=_("For how long"),
        choices=LENGTHS,
        initial="7",
        required=False,
        coerce=int,
        empty_value=None,
        help_text=_("The time starts when your request is approved."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        help_text=_("The people who decide read it."),
        error_messages={"required": _("Enter a reason. The people who decide read it.")},
    )

    def __init__(self, *args: Any, teams: list[tuple[Team, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.teams = {team.slug: team for team, _who in teams}
        self.deciders = {team.slug: who for team, who in teams}
        choices = [(team.slug, f"{team.name} · {who}") for team, who in teams]
        self.fields["team"].choices = [("", _("Choose a team")), *choices]  # type: ignore[attr-defined]

    def clean_team(self) -> Team:
        """The team itself."""
        return self.teams[self.cleaned_data["team"]]


class ApproveForm(forms.Form):
    """For how long from now on, and a word with it."""

    days = forms.TypedChoiceField(label=_("For how long"), required=False, coerce=int, empty_value=None)
    note = forms.CharField(label=_("Reason"), max_length=500, required=False)

    def __init__(self, *args: Any, days: int | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = str(days) if days is not None else ""
        choices: list[tuple[str, Any]] = list(LENGTHS)
        if own not in dict(choices):
            choices.insert(0, (own, _("%(days)s days") % {"days": own}))
        self.fields["days"].choices = choices  # type: ignore[attr-defined]
        self.fields["days"].initial = own
