"""Numbers for Prometheus."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST

from hyperclusters.clusters.metrics import exposition
from hyperclusters.web.shared.decorators import PUBLIC, access


@access(get=PUBLIC, note="with METRICS_TOKEN")
def metrics(request: HttpRequest) -> HttpResponse:
    """Off without METRICS_TOKEN; with it, for whoever sends it: `Authorization: Bearer …`."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not constant_time_compare(
        request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"
    ):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
