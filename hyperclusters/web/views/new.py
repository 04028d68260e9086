"""The form that creates a hyper cluster."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Action, NotPermitted
from hyperclusters.clusters import creations
from hyperclusters.clusters.models import Creation, Project
from hyperclusters.clusters.outlook import Outlook, outlook
from hyperclusters.clusters.refusals import NameTaken, NameUnresolved, Refused, TokenUsed
from hyperclusters.modelarts import ClusterType, create_request, is_name, is_subnet_id
from hyperclusters.web.errors import not_recorded
from hyperclusters.web.forms import CreationForm
from hyperclusters.web.request import PageRequest
from hyperclusters.web.sentences import name_trouble, refusal, subnet_trouble

# Status of the answer when the form is shown again; 409 says that the same form made something else before.
REFUSED, CONFLICT = 422, 409
SNIPPETS = ("json", "curl", "sdk")


@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    """The form and its live preview (GET), and the one service call that records what is asked (POST)."""
    person = request.user
    projects = Project.objects.where(person, Action.CREATE)
    if not projects.exists():
        return _not_permitted(request)
    if request.method == "POST":
        return _submitted(request, projects)
    typed = {name: request.GET[name] for name in CreationForm.SHOWN if name in request.GET}
    if request.htmx:
        response = render(request, "clusters/_live.html", _preview(request, projects, typed, live=True))
    else:
        form = CreationForm(
            projects=projects, initial={"project": projects.first()} | _prefill(typed, projects)
        )
        context = _preview(request, projects, typed) | {"form": form}
        response = render(request, "clusters/new.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _submitted(request: PageRequest, projects: Any) -> HttpResponse:
    form = CreationForm(request.POST, projects=projects)
    status = REFUSED
    context: dict[str, Any] = {}
    try:
        if form.is_valid():
            data = form.cleaned_data
            creation = creations.request_creation(
                person=request.user,
                project=data["project"],
                wish=form.wish(),
                token=data["token"],
                again_of=_again(request, data["project"]),
            )
            return redirect(creation)
        _note_refused(request.user, form)
    except NotPermitted:
        return _not_permitted(request, noted=True)
    except Refused as refused:
        form.add_error(
            "name" if isinstance(refused, NameTaken | NameUnresolved) else None,
            refusal(refused),
        )
        context["refused"] = refused
        if isinstance(refused, TokenUsed):
            status = CONFLICT
    except DatabaseError:
        return not_recorded(request, {name: request.POST.get(name, "") for name in CreationForm.SHOWN})
    if status == CONFLICT:
        return render(request, "clusters/token_used.html", context, status=CONFLICT)
    typed = {name: request.POST.get(name, "") for name in CreationForm.SHOWN}
    return render(
        request,
        "clusters/new.html",
        _preview(request, projects, typed) | context | {"form": form},
        status=status,
    )


def _note_refused(person: User, form: CreationForm) -> None:
    values = {name: form.data.get(name, "") for name in ("project", "name", "type", "reason")}
    values["subnet_id"] = form.data.get("hyper_cluster_subnet_id", "")
    errors = {field: [str(error) for error in found] for field, found in form.errors.items()}
    creations.note_refused_form(
        person=person, project=form.cleaned_data.get("project"), values=values, errors=errors
    )


def _not_permitted(request: PageRequest, *, noted: bool = False) -> HttpResponse:
    """Somebody who may create nowhere: said kindly, with who can help; a post by hand is kept in the audit."""
    if request.method == "POST" and not noted:
        creations.note_denied(
            person=request.user, values={name: request.POST.get(name, "") for name in CreationForm.SHOWN}
        )
    if request.method == "GET":
        messages.info(request, _("You may not create clusters in any team at the moment."))
    return render(request, "clusters/not_permitted.html", status=403)


def _again(request: PageRequest, project: Project) -> Creation | None:
    """The creation that this one tries again, if the form says so and the person may see it."""
    try:
        earlier = UUID(request.POST.get("again_of", ""))
    except ValueError:
        return None
    return Creation.objects.visible_to(request.user).filter(pk=earlier, project=project).first()


def _prefill(typed: dict[str, str], projects: Any) -> dict[str, Any]:
    """Values of the address as initial values; the project by its name."""
    values: dict[str, Any] = {name: value for name, value in typed.items() if name != "project"}
    project = projects.filter(name=typed.get("project", "")).first()
    return values | ({"project": project} if project else {})


def _preview(
    request: PageRequest, projects: Any, typed: dict[str, str], *, live: bool = False
) -> dict[str, Any]:
    """What stands in the way and what would be sent, for what is typed so far."""
    project = projects.filter(name=typed.get("project", "")).first() or projects.first()
    name, subnet_id = typed.get("name", ""), typed.get("hyper_cluster_subnet_id", "")
    kind = ClusterType(typed["type"]) if typed.get("type") in set(ClusterType) else ClusterType.HPS
    ahead = outlook(person=request.user, project=project, name=name)
    return {
        "outlook": ahead,
        "live": live,
        "again_of": request.POST.get("again_of") or request.GET.get("again_of", ""),
        "name_note": _name_note(name, ahead),
        "subnet_note": subnet_trouble(subnet_id) if subnet_id and not is_subnet_id(subnet_id) else "",
        "shown_as": request.GET["as"] if request.GET.get("as") in SNIPPETS else SNIPPETS[0],
        "sent": _snippets(ahead.project, name, kind, subnet_id),
    }


def _name_note(name: str, ahead: Outlook) -> dict[str, Any]:
    if not name:
        return {}
    if trouble := name_trouble(name):
        return {"kind": "err", "text": trouble}
    if ahead.unresolved:
        return {
            "kind": "err",
            "text": _("A creation of this name is not settled yet:"),
            "link": ahead.unresolved,
        }
    if ahead.taken:
        return {"kind": "err", "text": _("A cluster of this name is already there:"), "link": ahead.taken}
    return {"kind": "ok", "text": _("Free in this project, as far as is known here")}


def _snippets(project: Project, name: str, kind: ClusterType, subnet_id: str) -> dict[str, str]:
    """What will be sent, to the byte, and the same call in two other forms. Empty while a value is not valid."""
    if not is_name(name) or (subnet_id and not is_subnet_id(subnet_id)):
        return {}
    made = create_request(project_id=project.project_id, name=name, type=kind, subnet_id=subnet_id)
    body = json.loads(made.body)
    arguments = ", ".join(f"{key}={json.dumps(value)}" for key, value in body.items())
    return {
        "line": f"{made.method} {made.path}",
        "json": json.dumps(body, indent=2),
        "curl": (
            f"curl -X {made.method} '{project.endpoint}{made.path}' \\\n"
            "  -H 'Content-Type: application/json;charset=UTF-8' \\\n"
            '  -H "X-Sdk-Date: $DATE" -H "Authorization: $SIGNATURE" \\\n'
            f"  -d '{made.body.decode()}'"
        ),
        "sdk": (
            "from huaweicloudsdkmodelarts.v1 import *\n\n"
            "client.create_hyper_cluster(CreateHyperClusterRequest(\n"
            f"    body=HyperClusterCreateRequest({arguments})))"
        ),
    }
