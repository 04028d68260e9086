"""Asking the cloud about one cluster: buttons of its page."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from hyperclusters.access.permissions import Permission
from hyperclusters.clusters import inquiries
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.models import Inquiry
from hyperclusters.web.clusters.views.cluster import visible_cluster
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.texts.refusals import refusal


@access(post=on("cluster"), page="clusters:cluster", keys=("pk",))
def capacity(request: PageRequest, pk: str) -> HttpResponse:
    """Have a worker ask ModelArts which flavors are sold out for this cluster."""
    return _ask(request, pk, inquiries.ask_capacity)


@access(post=on("cluster", Permission.AUDIT), page="clusters:cluster", keys=("pk",))
def traces(request: PageRequest, pk: str) -> HttpResponse:
    """Have a worker ask CTS whom it names for this cluster, which was created elsewhere."""
    return _ask(request, pk, inquiries.ask_traces)


def _ask(request: PageRequest, pk: str, ask: Callable[..., Inquiry]) -> HttpResponse:
    """Ask, and return to the part of the page that shows the answer; with a message if nothing is asked."""
    cluster = visible_cluster(request, pk)
    try:
        inquiry = ask(by=request.user, cluster=cluster)
    except CreationRefused as error:
        messages.warning(request, refusal(error))
        return redirect(cluster)
    return redirect(f"{cluster.get_absolute_url()}#{inquiry.kind}")
