"""Forms for admins: what a team allows, a new team, and a person's address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Team
from hyperclusters.modelarts import ClusterType
from hyperclusters.web.access.forms import ReasonForm

if TYPE_CHECKING:
    TeamModelForm = forms.ModelForm[Team]  # at run time it takes no parameter
else:
    TeamModelForm = forms.ModelForm


class RulesForm(TeamModelForm):
    """What a team allows. Only these fields, whatever is posted."""

    allowed_types = forms.MultipleChoiceField(
        label=_("Cluster types"),
        choices=[(kind.value, kind.value) for kind in ClusterType],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("None marked: every type."),
    )
    reason = forms.CharField(label=_("Why"), max_length=500, required=False)

    class Meta:
        model = Team
        fields = list(Team.RULES)
        help_texts = {
            "name_pattern": _("“*” stands for anything, “?” for one character: vision-*. Empty: any name."),
            "longest_days": _("Empty: as long as one likes."),
        }


class QuotaForm(forms.Form):
    """How many clusters a team may have in all its projects."""

    quota = forms.IntegerField(
        label=_("Clusters in all its projects"),
        min_value=0,
        max_value=1_000_000,
        required=False,
        help_text=_("Made and being made. Empty: as many as its projects allow."),
    )
    reason = forms.CharField(label=_("Why"), max_length=500, required=False)


class TeamForm(TeamModelForm):
    """A new team."""

    class Meta:
        model = Team
        fields = ["name", "slug"]
        labels = {"name": _("Name"), "slug": _("Short name")}
        help_texts = {"slug": _("Its name in addresses: letters, digits and hyphens.")}


class CorrectForm(ReasonForm):
    """A person's address and full name."""

    field_order = ["email", "full_name", "reason"]

    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_(
            "Mails go to the new address at once; the old one is told. The company's verified address replaces it at "
            "the next sign-in with the company account."
        ),
    )
    full_name = forms.CharField(label=_("Full name"), max_length=150, required=False)
