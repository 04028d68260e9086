"""What I may do and until when; asking for access; taking up an invitation."""

from __future__ import annotations

from collections import defaultdict

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access import access_requests, invitations
from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import AccessRequest, Grant, Invitation, Role, Team, User
from hyperclusters.access.permissions import Permission, active_grants, platform_admins, roles_for
from hyperclusters.access.team_admins import SOON
from hyperclusters.accounts.models import ApiToken
from hyperclusters.audit import clock
from hyperclusters.web.access.form_pages import submit
from hyperclusters.web.access.forms import JoinForm
from hyperclusters.web.access.request_forms import AskForm
from hyperclusters.web.shared.decorators import OWN, PUBLIC, SIGNED_IN, access
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_data
from hyperclusters.web.texts.access import (
    ALLOWS,
    access_refusal,
    decided_by,
    ended_grants,
    own_requests,
    waits_for,
)


@access(get=SIGNED_IN)
def mine(request: PageRequest) -> HttpResponse:
    """What this person may do and until when, what they asked for, and the form to ask for more."""
    initial = {name: request.GET[name] for name in ("team", "role", "days", "reason") if name in request.GET}
    form = AskForm(teams=_teams(request.user), initial=initial)
    return _page(request, form if initial else filled_form(form, draft_for(request, reverse("access:ask"))))


@access(post=SIGNED_IN, page="access:mine")
@keeps_draft()
def ask(request: PageRequest) -> HttpResponse:
    """Ask for a role in a team, or for more time."""
    form = AskForm(request.POST, teams=_teams(request.user))

    def act() -> str:
        data = form.cleaned_data
        terms = {"role": Role(data["role"]), "days": data["days"], "reason": data["reason"]}
        access_request = access_requests.ask(person=request.user, team=data["team"], **terms)
        text = _("Request sent: %(deciders)s. You'll see the decision here.")
        messages.success(request, text % {"deciders": waits_for(access_request)})
        return "access:mine"

    if target := submit(form, act):
        return redirect(target)
    return _page(request, form, status=UNPROCESSABLE)


@access(post=OWN, page="access:mine")
def withdraw(request: PageRequest, pk: int) -> HttpResponse:
    """Take back one's own request."""
    mine = AccessRequest.objects.filter(person=request.user).select_related("person", "team")
    try:
        access_requests.withdraw(get_object_or_404(mine, pk=pk), by=request.user)
    except ChangeRefused as error:
        messages.warning(request, access_refusal(error))
    return redirect("access:mine")


@access(get=PUBLIC, post=PUBLIC, note="with the link")
def invitation(request: PageRequest, token: str) -> HttpResponse:
    """Take up an invitation: with one's account, or by making one. The link itself proves the address."""
    offer = invitations.by_token(token)
    if offer is None:
        return render(request, "access/no_invitation.html", status=404)
    person: User | AnonymousUser = request.user
    form = JoinForm(None if isinstance(person, User) else posted_data(request))
    refusal = ""
    if request.method == "POST":
        try:
            if _accept(person, offer, form):
                return redirect("access:mine")
        except ChangeRefused as error:
            refusal = access_refusal(error)
    has_account = User.objects.by_address(offer.email).exists()
    context = {"invited": offer, "form": form, "refusal": refusal, "has_account": has_account}
    status = UNPROCESSABLE if refusal or form.errors else 200
    return render(request, "access/invitation.html", context, status=status)


def _accept(person: User | AnonymousUser, invitation: Invitation, form: JoinForm) -> bool:
    if isinstance(person, User):
        invitations.accept(invitation, person=person)
        return True
    if not form.is_valid():
        return False
    try:
        invitations.join(invitation, **form.cleaned_data)
    except ValidationError as error:
        form.add_error(None, error.messages)
        return False
    return True


def _page(request: PageRequest, form: AskForm, status: int = 200) -> HttpResponse:
    person = request.user
    access_requests = AccessRequest.objects.filter(person=person).select_related("team", "decided_by")
    grants = [
        {"grant": grant, "allows": ALLOWS[Role(grant.role)], "days": _days(grant)}
        for grant in active_grants(person)
    ]
    context = {
        "grants": grants,
        "waiting": own_requests(person),
        "decided": access_requests.filter(decided_at__isnull=False).order_by("-decided_at", "pk")[:5],
        "ended_grants": ended_grants(person),
        "tokens": ApiToken.objects.filter(owner=person, revoked_at__isnull=True).select_related(
            "team", "owner"
        ),
        "soon": clock.now() + SOON,
        "form": form,
    }
    return render(request, "access/mine.html", context, status=status)


def _days(grant: Grant) -> int | None:
    """For how long it was given: what one click asks for again. None: it has no end."""
    return max((grant.until - grant.since).days, 1) if grant.until else None


def _teams(person: User) -> list[tuple[Team, str]]:
    """Every team and who decides there: what anybody who is signed in may know of it. Three queries, however many teams."""
    deciders = defaultdict(list)
    grants = Grant.objects.active().filter(role__in=roles_for(Permission.GRANT)).exclude(person=person)
    for grant in grants.select_related("person").order_by("person__username"):
        deciders[grant.team_id].append(grant.person.username)
    admins = platform_admins()
    return [(team, decided_by(deciders[team.pk], admins)) for team in Team.objects.all()]
