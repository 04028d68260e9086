"""Asking the cloud about one cluster: buttons of its page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from hyperclusters.clusters import inquiries
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.web.clusters.views.cluster import visible_cluster
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.texts.refusals import refusal


@access(post=on("cluster"), page="clusters:cluster", keys=("pk",))
def capacity(request: PageRequest, pk: str) -> HttpResponse:
    """Have a worker ask ModelArts which flavors are sold out for this cluster."""
    cluster = visible_cluster(request, pk)
    try:
        inquiries.ask_capacity(by=request.user, cluster=cluster)
    except CreationRefused as refused:
        messages.warning(request, refusal(refused))
        return redirect(cluster)
    return redirect(f"{cluster.get_absolute_url()}#capacity")
