"""Forms for admins: what a team allows, a new team, and a person's address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext, ngettext
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
        help_text=_("Leave both unticked to allow both."),
    )
    approval_types = forms.MultipleChoiceField(
        label=_("Types that need approval"),
        choices=[(kind.value, kind.value) for kind in ClusterType],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_(
            "Creations of these types wait until an admin other than the requester approves them. "
            "This includes creations by admins."
        ),
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=500, required=False, help_text=_("Kept in the audit.")
    )

    class Meta:
        model = Team
        fields = list(Team.RULES)
        labels = {
            "allows_open_ended": _("Access may have no end date"),
            "longest_days": _("Longest access, in days"),
            "name_pattern": _("Cluster names"),
            "reason_required": _("A creation needs a reason"),
            "approval_from": _("Approval needed from this cluster on"),
        }
        error_messages = {
            "longest_days": {"min_value": _("Enter 1 day or more, or leave it empty.")},
            "approval_from": {"min_value": _("Enter 1 or more, or leave it empty.")},
        }
        help_texts = {
            "allows_open_ended": _("Untick to require an end date. Existing access stays as it is."),
            "longest_days": _(
                "Leave empty for no limit. With a limit, access always has an end date. This applies to new "
                "access, requests and invitations."
            ),
            "name_pattern": _(
                "“*” stands for any characters, “?” for one: vision-*. Leave empty for any name."
            ),
            "reason_required": _("The form for a new cluster then requires one."),
            "approval_from": _(
                "With 20, every creation from the team's 20th cluster on waits for approval, whatever its type. Leave "
                "empty to require none. Creations already waiting keep waiting."
            ),
        }


class QuotaForm(forms.Form):
    """How many clusters a team may have in all its projects."""

    quota = forms.IntegerField(
        label=_("Maximum clusters in all projects"),
        min_value=0,
        max_value=1_000_000,
        required=False,
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=500, required=False, help_text=_("Kept in the audit.")
    )

    def __init__(self, *args: Any, used_count: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text = ngettext(
            "%(n)d cluster counts now, including creations under way.",
            "%(n)d clusters count now, including creations under way.",
            used_count,
        ) % {"n": used_count}
        rest = gettext(
            "At the limit, new creations are refused and existing clusters stay. Leave empty for no limit."
        )
        self.fields["quota"].help_text = f"{text} {rest}"


class TeamForm(TeamModelForm):
    """A new team."""

    class Meta:
        model = Team
        fields = ["name", "slug"]
        labels = {"name": _("Name"), "slug": _("Short name")}
        error_messages = {
            "name": {"required": _("Enter a name.")},
            "slug": {"required": _("Enter a short name.")},
        }
        help_texts = {
            "slug": _(
                "Used in addresses, the API and commands: letters, digits and hyphens. You can't change it later."
            )
        }


class RenameForm(ReasonForm):
    """Another name for a team."""

    field_order = ["name", "reason"]

    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("Addresses, links and the API keep the short name.")
    )


class CorrectForm(ReasonForm):
    """A person's address and full name."""

    field_order = ["email", "full_name", "reason"]

    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_(
            "Mail goes to the new address at once, and the old address gets a notice. Signing in with the company "
            "account replaces it with the address verified there."
        ),
    )
    full_name = forms.CharField(label=_("Full name"), max_length=150, required=False)
