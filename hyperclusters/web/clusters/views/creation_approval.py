"""A second person approves or declines a creation."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from hyperclusters.access.permissions import Permission
from hyperclusters.clusters import approvals
from hyperclusters.clusters.errors import ApprovalRefused, ReasonRequired
from hyperclusters.clusters.models import Creation
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import keeps_draft, note_not_taken
from hyperclusters.web.shared.http import PageRequest, posted_text
from hyperclusters.web.texts.approvals import approval_refusal

ACTS = {"approve": approvals.approve, "decline": approvals.decline}


@access(
    post=on("creation", Permission.DECIDE),
    page="creations:creation",
    keys=("pk",),
    note="not who requested it",
)
@keeps_draft()
def approval(request: PageRequest, pk: str) -> HttpResponse:
    """Approve it, or decline it with a reason."""
    visible = Creation.objects.visible_to(request.user)
    rows = visible.select_related("project__team", "requested_by", "approval_by")
    creation, reason = get_object_or_404(rows, pk=pk), posted_text(request, "reason")
    act = ACTS.get(request.POST.get("decision", ""))
    if act is None:
        request.rule.require(request.user, creation.team)
        messages.error(request, _("Choose to approve or to decline it. Nothing was changed."))
        return redirect(creation)
    try:
        act(creation, by=request.user, reason=reason)
    except StaleState:
        messages.warning(request, _("This does not wait for approval any more. See below how it stands."))
    except ReasonRequired:
        note_not_taken(request)
        messages.error(request, _("Enter a reason to decline it. Nothing was changed."))
    except ApprovalRefused as error:
        note_not_taken(request)
        messages.error(request, approval_refusal(error))
    return redirect(creation)
