"""What people type, checked and put into words."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import User
from hyperclusters.clusters.creations import CreateRequest
from hyperclusters.clusters.models import ClusterListing, Creation, Project
from hyperclusters.modelarts import ClusterType, is_name, is_subnet_id
from hyperclusters.web.texts.refusals import name_trouble, subnet_trouble


class OneTimeToken(forms.UUIDField):
    """The hidden token that makes a form good for one creation."""

    widget = forms.HiddenInput

    def validate(self, value: Any) -> None:
        """Random ones alone: the others stand for keys of API clients (see `clusters.idempotency`)."""
        super().validate(value)
        if value.version != 4:
            raise ValidationError(self.error_messages["invalid"], code="invalid")


class CreationForm(forms.Form):
    """What to create. Values are taken as typed, to the byte: nothing is stripped that would be sent."""

    is_refused = False  # whether an error says itself that nothing was sent
    SHOWN = ("project", "name", "type", "hyper_cluster_subnet_id", "reason")

    project = forms.ChoiceField(
        label=_("Project"),
        error_messages={"invalid_choice": _("This is not one of the projects in which you may create.")},
    )
    name = forms.CharField(label=_("Name"), strip=False)
    type = forms.ChoiceField(
        label=_("Type"),
        choices=[*((kind.value, kind.value) for kind in ClusterType), ("", _("Not stated"))],
        initial=ClusterType.HPS,
        widget=forms.RadioSelect,
        required=False,  # it may be empty, but has to be said: see clean_type
    )
    hyper_cluster_subnet_id = forms.CharField(
        label=_("Subnet ID"),
        required=False,
        strip=False,
        help_text=_(
            "A parameter-plane subnet of a hyper cluster, not a VPC subnet. Known IDs come from the clusters of the "
            "project. Leave empty for the default network."
        ),
    )
    reason = forms.CharField(label=_("Reason"), required=False, max_length=500)
    token = OneTimeToken(
        error_messages={"required": _("This form is incomplete. Reload the page and try again.")}
    )

    despite = forms.BooleanField(
        label=_("Create it although a cluster of this name is there"), required=False
    )

    def __init__(self, *args: Any, projects: list[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.projects = {project.name: project for project in projects}
        self.label_projects([(project.name, project.name) for project in projects])
        self.fields["token"].initial = uuid.uuid4
        for name, attributes in WIDGETS.items():
            self.fields[name].widget.attrs.update(attributes)

    def label_projects(self, choices: list[tuple[str, str]]) -> None:
        """The words of the menu of projects, for a form that is shown."""
        self.fields["project"].choices = choices  # type: ignore[attr-defined]

    def full_clean(self) -> None:
        """A form whose token is lost or malformed is refused, and shown again with a good one."""
        super().full_clean()
        if self.is_bound and "token" in self.errors:
            self.data = self.data.copy()  # type: ignore[attr-defined]  # what was posted is a QueryDict
            self.data["token"] = str(uuid.uuid4())  # type: ignore[index]

    def clean_project(self) -> Project:
        """The project itself."""
        return self.projects[self.cleaned_data["project"]]

    def clean_type(self) -> str:
        if "type" not in self.data:
            raise ValidationError(self.fields["type"].error_messages["required"], code="required")
        kind: str = self.cleaned_data["type"]
        return kind

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not is_name(name):
            raise ValidationError(name_trouble(name), code="grammar")
        return name

    def clean_hyper_cluster_subnet_id(self) -> str:
        subnet_id: str = self.cleaned_data["hyper_cluster_subnet_id"]
        if subnet_id and not is_subnet_id(subnet_id):
            raise ValidationError(subnet_trouble(subnet_id), code="grammar")
        return subnet_id

    def create_request(self) -> CreateRequest:
        """What was asked for, once the form is valid."""
        data = self.cleaned_data
        return CreateRequest(
            name=data["name"],
            type=data["type"],
            subnet_id=data["hyper_cluster_subnet_id"],
            reason=data["reason"],
        )


WIDGETS: dict[str, dict[str, str]] = {
    "project": {"class": "input"},
    "name": {
        "class": "input mono",
        "autocomplete": "off",
        "spellcheck": "false",
        "autocapitalize": "off",
        "aria-describedby": "id_name_note id_name_hint",
    },
    "hyper_cluster_subnet_id": {
        "class": "input mono",
        "autocomplete": "off",
        "spellcheck": "false",
        "autocapitalize": "off",
        "aria-describedby": "id_hyper_cluster_subnet_id_note id_hyper_cluster_subnet_id_helptext",
        "placeholder": _("Search by ID or cluster name, or paste a subnet ID"),  # type: ignore[dict-item]
    },
    # The live check gets only its first character: an address has no room for long text.
    "reason": {"class": "input", "maxlength": "500", "autocomplete": "off", "data-brief": ""},
}


class ProjectChoices:
    """The projects in which a person may create, one at least. Each question is asked once."""

    def __init__(self, person: User, projects: list[Project]) -> None:
        self.person, self.projects = person, projects

    def choose(self, values: dict[str, str]) -> Project:
        """The project that the form names, else the one last used, else the first that works, else the first."""
        healthy = (project for project in self.projects if project.pk not in self._troubles)
        return self.by_name(values) or self._last_used or next(healthy, self.projects[0])

    def by_name(self, values: dict[str, str]) -> Project | None:
        """The project that the form names, if it is one of these."""
        return next((project for project in self.projects if project.name == values.get("project")), None)

    def labels(self) -> list[tuple[str, str]]:
        """Values and words of the menu."""
        return [
            (each.name, _label(each, self._troubles.get(each.pk, ""), is_latest=each == self._last_used))
            for each in self.projects
        ]

    @cached_property
    def _last_used(self) -> Project | None:
        mine = Creation.objects.filter(requested_by=self.person, project__in=self.projects)
        latest = mine.order_by("-requested_at").values_list("project_id", flat=True).first()
        return next((project for project in self.projects if project.pk == latest), None)

    @cached_property
    def _troubles(self) -> dict[object, str]:
        """What is wrong with those that do not work, by their keys: calls are paused, or a list cannot be read."""
        lists = ClusterListing.objects.filter(project__in=self.projects, failed_at__isnull=False)
        troubles: dict[object, str] = dict.fromkeys(
            lists.values_list("project", flat=True), gettext("lists unavailable")
        )
        return troubles | {each.pk: gettext("calls paused") for each in self.projects if each.is_blocked()}


def _label(project: Project, trouble: str, *, is_latest: bool) -> str:
    return " · ".join(
        filter(None, (project.name, project.team.name, gettext("last used") if is_latest else "", trouble))
    )
