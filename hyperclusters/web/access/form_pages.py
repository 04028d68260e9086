"""Pages of one form, or of several of which one is sent: shown, filled from a draft, handed to a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.forms import BaseForm
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render

from hyperclusters.access.errors import ChangeRefused
from hyperclusters.web.shared.drafts import draft_for, filled_form
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest
from hyperclusters.web.texts.access import access_refusal


def submit(form: BaseForm, act: Callable[[], Any]) -> Any:
    """What `act` returns if the form is valid and the service takes it. Otherwise None, with the reasons in the form."""
    if not form.is_valid():
        return None
    try:
        return act()
    except ChangeRefused as error:
        form.add_error(None, access_refusal(error))
    except ValidationError as error:
        form.add_error(None, error.messages)
    return None


def form_page(
    request: PageRequest, form: BaseForm, act: Callable[[], Any], template: str, context: dict[str, Any]
) -> HttpResponse:
    """The page of one form. `act` calls the service and returns where to go then."""
    filled_form(form, draft_for(request))
    if request.method == "POST" and (target := submit(form, act)):
        return redirect(target)
    return render(request, template, context | {"form": form}, status=UNPROCESSABLE if form.errors else 200)


def posted_for(request: PageRequest, name: str) -> QueryDict | None:
    """What was posted, for the form it was meant for: the field `do` names it."""
    return request.POST if request.method == "POST" and request.POST.get("do") == name else None


def forms_page(
    request: PageRequest,
    forms: dict[str, Any],
    act: Callable[[Any], Any],
    template: str,
    context: dict[str, Any],
) -> HttpResponse:
    """The page of several forms. `act` gets the one that was posted, calls the service and returns where to go then."""
    form = forms.get(request.POST.get("do", ""))
    if form is not None and (target := submit(form, lambda: act(form))):
        return redirect(target)
    if (draft := draft_for(request)) and (draft_form := forms.get(str(draft.get("do")))):
        filled_form(draft_form, draft)
    status = UNPROCESSABLE if form is not None else 200
    return render(request, template, context | {"forms": forms}, status=status)
