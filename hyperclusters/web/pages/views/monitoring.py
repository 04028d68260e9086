"""For machines: is the process up, can it serve, and its metrics."""

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST

import hyperclusters
from hyperclusters.audit.chain import KeyMissing, current_key
from hyperclusters.audit.structure import migrations_on_disk
from hyperclusters.clusters.heartbeat import is_a_worker_alive, seconds_ahead
from hyperclusters.clusters.metrics import exposition
from hyperclusters.web.shared.decorators import PUBLIC, access


@access(get=PUBLIC)
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nothing of the database, so that a database outage restarts nobody."""
    return JsonResponse({"status": "ok"})


@access(get=PUBLIC)
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether pages can be served: 503 if not, with the reason. Says as well whether a worker is alive, and whether
    this process's clock is right: neither keeps pages from being served."""
    details: dict[str, Any] = {"database": "ok", "schema": "ok", "static": "ok", "audit": "ok"}
    try:
        details |= {"worker": "alive" if is_a_worker_alive() else "none", "clock": _clock()}
        applied_migrations = MigrationRecorder(connection).applied_migrations().keys()
        if missing_migrations := migrations_on_disk() - applied_migrations:
            details["schema"] = f"{len(missing_migrations)} migrations are not applied"
        else:
            current_key()
    except KeyMissing:
        details["audit"] = "AUDIT_KEYS lacks the audit's current key"
    except DatabaseError:
        details = {"database": "does not answer"}
    if not getattr(staticfiles_storage, "hashed_files", True):
        details["static"] = "not collected"
    ready = all(details.get(name) == "ok" for name in ("database", "schema", "static", "audit"))
    status = {"status": "ok" if ready else "unavailable", "version": hyperclusters.__version__}
    return JsonResponse(status | details, status=200 if ready else 503)


def _clock() -> str:
    ahead = seconds_ahead()
    return "ok" if ahead is None else f"wrong: {ahead:+.0f} s ahead"


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
