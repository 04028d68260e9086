"""The yardsticks: what a plain page of each kind costs."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path

from .models import Cluster, Event, Person

PAGE = 50
CELLS = [field.name for field in Event._meta.concrete_fields]
KEYSET = f"SELECT {', '.join(CELLS)} FROM audit_event ORDER BY seq DESC LIMIT {PAGE}"  # noqa: S608 -- our own words
BACKEND = "django.contrib.auth.backends.ModelBackend"


class Uncounted(Paginator):  # type: ignore[type-arg]  # no generic at run time
    """Without COUNT, as people do on large tables."""

    count = 10**9


def sign_in(request: HttpRequest, pk: int) -> HttpResponse:
    """The bench's own, on loopback."""
    login(request, get_object_or_404(Person, pk=pk), backend=BACKEND)
    return HttpResponse(request.session.session_key)


@login_required
def constant(_: HttpRequest) -> HttpResponse:
    return HttpResponse("constant")


@login_required
def base(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


@login_required
def keyset(request: HttpRequest) -> HttpResponse:
    """The limit: raw SQL under a template that only prints."""
    with connection.cursor() as cursor:
        cursor.execute(KEYSET)
        return render(request, "cells.html", {"rows": cursor.fetchall()})


@login_required
def events(request: HttpRequest) -> HttpResponse:
    page = Uncounted(Event.objects.order_by("-seq"), PAGE).get_page(request.GET.get("page"))
    return render(request, "cells.html", {"rows": [[getattr(row, cell) for cell in CELLS] for row in page]})


@login_required
def clusters(request: HttpRequest) -> HttpResponse:
    rows = Cluster.objects.filter(gone_at=None).select_related(
        "project__team", "creation__requested_by", "owner"
    )
    rows = rows.prefetch_related("networks").order_by("-found_at", "id")
    page = Uncounted(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "clusters.html", {"page": page})


class Events(admin.ModelAdmin):
    """As most people set it up."""

    list_display = CELLS
    list_per_page = PAGE
    list_filter = ("outcome", "action")
    date_hierarchy = "at"
    search_fields = ("object_name", "object_id", "request_id", "upstream_request_id")


admin.site.register(Event, Events)
urlpatterns = [
    path("sign-in/<int:pk>/", sign_in),
    path("constant/", constant),
    path("base/", base),
    path("keyset/", keyset),
    path("events/", events),
    path("clusters/", clusters),
    path("admin/", admin.site.urls),
]
