"""Forms about API tokens and service identities."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Role, Team, User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.accounts.models import Scope
from hyperclusters.audit import clock
from hyperclusters.web.access.forms import RadioRow, RoleForm
from hyperclusters.web.texts.grants import day

DAYS = [(7, _("1 week")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year"))]
DEFAULT_DAYS = 90
NEEDS = {  # what one must be permitted to use each scope at all
    Scope.CLUSTERS_READ: Permission.VIEW,
    Scope.CLUSTERS_WRITE: Permission.CREATE,
    Scope.AUDIT_READ: Permission.AUDIT,
    Scope.ACCESS_READ: Permission.MEMBERS,
    Scope.ACCESS_WRITE: Permission.GRANT,
}


class ScopeBoxes(forms.CheckboxSelectMultiple):
    """A box for each scope; those that no owner can use are disabled."""

    unusable: frozenset[str] = frozenset()

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """One box."""
        option = super().create_option(name, value, *args, **kwargs)
        if value in self.unusable:
            option["attrs"]["disabled"] = True
        return option


class TokenForm(forms.Form):
    """A new token: whose, what for, where, and how long."""

    owner = forms.ChoiceField(label=_("Acts as"), widget=forms.Select(attrs={"class": "input"}))
    name = forms.CharField(
        label=_("Name"),
        max_length=64,
        help_text=_("Where it is used, such as “nightly pipeline”. The audit shows it."),
        error_messages={"required": _("Enter a name.")},
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=Scope.choices,
        widget=ScopeBoxes,
        error_messages={"required": _("Choose at least one scope.")},
        initial=[Scope.CLUSTERS_READ],
    )
    team = forms.ChoiceField(
        label=_("Only in team"), required=False, widget=forms.Select(attrs={"class": "input"})
    )
    days = forms.TypedChoiceField(
        label=_("Expires"),
        choices=DAYS,
        coerce=lambda days: timedelta(days=int(days)),
        initial=DEFAULT_DAYS,
        widget=RadioRow,
    )

    def __init__(self, *args: Any, owners: list[User], teams: list[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owners = {owner.username: owner for owner in owners}
        self.teams = {team.slug: team for team in teams}
        self.fields["owner"].choices = [(name, name) for name in self.owners]  # type: ignore[attr-defined]
        if len(owners) == 1:
            self.fields["owner"].widget = forms.HiddenInput()
            self.fields["owner"].initial = owners[0].username
        every = [("", _("All your teams") if len(owners) == 1 else _("All teams of its owner"))]
        single = [(slug, team.name) for slug, team in self.teams.items()]
        self.fields["team"].choices = [*every, *single]  # type: ignore[attr-defined]
        if owners[0].service_team_id:
            del self.fields["team"]  # it has one
        self._offer_scopes()
        date = day(clock.now() + timedelta(days=DEFAULT_DAYS))
        self.fields["days"].help_text = gettext("90 days end on %(date)s.") % {"date": date}

    def _offer_scopes(self) -> None:
        """Each scope in words; one that no owner may use says so."""
        unusable = {
            scope
            for scope, needed in NEEDS.items()
            if not any(may(each, needed) for each in self.owners.values())
        }
        if any(not owner.service_team_id for owner in self.owners.values()):
            without_role = gettext("%(scope)s (needs a higher role)")
        else:
            without_role = gettext("%(scope)s (not for this service identity)")
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (scope, without_role % {"scope": capfirst(label)} if scope in unusable else capfirst(label))
            for scope, label in Scope.choices
        ]
        if Scope.CLUSTERS_READ in unusable:
            self.fields["scopes"].initial = []
        self.fields["scopes"].widget.unusable = frozenset(unusable)

    def clean_owner(self) -> User:
        """The person or service identity."""
        return self.owners[self.cleaned_data["owner"]]

    def clean_team(self) -> Team | None:
        """The one team, or None."""
        return self.teams.get(self.cleaned_data["team"])


class ServiceForm(RoleForm):
    """A new service identity and its first grant."""

    field_order = ["name", "role", "until", "date", "reason"]

    name = forms.CharField(
        label=_("Name"),
        max_length=40,
        validators=[
            RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*\Z", _("Lowercase letters, digits and hyphens."))
        ],
        widget=forms.TextInput(attrs={"class": "input mono", "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, team=team, roles=[Role.VIEWER, Role.CREATOR], **kwargs)
        self.team: Team = team
        self.fields["name"].help_text = gettext(
            "Lowercase letters, digits and hyphens. With “nightly” the identity is “%(team)s.nightly”."
        ) % {"team": team.slug}
        self.fields["role"].help_text = _(
            "Viewers see clusters. Creators also create clusters and delete their own."
        )
        if self._is_offered("open"):  # a pipeline lasts
            self.fields["until"].initial = "open"

    def clean_name(self) -> str:
        """A name that nobody has."""
        name: str = self.cleaned_data["name"]
        if User.objects.by_username(f"{self.team.slug}.{name}").exists():
            raise ValidationError(_("Somebody has this user name already."))
        return name
