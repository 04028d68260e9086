"""Projects, for platform admins: connect, change, replace the key, test the connection."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from hyperclusters.access.permissions import Permission
from hyperclusters.accounts.recent_login import is_recent
from hyperclusters.clusters.connections import ask_test
from hyperclusters.clusters.models import Project
from hyperclusters.clusters.projects import change_project, connect_project, known_endpoints, replace_key
from hyperclusters.clusters.quotas import count_used, with_used
from hyperclusters.web.projects.forms import ConnectForm, KeyForm, SettingsForm
from hyperclusters.web.projects.lookups import carried_values, find
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_data, wants_fragment
from hyperclusters.web.texts.diagnoses import diagnosis, list_lines, pause_of

CONNECTORS = anywhere(Permission.CONNECT)
SECRETS = ("access_key", "secret_key", "security_token")  # never in a draft


@access(get=CONNECTORS)
def listing(request: PageRequest) -> HttpResponse:
    """Every project with its way to the cloud: calls, lists, clock, key."""
    projects = Project.objects.select_related("team").prefetch_related("sources")
    return render(request, "projects/list.html", {"projects": with_used(projects)})


@access(get=CONNECTORS, post=CONNECTORS, recent=True)
@keeps_draft(*SECRETS)
@sensitive_post_parameters()
def connect(request: PageRequest) -> HttpResponse:
    """Connect a project, and have the connection tested at once; or have the projects of the key listed first."""
    form = filled_form(
        ConnectForm(posted_data(request), initial=carried_values(request.GET)), draft_for(request)
    )
    if "find" in request.POST:
        form, response = find(request)
        if response:
            return response
    elif request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in CONNECT_FIELDS}
        try:
            new_project = connect_project(by=request.user, credentials=form.credentials(), **values)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            ask_test(by=request.user, project=new_project)
            return redirect(new_project)
    context = {"form": form, "endpoints": known_endpoints().values()}
    return render(request, "projects/connect.html", context, status=UNPROCESSABLE if form.errors else 200)


CONNECT_FIELDS = ("name", "team", "region", "endpoint", "project_id", "quota", "key_until")


@access(get=CONNECTORS)
def project(request: PageRequest, pk: int) -> HttpResponse:
    """One project. While a test is under way, the part that shows it asks for itself again."""
    project = _project(pk)
    if wants_fragment(request):
        response = render(request, "projects/_test.html", _test_context(project))
    else:
        response = _page(request, project)
    patch_vary_headers(response, ["HX-Request"])
    return response


@access(get=CONNECTORS, post=CONNECTORS, page="projects:project", keys=("pk",), recent=True)
@keeps_draft()
def change(request: PageRequest, pk: int) -> HttpResponse:
    """Change name, team, region, quota, or whether people may ask CTS."""
    project, form = _project(pk), SettingsForm(request.POST)
    if form.is_valid():
        try:
            if change_project(by=request.user, project=project, **form.cleaned_data):
                messages.success(request, _("Saved."))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect(project)
    return _page(request, project, form=form, status=UNPROCESSABLE)


@access(get=CONNECTORS, post=CONNECTORS, page="projects:project", keys=("pk",), recent=True)
@keeps_draft(*SECRETS)
@sensitive_post_parameters()
def key(request: PageRequest, pk: int) -> HttpResponse:
    """Replace the key, and have the connection tested with the new one."""
    project, form = _project(pk), KeyForm(request.POST)
    if form.is_valid():
        until = form.cleaned_data["key_until"]
        try:
            replace_key(by=request.user, project=project, credentials=form.credentials(), key_until=until)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            ask_test(by=request.user, project=project)
            messages.success(request, _("The key is replaced. It is being tested."))
            return redirect(project)
    return _page(request, project, key_form=form, status=UNPROCESSABLE)


@access(post=CONNECTORS, page="projects:project", keys=("pk",))
def test(request: PageRequest, pk: int) -> HttpResponse:
    """Have a worker test the connection."""
    project = _project(pk)
    ask_test(by=request.user, project=project)
    if request.htmx:
        return render(request, "projects/_test.html", _test_context(project))
    return redirect(project)


def _project(pk: int) -> Project:
    return get_object_or_404(Project.objects.select_related("team").prefetch_related("sources"), pk=pk)


def _test_context(project: Project) -> dict[str, Any]:
    last = project.tests.first()
    words = {"diagnosis": diagnosis(last), "lists": list_lines(last)} if last else {}
    return {"project": project, "test": last, "pause": pause_of(project)} | words


def _page(
    request: PageRequest,
    project: Project,
    *,
    form: SettingsForm | None = None,
    key_form: KeyForm | None = None,
    status: int = 200,
) -> HttpResponse:
    drafts = [draft_for(request, reverse(f"projects:{act}", args=[project.pk])) for act in ("change", "key")]
    context = _test_context(project) | {
        "form": form or filled_form(SettingsForm.of(project), drafts[0]),
        "key_form": key_form or filled_form(KeyForm(), drafts[1]),
        "used": count_used(project),
        "may_change": is_recent(request.session),
    }
    return render(request, "projects/project.html", context, status=status)
