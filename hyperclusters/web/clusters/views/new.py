"""The form that creates a hyper cluster."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from hyperclusters.access.permissions import NotPermitted, Permission, teams_where, who_can
from hyperclusters.clusters import creations
from hyperclusters.clusters.errors import AgainstRules, CreationRefused, NameTaken, NameUnresolved, TokenUsed
from hyperclusters.clusters.models import Creation, Project
from hyperclusters.web.clusters.forms import CreationForm, ProjectChoices
from hyperclusters.web.clusters.preview import preview
from hyperclusters.web.clusters.visible_projects import may_set_up
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft, note_not_taken
from hyperclusters.web.shared.error_pages import after_lost_commit, not_recorded
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, as_uuid
from hyperclusters.web.texts.access import ended_grants
from hyperclusters.web.texts.refusals import refusal, rule_broken

CONFLICT = 409  # the same form made something else before
CREATORS = anywhere(Permission.CREATE, is_denied_by_view=True)


@access(get=CREATORS, post=CREATORS)
@keeps_draft()
def new(request: PageRequest) -> HttpResponse:
    """The form and its live preview (GET), and the one service call that records what is asked (POST)."""
    projects = list(Project.objects.where(request.user, Permission.CREATE).select_related("team"))
    if not projects:
        return _not_permitted(request)
    choices = ProjectChoices(request.user, projects)
    if request.method == "POST":
        return _submit(request, choices)
    draft = draft_for(request)
    values = _values(draft or request.GET)
    if "reason" not in values and (earlier := _earlier(request)):  # too long for a link
        values["reason"] = earlier.reason
    beside = ("as", "despite", "subnets_of") if request.htmx else ("as",)
    project = choices.choose(values)
    context = preview(request.user, project, values | {name: request.GET.get(name, "") for name in beside})
    if request.htmx:
        response = render(request, "clusters/_live.html", context | {"live": True})
    else:
        context["has_draft"] = draft is not None and not getattr(request, "why_not_taken", "")
        response = _form_page(request, choices, filled_form(_blank(choices, values), draft), context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _submit(request: PageRequest, choices: ProjectChoices) -> HttpResponse:
    """One attempt: recorded and on its way, or refused in words with everything kept that was typed."""
    if "find" in request.POST or "pick" in request.POST:
        return _with_subnets(request, choices)
    form = CreationForm(request.POST, projects=choices.projects)
    try:
        if form.is_valid():
            return redirect(_request_creation(request, form))
        # Codes, because the ledger speaks no reader's language.
        codes = {field: [e["code"] for e in errors] for field, errors in form.errors.get_json_data().items()}
        project = choices.by_name(_values(request.POST))
        creations.note_attempt(
            person=request.user, project=project, values=_values(request.POST), errors=codes
        )
    except NotPermitted:
        return _not_permitted(request, is_noted=True)
    except TokenUsed as error:
        return render(request, "clusters/token_used.html", {"refused": error}, status=CONFLICT)
    except CreationRefused as error:
        _say(form, error)
    except DatabaseError:
        return _database_failed(request, form)
    values = _values(request.POST) | {"despite": request.POST.get("despite", "")}
    context = preview(request.user, choices.choose(values), values)
    _name_in_the_way(form, context)
    return _form_page(request, choices, form, context, status=UNPROCESSABLE)


def _name_in_the_way(form: CreationForm, context: dict[str, Any]) -> None:
    """Put beside other errors what has the name already: else it would be said only after these are mended."""
    for check in context["problems"]:
        if check.link and "name" not in form.errors and not form.is_refused:
            form.add_error("name", check.text)


def _with_subnets(request: PageRequest, choices: ProjectChoices) -> HttpResponse:
    """The form again without scripts: its subnets searched, or one of them filled in. Nothing is requested."""
    data = request.POST.copy()
    data["hyper_cluster_subnet_id"] = data.get("pick", data.get("hyper_cluster_subnet_id", ""))
    note_not_taken(request)
    values = _values(data)
    form = filled_form(_blank(choices, values), data)
    return _form_page(request, choices, form, preview(request.user, choices.choose(values), values))


def _say(form: CreationForm, error: CreationRefused) -> None:
    """Put a refusal beside the field that it is about, or above them all."""
    form.is_refused = True
    if isinstance(error, AgainstRules):
        for field in error.fields:
            form.add_error(field, rule_broken(error.team, field))
    else:
        form.add_error("name" if isinstance(error, NameTaken | NameUnresolved) else None, refusal(error))


def _request_creation(request: PageRequest, form: CreationForm) -> Creation:
    data, earlier = form.cleaned_data, _earlier(request)
    return creations.request_creation(
        person=request.user,
        project=data["project"],
        wish=form.create_request(),
        token=data["token"],
        again_of=earlier if earlier and earlier.project_id == data["project"].pk else None,
        despite_cluster=data["despite"],
    )


def _form_page(
    request: PageRequest,
    choices: ProjectChoices,
    form: CreationForm,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    again_of = (request.POST if request.method == "POST" else draft_for(request) or request.GET).get(
        "again_of", ""
    )
    form.label_projects(choices.labels())
    return render(request, "clusters/new.html", context | {"form": form, "again_of": again_of}, status=status)


def _blank(choices: ProjectChoices, values: dict[str, str]) -> CreationForm:
    """A form not yet sent, prefilled with what the address says."""
    project = choices.choose(values)
    form = CreationForm(projects=choices.projects, initial=values | {"project": project.name})
    if len(choices.projects) == 1:  # nothing to choose before the name
        form.fields["name"].widget.attrs["autofocus"] = True
    return form


def _values(query: QueryDict) -> dict[str, str]:
    return {name: str(query[name]) for name in CreationForm.SHOWN if name in query}


def _database_failed(request: PageRequest, form: CreationForm) -> HttpResponse:
    """Read the record back by the form's token; without one nothing can have been recorded."""
    token = form.cleaned_data.get("token")
    values = {str(form[name].label): value for name, value in _values(request.POST).items() if value}
    if token is None:
        return not_recorded(request, values)
    return after_lost_commit(
        request,
        values,
        lambda: creations.find_recorded(person=request.user, token=token),
        where=reverse("creations:of_form", args=[token]),
    )


def _not_permitted(request: PageRequest, *, is_noted: bool = False) -> HttpResponse:
    """Somebody who may create nowhere: said kindly, with who can help; a post by hand is kept in the audit."""
    if request.method == "POST" and not is_noted:
        creations.note_attempt(person=request.user, project=None, values=_values(request.POST))
    admins = {
        grant.person.username
        for team in teams_where(request.user, Permission.VIEW)
        for grant in who_can(Permission.GRANT, team)
    }
    context = {
        "admins": sorted(admins),
        "ended_grants": ended_grants(request.user),
        "has_role": bool(teams_where(request.user, Permission.CREATE)),
        "may_set_up": may_set_up(request.user),
    }
    return render(request, "clusters/not_permitted.html", context, status=403)


def _earlier(request: PageRequest) -> Creation | None:
    """The creation that is tried again, if the form or the address says so and the person may see it."""
    earlier = as_uuid((request.POST if request.method == "POST" else request.GET).get("again_of", ""))
    return Creation.objects.visible_to(request.user).filter(pk=earlier).first() if earlier else None
