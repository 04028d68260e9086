"""What others would do with the same ledger: Django's admin, a plain paginator, the streaming recipe; and the limit,
which is the keyset in raw SQL under a template that does nothing but print."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.urls import path

from hyperclusters.audit.models import Event

CELLS = (
    "seq", "at", "action", "outcome", "person_name", "team_name", "object_kind", "object_id", "object_name",
    "evidence", "source", "request_id", "upstream_request_id",
)  # fmt: skip
PAGE = 50
TEMPLATE = "<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>"


class Everybody(admin.AdminSite):
    """The bench's people have no staff flag."""

    def has_permission(self, request: HttpRequest) -> bool:
        return True


class Events(admin.ModelAdmin):
    """As most people set it up."""

    list_display = CELLS
    list_per_page = PAGE
    list_filter = ("outcome", "action")
    date_hierarchy = "at"
    search_fields = ("object_name", "object_id", "request_id", "upstream_request_id")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def limit(request: HttpRequest) -> HttpResponse:
    """`?where=…&order=…`: this page of the keyset, as SQL. The bench's own, on loopback."""
    where, order = request.GET.get("where", "true"), request.GET.get("order", "DESC")
    sql = f"SELECT {', '.join(CELLS)} FROM audit_event WHERE {where} ORDER BY seq {order} LIMIT {PAGE}"  # noqa: S608 -- that is what it is for
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("%", "%%"), [])
        rows = cursor.fetchall()
    return HttpResponse(engines["django"].from_string(TEMPLATE).render({"rows": rows}))


def paginator(request: HttpRequest) -> HttpResponse:
    """A plain Paginator under the same template."""
    events = Event.objects.order_by("-seq").values_list(*CELLS)
    page = Paginator(events, PAGE).get_page(request.GET.get("page"))
    return HttpResponse(engines["django"].from_string(TEMPLATE).render({"rows": page}))


class _Echo:
    def write(self, value: str) -> str:
        return value


def stream(_: HttpRequest) -> StreamingHttpResponse:
    """The recipe of Django's documentation for a large CSV."""
    names = [field.attname for field in Event._meta.concrete_fields]

    def lines() -> Iterator[str]:
        writer = csv.writer(_Echo())
        for event in Event.objects.order_by("seq").iterator():
            yield writer.writerow([getattr(event, name) for name in names])

    return StreamingHttpResponse(lines(), content_type="text/csv")


site = Everybody(name="bench")
site.register(Event, Events)
urlpatterns = [
    path("limit/", limit),
    path("paginator/", paginator),
    path("stream/", stream),
    path("admin/", site.urls),
]
