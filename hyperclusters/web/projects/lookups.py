"""Connecting a project in two steps: the key first, then a project that IAM lists for it, or one that is typed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from hyperclusters.access.permissions import Permission
from hyperclusters.clusters import lookups
from hyperclusters.clusters.connections import ask_test
from hyperclusters.clusters.credentials import UnusableKey
from hyperclusters.clusters.models import Project, ProjectLookup
from hyperclusters.web.projects.forms import FindForm, PickForm
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, render_page
from hyperclusters.web.texts.lookups import lookup_status

CONNECTORS = anywhere(Permission.CONNECT)
CARRIED_FIELDS = (
    "name",
    "team",
    "region",
    "endpoint",
    "project_id",
    "quota",
)  # from one step to the other, in the address
POLLED_FOR = 60  # seconds; then a button asks for the answer


@sensitive_post_parameters()
def find(request: PageRequest) -> tuple[FindForm, HttpResponse | None]:
    """Have a worker list the projects of the key that was typed: the form, and where to go on if it was taken."""
    form = FindForm(request.POST)
    if not form.is_valid():
        return form, None
    data = form.cleaned_data
    where = {name: data[name] for name in ("endpoint", "region", "key_until")}
    try:
        lookup = lookups.ask_projects(
            by=request.user, session=_session(request), credentials=form.credentials(), **where
        )
    except ValidationError as error:
        form.add_error(None, error)
        return form, None
    return form, redirect(_address("projects:pick", request.POST, lookup.pk))


@access(get=CONNECTORS, post=CONNECTORS, recent=True)
@keeps_draft()
def pick(request: PageRequest, pk: UUID) -> HttpResponse:
    """Connect a project with the key that was typed in the step before. While a worker asks IAM, the list asks for
    itself again."""
    lookup = lookups.find_lookup(by=request.user, session=_session(request), pk=pk)
    if lookup is None or "cancel" in request.POST:
        return _begin_again(request, lookup)
    form = _form(request, lookup)
    if request.method == "POST" and form.is_bound and form.is_valid():
        try:
            project = _connect(request, lookup, form)
        except ValidationError as error:
            _add_errors(form, error)
        except UnusableKey:
            return _begin_again(request, lookup)
        else:
            return redirect(project) if project else _begin_again(request, None)
    return _page(request, lookup, form)


def carried_values(data: QueryDict) -> dict[str, str]:
    """What of a form goes along to the other step: nothing secret."""
    return {name: str(data[name]) for name in CARRIED_FIELDS if data.get(name)}


def _connect(request: PageRequest, lookup: ProjectLookup, form: PickForm) -> Project | None:
    values = {name: form.cleaned_data[name] for name in ("name", "team", "project_id", "quota")}
    project = lookups.connect_found(by=request.user, lookup=lookup, **values)
    if project:
        ask_test(by=request.user, project=project)
    return project


def _form(request: PageRequest, lookup: ProjectLookup) -> PickForm:
    """As posted to connect; else filled in with what was typed so far. A button may ask IAM again."""
    if request.method != "POST":
        return filled_form(PickForm(initial=carried_values(request.GET)), draft_for(request))
    if not {"again", "refresh"} & set(request.POST):
        return PickForm(request.POST)
    if "again" in request.POST:
        try:
            lookups.ask_again(lookup)
        except ValidationError as error:
            messages.warning(request, error.messages[0])
        lookup.refresh_from_db()
    return filled_form(PickForm(), request.POST)


def _page(request: PageRequest, lookup: ProjectLookup, form: PickForm) -> HttpResponse:
    projects, others = lookups.found_projects(lookup)
    is_open = lookup.done_at is None
    context: dict[str, Any] = {
        "lookup": lookup,
        "form": form,
        "found": projects,
        "status": lookup_status(lookup, projects, others),
        "is_open": is_open,
        "is_polled": is_open and lookup.age().total_seconds() < POLLED_FOR,
        "may_ask_again": not is_open and lookup.rows is None and lookup.has_key,
    }
    status = UNPROCESSABLE if form.errors else 200
    return render_page(request, "projects/pick.html", "projects/_found.html", context, status=status)


def _begin_again(request: PageRequest, lookup: ProjectLookup | None) -> HttpResponse:
    """To the first step, with what was typed but the key, which is deleted."""
    if lookup:
        lookups.cancel_lookup(lookup)
    if request.htmx:
        return render(request, "projects/_found.html", {})
    if "cancel" not in request.POST:
        messages.warning(request, _("This step is over. Enter the key again."))
    data = request.POST or draft_for(request) or request.GET
    return redirect(_address("projects:connect", data))


def _add_errors(form: Form, error: ValidationError) -> None:
    """Each beside its field; those of fields that this step does not have, above the form."""
    for name, errors in getattr(error, "error_dict", {None: error}).items():
        form.add_error(name if name in form.fields else None, errors)


def _address(route: str, data: QueryDict, *args: object) -> str:
    query = urlencode(carried_values(data))
    return reverse(route, args=args) + (f"?{query}" if query else "")


def _session(request: PageRequest) -> str:
    """Names this session to others: its key is a secret."""
    return salted_hmac(
        "hyperclusters.lookups", request.session.session_key or "", algorithm="sha256"
    ).hexdigest()
