"""Connecting projects: what platform admins type. A secret goes in and never comes out again, not even after an error."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Team
from hyperclusters.clusters.models import KeyKind, Project
from hyperclusters.clusters.models.project import validate_project_id
from hyperclusters.clusters.projects import REGIONS, known_endpoints
from hyperclusters.modelarts import Credentials, is_header_safe
from hyperclusters.web.shared.fields import UtcDateTimeField

PLAIN = {"class": "input mono", "autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
KEY_ERRORS = {
    "access_key": _("Enter the access key ID."),
    "secret_key": _("Enter the secret access key."),
}
SECRET = PLAIN | {"autocomplete": "new-password"}


class KeyForm(forms.Form):
    """The key that a project's calls are signed with."""

    key_kind = forms.ChoiceField(
        label=_("Key"),
        choices=[(KeyKind.STATIC, KeyKind.STATIC.label), (KeyKind.MACHINE, KeyKind.MACHINE.label)],
        initial=KeyKind.STATIC,
        required=False,
        widget=forms.RadioSelect,
        help_text=_("The agency's key comes from the cloud's metadata service. We store nothing."),
    )
    access_key = forms.CharField(label=_("Access key ID"), required=False, widget=forms.TextInput(PLAIN))
    secret_key = forms.CharField(
        label=_("Secret access key"),
        required=False,
        widget=forms.PasswordInput(SECRET),
        help_text=_("Encrypted before it is stored, and never shown again."),
    )
    security_token = forms.CharField(
        label=_("Security token"),
        required=False,
        widget=forms.PasswordInput(SECRET),
        help_text=_("Only for a temporary key."),
    )
    key_until = UtcDateTimeField(
        label=_("Expires (UTC)"),
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local", "class": "input"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("Only for a temporary key. We stop using the key at this time."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:
            self.fields["secret_key"].help_text = _("Not kept after an error: enter it again.")
        if not settings.METADATA_ENDPOINT:
            del self.fields["key_kind"]
            for name, error in KEY_ERRORS.items():
                self.fields[name].required = True
                self.fields[name].error_messages["required"] = error

    def clean(self) -> dict[str, Any]:
        """A key is whole, and can stand in a header as it is."""
        data = super().clean() or self.cleaned_data
        if self._is_machine():
            return data
        for name in ("access_key", "secret_key", "security_token"):
            value = data.get(name, "")
            if not value and name != "security_token" and name not in self.errors:
                self.add_error(name, str(KEY_ERRORS[name]))
            elif value and not is_header_safe(value):
                self.add_error(name, gettext("A key has no spaces, line breaks or letters beyond ASCII."))
        if data.get("security_token") and not data.get("key_until") and "key_until" not in self.errors:
            self.add_error("key_until", gettext("Enter when the temporary key ends."))
        return data

    def credentials(self) -> Credentials | None:
        """What was typed, once the form is valid; None for the machine's own."""
        if self._is_machine():
            return None
        data = self.cleaned_data
        return Credentials(data["access_key"], data["secret_key"], data["security_token"])

    def _is_machine(self) -> bool:
        return self.cleaned_data.get("key_kind") == KeyKind.MACHINE


class ProjectForm(forms.Form):
    """What of a project may change later."""

    name = forms.SlugField(
        label=_("Name"),
        max_length=64,
        widget=forms.TextInput(PLAIN),
        error_messages={"required": _("Enter a name.")},
        help_text=_("What people see here, such as vision-cn-southwest-2."),
    )
    team = forms.ModelChoiceField(
        label=_("Team"),
        queryset=Team.objects.all(),
        widget=forms.Select({"class": "input"}),
        empty_label=_("Choose a team"),
        error_messages={"required": _("Choose a team.")},
    )
    region = forms.ChoiceField(label=_("Region"), required=False, widget=forms.Select({"class": "input"}))
    quota = forms.IntegerField(
        label=_("Quota"),
        required=False,
        min_value=0,
        max_value=100_000,
        widget=forms.NumberInput({"class": "input", "inputmode": "numeric"}),
        help_text=_(
            "How many clusters it may have, including those being created. Leave empty for no limit."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        here = self.initial.get("region", "")
        choices = [*REGIONS, here] if here and here not in REGIONS else REGIONS
        self.fields["region"].choices = [("", gettext("Other region")), *((name, name) for name in choices)]  # type: ignore[attr-defined]

    @classmethod
    def of(cls, project: Project) -> ProjectForm:
        """Filled in with what is."""
        initial = {
            "name": project.name,
            "team": project.team_id,
            "region": project.region,
            "quota": project.quota,
            "reads_traces": project.reads_traces,
        }
        form = cls(initial=initial)
        form.fields["team"].help_text = gettext(
            "Its clusters and creations move with it. Past audit events keep the old team."
        )
        return form


class SettingsForm(ProjectForm):
    """What may change of a project that is connected."""

    reads_traces = forms.BooleanField(
        label=_("Allow CTS queries"),
        required=False,
        help_text=_(
            "Admins and auditors can query Cloud Trace Service with the project's key about clusters created elsewhere. We never query it on our own."
        ),
    )


class ConnectForm(KeyForm, ProjectForm):
    """A new project."""

    field_order = (
        "key_kind", "access_key", "secret_key", "security_token", "key_until",
        "name", "team", "region", "endpoint", "project_id", "quota",
    )  # fmt: skip

    endpoint = forms.CharField(
        label=_("Endpoint"),
        required=False,
        max_length=200,
        widget=forms.TextInput(PLAIN | {"list": "known-endpoints", "inputmode": "url"}),
    )
    project_id = forms.CharField(
        label=_("Project ID"),
        max_length=64,
        strip=False,
        validators=[validate_project_id],
        widget=forms.TextInput(PLAIN),
        error_messages={"required": _("Enter a project ID, or list the key's projects.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _other, *regions = self.fields["region"].choices  # type: ignore[attr-defined]
        endpoints, other = known_endpoints(), gettext("%(region)s (type an endpoint)")
        self.fields["region"].choices = [  # type: ignore[attr-defined]
            ("", gettext("Choose a region, or type an endpoint")),
            *((name, name if name in endpoints else other % {"region": name}) for name, _name in regions),
        ]

    def clean(self) -> dict[str, Any]:
        """The endpoint is the one typed, or the region's own."""
        data = super().clean()
        endpoints = known_endpoints()
        data["endpoint"] = data.get("endpoint", "").rstrip("/").lower() or endpoints.get(
            data.get("region", ""), ""
        )
        if not data["endpoint"]:
            if data.get("region"):
                error = gettext(
                    "This installation may not call this region's own endpoint. Choose another region, or type an endpoint."
                )
                self.add_error("region", error)
            else:
                self.add_error("endpoint", gettext("Choose a region, or type the endpoint."))
        return data


class FindForm(ConnectForm):
    """The key, and where to ask for its projects. What names the new project can follow later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "team", "project_id"):
            self.fields[name].required = False


class PickForm(ProjectForm):
    """A new project whose key was typed in the step before."""

    picked = forms.CharField(required=False, max_length=64, strip=False)
    project_id = forms.CharField(
        label=_("Other project ID"),
        required=False,
        max_length=64,
        strip=False,
        widget=forms.TextInput(PLAIN | {"list": "found-projects"}),
        help_text=_("For a project that is not listed."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["region"]  # the key's own

    def clean(self) -> dict[str, Any]:
        """One project: picked or typed."""
        data = super().clean() or self.cleaned_data
        choice, entry = data.pop("picked", ""), data.get("project_id", "")
        if choice and entry and choice != entry:
            self.add_error("project_id", gettext("Choose a project or type an ID, not both."))
        elif not choice and not entry and "project_id" not in self.errors:
            self.add_error("project_id", gettext("Choose a project, or type its ID."))
        data["project_id"] = entry or choice
        return data
