"""Retiring a project and using it again, for platform admins."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.permissions import Permission, may, who_can
from hyperclusters.clusters.models import Project, State
from hyperclusters.clusters.retirement import StillInUse, in_use, restore_project, retire_project
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_data

CONNECTORS = anywhere(Permission.CONNECT)


class RetireForm(forms.Form):
    """Why a project is retired."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=forms.TextInput({"class": "input"}),
        help_text=gettext_lazy("It is kept in the audit."),
    )


@access(get=CONNECTORS, post=CONNECTORS, recent=True)
@keeps_draft()
def retire(request: PageRequest, pk: int) -> HttpResponse:
    """What keeps the project from being retired, or the form for it."""
    project = get_object_or_404(Project.objects.select_related("team"), pk=pk)
    form = filled_form(RetireForm(posted_data(request)), draft_for(request))
    obstacle, is_posted = in_use(project), request.method == "POST"
    if is_posted and form.is_valid():
        try:
            retire_project(by=request.user, project=project, reason=form.cleaned_data["reason"])
        except StillInUse as error:
            obstacle = error
        else:
            messages.success(request, _("%(name)s is retired.") % {"name": project.name})
            return redirect(project)
    context: dict[str, Any] = {"project": project, "form": form, "obstacle": obstacle}
    if obstacle:
        undecided = project.creations.filter(state=State.NEEDS_ATTENTION).count()
        context |= {"undecided": undecided, "open_operations": obstacle.operations - undecided}
        context["may_delete"] = may(request.user, Permission.MANAGE, project.team)
        context["admins"] = sorted(
            {each.person.username for each in who_can(Permission.MANAGE, project.team)}
        )
    return render(request, "projects/retire.html", context, status=UNPROCESSABLE if is_posted else 200)


@access(post=CONNECTORS, page="projects:project", keys=("pk",), recent=True)
def restore(request: PageRequest, pk: int) -> HttpResponse:
    """Use a retired project again."""
    project = get_object_or_404(Project, pk=pk)
    restore_project(by=request.user, project=project)
    messages.success(request, _("%(name)s is in use again.") % {"name": project.name})
    return redirect(project)
