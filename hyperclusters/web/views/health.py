"""For machines: is the process up, and can it serve."""

from typing import Any

from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse

from hyperclusters.audit.chain import KeyMissing, current_key
from hyperclusters.audit.structure import migrations_on_disk
from hyperclusters.clusters.heartbeat import is_a_worker_alive, seconds_ahead
from hyperclusters.web.decorators import PUBLIC, access


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
        details["worker"] = "alive" if is_a_worker_alive() else "none"
        ahead = seconds_ahead()
        details["clock"] = "ok" if ahead is None else f"wrong: {ahead:+.0f} s ahead"
        if missing := migrations_on_disk() - MigrationRecorder(connection).applied_migrations().keys():
            details["schema"] = f"{len(missing)} migrations are not applied"
        else:
            current_key()
    except KeyMissing:
        details["audit"] = "AUDIT_KEYS lacks the audit's current key"
    except DatabaseError:
        details = {"database": "does not answer"}
    if not getattr(staticfiles_storage, "hashed_files", True):
        details["static"] = "not collected"
    ready = all(details.get(name) == "ok" for name in ("database", "schema", "static", "audit"))
    status = {"status": "ok" if ready else "unavailable"}
    return JsonResponse(status | details, status=200 if ready else 503)
